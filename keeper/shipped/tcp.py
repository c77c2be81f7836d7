"""How many TCP sockets there are, in which state."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from keeper.shipped.point import Point
from keeper.shipped.procfs import text, text_if_any

# <net/tcp_states.h>, with the names of tcollector.
STATES = {
    b"01": "established",
    b"02": "syn_sent",
    b"03": "syn_recv",
    b"04": "fin_wait1",
    b"05": "fin_wait2",
    b"06": "time_wait",
    b"07": "close",
    b"08": "close_wait",
    b"09": "last_ack",
    b"0A": "listen",
    b"0B": "closing",
}

# The kernel walks its whole hash table of connections for us: 4 ms for each of the two files on a host with 24 GB
# and no connections, 210 ms with 100,000. So the tables are read as often as this share of one core pays for, but
# not more seldom than this: a leak of connections has to be seen.
SHARE = 1 / 4000
SELDOM = 300.0  # seconds

PAGE = 4096  # bytes; sockstat counts memory in pages


class Tcp:
    """The totals in every round, the states as often as they may cost."""

    def __init__(self) -> None:
        self._not_before = 0.0

    def __call__(self) -> list[Point]:
        """Ask the kernel. Raises FileNotFoundError where it has no TCP."""
        totals = sockstat(text("/proc/net/sockstat") + text_if_any("/proc/net/sockstat6"))
        if time.monotonic() < self._not_before:
            return totals
        before = time.thread_time()
        counted = table("/proc/net/tcp")
        if Path("/proc/net/tcp6").exists():  # not where IPv6 is off
            counted += table("/proc/net/tcp6")
        self._not_before = time.monotonic() + min((time.thread_time() - before) / SHARE, SELDOM)
        return totals + states(counted)


def table(path: str) -> Counter[bytes]:
    """Count a table without ever holding it: it may have tens of megabytes."""
    with Path(path).open("rb", buffering=1 << 16) as rows:
        return count(rows)


def count(rows: Iterable[bytes]) -> Counter[bytes]:
    """Count the states in lines of /proc/net/tcp: `0: 0100007F:1F90 00000000:0000 0A ...`."""
    return Counter(row.split(None, 4)[3] for row in rows)


def states(counted: Counter[bytes]) -> list[Point]:
    return [("proc.net.tcp", counted[code], f"state={name}") for code, name in STATES.items()]


def sockstat(told: str) -> list[Point]:
    """Read /proc/net/sockstat and sockstat6: `TCP: inuse 27 orphan 0 tw 2 alloc 31 mem 4`."""
    points: list[Point] = []
    for line in told.splitlines():
        kind, _, rest = line.partition(":")
        words = rest.split()
        numbers = {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}
        if kind == "sockets":
            points.append(("net.sockstat.num_sockets", numbers["used"], ""))
        elif kind == "TCP":
            points += [
                ("net.sockstat.num_orphans", numbers["orphan"], ""),
                ("net.sockstat.num_timewait", numbers["tw"], ""),
                ("net.sockstat.memory", numbers["mem"] * PAGE, "type=tcp"),
            ]
        if kind in ("TCP", "TCP6"):
            points.append(("net.sockstat.sockets_inuse", numbers["inuse"], f"type={kind.lower()}"))
    return points
