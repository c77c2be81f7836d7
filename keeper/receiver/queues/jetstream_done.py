"""Which records of a stream are done, as workers say: the only ground on which any is taken away."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence


class Done:
    """Numbers up to `floor` are done, and some `above` it. What a worker says twice, or of what is gone, is no harm."""

    def __init__(self) -> None:
        self.floor = 0
        self._above: set[int] = set()

    def gone(self, first: int) -> None:
        """All before `first` is not in the stream any more."""
        if first > self.floor + 1:
            self.floor = first - 1
            self._above = {number for number in self._above if number >= first}
            self._rise()

    def add(self, ranges: Iterable[tuple[int, int]]) -> None:
        for first, last in ranges:
            self._above.update(range(max(first, self.floor + 1), last + 1))
        self._rise()

    def _rise(self) -> None:
        while self.floor + 1 in self._above:
            self.floor += 1
            self._above.remove(self.floor)


def said(numbers: Sequence[int]) -> bytes:
    """What a worker says: ranges of numbers, both ends included."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return json.dumps(ranges).encode()


def heard(message: bytes) -> list[tuple[int, int]]:
    return [(int(first), int(last)) for first, last in json.loads(message)]
