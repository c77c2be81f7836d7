"""Texts of several kernels, and what is made of them: golden/KERNEL_READER.txt and .expected.

Those of Linux 6.18 were recorded; the others are written after the layouts in proc(5) and the kernel's sources, to
have in few lines what differs: fewer columns, no space after a colon, five-digit row numbers, parentheses in names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from keeper.shipped.disk import mounts
from keeper.shipped.load import averages, cpus
from keeper.shipped.memory import meminfo
from keeper.shipped.network import interfaces, traffic
from keeper.shipped.point import Point, lines
from keeper.shipped.pressure import pressure
from keeper.shipped.process import limit, stat, usage
from keeper.shipped.tcp import count, sockstat, states

FOLDER = Path(__file__).parent / "golden"
AT = 1_700_000_000


def said(points: list[Point]) -> str:
    return lines(points, AT, refuse)


def refuse(complaint: str) -> None:
    raise AssertionError(complaint)


def process(told: str) -> str:
    """Usage of one process, an hour after the host was booted."""
    told_of = stat(told)
    return f"{told_of}\n{said(usage([told_of], told_of.cpu, 3600.0, 'name=a'))}"


def table(told: str) -> str:
    return said(states(count(told.encode().splitlines(keepends=True))))


READERS: dict[str, Callable[[str], str]] = {
    "loadavg": lambda told: said(averages(told)),
    "stat": lambda told: said(cpus(told)),
    "meminfo": lambda told: said(meminfo(told)),
    "dev": lambda told: said(traffic(interfaces(told))),
    "sockstat": lambda told: said(sockstat(told)),
    "tcp": table,
    "tcp6": table,
    "pressure": lambda told: said(pressure(told, "io")),
    "mounts": lambda told: "".join(f"{mount.path!r} {mount.tags}\n" for mount in mounts(told, remote=False)),
    "allmounts": lambda told: "".join(f"{mount.path!r} {mount.tags}\n" for mount in mounts(told, remote=True)),
    "limits": lambda told: f"{limit(told)}\n",
    "pidstat": process,
}


def made(text: Path) -> str:
    reader = text.stem.rpartition("_")[2]
    return READERS[reader](text.read_text())


def metrics() -> set[str]:
    """Return the names of all metrics that golden texts make."""
    return {
        words[0]
        for text in FOLDER.glob("*.txt")
        for words in (line.split() for line in made(text).splitlines())
        if len(words) > 1 and words[1] == str(AT)
    }
