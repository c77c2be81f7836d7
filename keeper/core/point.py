"""A measurement: one number of one series at one time, as collector scripts print it and databases keep it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

Tags: TypeAlias = tuple[tuple[str, str], ...]
Number: TypeAlias = int | float


class Series:
    """A metric with its tags, sorted by name. There is one object for each series of a collector, so that comparing
    two is comparing addresses: a dictionary of them costs a third of one of tuples. `text` is both as they are sent."""

    __slots__ = ("metric", "tags", "text")

    def __init__(self, metric: str, tags: Tags) -> None:
        self.metric = metric
        self.tags = tags
        self.text = " ".join((metric, *(f"{name}={value}" for name, value in tags)))

    def __repr__(self) -> str:
        return f"Series({self.text!r})"


class Point(NamedTuple):
    """`at` is the collector's own time in milliseconds since the epoch."""

    series: Series
    at: int
    value: Number


def time_text(at: int) -> str:
    """Whole seconds as seconds: not every database takes milliseconds for what they are."""
    return str(at) if at % 1000 else str(at // 1000)


def line(point: Point, more: Iterable[tuple[str, str]] = ()) -> str:
    """`metric timestamp value tag=value ...`, with the tags of `more` that the series has none of the same name of."""
    series = point.series
    own = {name for name, _ in series.tags}
    words = [series.metric, time_text(point.at), repr(point.value)]
    words += [f"{name}={value}" for name, value in (*series.tags, *(tag for tag in more if tag[0] not in own))]
    return " ".join(words)
