"""A measurement: one number of one series at one time, as collector scripts print it and databases keep it."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Tags: TypeAlias = tuple[tuple[str, str], ...]
Number: TypeAlias = int | float


class Series:
    """A metric with its tags, sorted by name. There is one object for each series of a collector, so that comparing
    two is comparing addresses: a dictionary of them costs a third of one of tuples. `text` is both as they are
    sent, `tail` the tags of it."""

    __slots__ = ("metric", "tags", "tail", "text")

    def __init__(self, metric: str, tags: Tags) -> None:
        self.metric = metric
        self.tags = tags
        self.tail = "".join(f" {name}={value}" for name, value in tags)
        self.text = metric + self.tail

    def __repr__(self) -> str:
        return f"Series({self.text!r})"


class Point(NamedTuple):
    """`at` is the collector's own time in milliseconds since the epoch."""

    series: Series
    at: int
    value: Number


def line(point: Point, more: Tags = ()) -> str:
    """`metric timestamp value tag=value ...`, with the tags of `more` that the series has none of the same name of.
    Whole seconds are written as such: not every database takes milliseconds for what they are."""
    series, at, value = point
    text = f"{series.metric} {at if at % 1000 else at // 1000} {value!r}{series.tail}"
    if not more:
        return text
    own = dict(series.tags)
    return text + "".join(f" {name}={word}" for name, word in more if name not in own)
