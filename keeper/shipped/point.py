"""What a collector says: points, and the lines of one round made of them (the protocol of tcollector)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

# Metric, value, and tags as they are printed: `iface=eth0 direction=in`, empty for none.
Point: TypeAlias = tuple[str, int | str, str]
Say: TypeAlias = Callable[[str], None]  # complains on stderr, about each thing once

FOREIGN = re.compile(r"[^-_./a-zA-Z0-9]")  # what a TSD takes in no tag value
LONGEST = 200  # characters of a tag value: a line has to stay under 1024 bytes


def tag(value: str) -> str:
    """Return the value as a tag can hold it: each character it cannot hold becomes `_`, and the end is cut off."""
    return FOREIGN.sub("_", value)[:LONGEST] or "_"


def lines(points: Iterable[Point], at: int, say: Say) -> str:
    """Return the lines of one round, all of the same second.

    Two things whose names differ only in what no tag can hold would be one series: the first one gets it.
    """
    said: dict[tuple[str, str], str] = {}
    for metric, value, tags in points:
        if (metric, tags) in said:
            say(f"{metric} {tags}: two things have this name, only the first is shown")
            continue
        said[metric, tags] = f"{metric} {at} {value} {tags}".rstrip() + "\n"
    return "".join(said.values())
