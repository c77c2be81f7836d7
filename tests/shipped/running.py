"""Starts the shipped collectors as keeper does, and reads what they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.peers.process import run

PROC = Path(__file__).parents[2] / "keeper" / "shipped" / "proc.py"

# What keeper takes, after tcollector: metric, seconds, a finite number, tags; no two spaces.
LINE = re.compile(r"([-_./a-zA-Z0-9]+) (\d{10}) (-?\d+(?:\.\d+)?)((?: [-_./a-zA-Z0-9]+=[-_./a-zA-Z0-9]+)*)")


class Said(NamedTuple):
    metric: str
    at: int
    value: float
    tags: dict[str, str]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-I", str(PROC), *arguments]


def read(line: str) -> Said:
    """Read one line, without its end; raises AssertionError when it is against the protocol."""
    found = LINE.fullmatch(line)
    assert found, f"against the protocol: {line!r}"
    assert len(line) < 1024, line
    pairs = [pair.split("=") for pair in found[4].split()]
    tags = dict(pairs)
    assert len(tags) == len(pairs), f"a tag twice: {line!r}"
    return Said(found[1], int(found[2]), float(found[3]), tags)


def once(*arguments: str, before: tuple[str, ...] = ()) -> list[Said]:
    """Run one round, `before` the program that starts it, and return it; nothing may be wrong with it."""
    ended = run([*before, *command("--once", *arguments)])
    assert (ended.returncode, ended.stderr) == (0, "")
    return a_round(ended)


def a_round(ended: subprocess.CompletedProcess[str]) -> list[Said]:
    assert ended.stdout == "" or ended.stdout.endswith("\n")
    return [read(line) for line in ended.stdout.splitlines()]


def value(said: list[Said], metric: str, **tags: str) -> float:
    """Return the one value with these tags, among others."""
    found = [one.value for one in said if one.metric == metric and tags.items() <= one.tags.items()]
    assert len(found) == 1, f"{metric} {tags}: {found}"
    return found[0]
