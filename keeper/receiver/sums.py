"""Counts of a store, summed up by what people ask for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from keeper.receiver.stores.store import HOUR, Count

DAY = 24 * HOUR


class Sum(NamedTuple):
    packets: int
    events: int

    def plus(self, packets: int, events: int) -> Sum:
        return Sum(self.packets + packets, self.events + events)


NOTHING = Sum(0, 0)
KEYS: dict[str, Callable[[Count], str | int]] = {
    "type": lambda count: count.type,
    "source": lambda count: count.source,
    "hour": lambda count: count.hour,
    "day": lambda count: count.hour // DAY * DAY,
}
LENGTHS = {"hour": HOUR, "day": DAY}  # seconds


class Sums(NamedTuple):
    """`by` holds a table for each way of looking; `first` and `last` are the hours something came in, 0 if nothing."""

    total: Sum
    first: int
    last: int
    by: dict[str, dict[str | int, Sum]]


def sums(counts: Iterable[Count], by: Iterable[str]) -> Sums:
    """One pass; memory is by how many types, sources and hours there are."""
    total = NOTHING
    first = last = 0
    tables: dict[str, dict[str | int, Sum]] = {key: {} for key in by}
    for count in counts:
        total = total.plus(count.packets, count.events)
        first, last = min(first or count.hour, count.hour), max(last, count.hour)
        for key, table in tables.items():
            value = KEYS[key](count)
            table[value] = table.get(value, NOTHING).plus(count.packets, count.events)
    return Sums(total, first, last, {key: _ordered(key, table, first, last) for key, table in tables.items()})


def _ordered(key: str, table: dict[str | int, Sum], first: int, last: int) -> dict[str | int, Sum]:
    """The most first; times in their order and none left out, as a gap says something, too."""
    if key not in LENGTHS:
        return dict(sorted(table.items(), key=lambda item: (-item[1].events, -item[1].packets, item[0])))
    step = LENGTHS[key]
    return {at: table.get(at, NOTHING) for at in range(first // step * step, last + 1, step)} if table else {}


def shortened(table: dict[str | int, Sum], most: int) -> tuple[dict[str | int, Sum], int, Sum]:
    """The first rows of it, how many more there are, and their sum: what is shown still adds up."""
    if len(table) <= most + 1:
        return table, 0, NOTHING
    rest = list(table.values())[most:]
    both = Sum(sum(one.packets for one in rest), sum(one.events for one in rest))
    return dict(list(table.items())[:most]), len(rest), both
