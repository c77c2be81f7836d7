"""How long things took: counted by bounds, as Prometheus' histograms are, so that those of several processes add up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import add

# Seconds. A request waits for one fdatasync or two; of 100 requests 99 shall take less than 30 ms.
DURABLE_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STORE_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Spread:
    """`counts[i]` took at most the i-th bound and longer than the one before, the last of `counts` longer than all;
    `seconds` is all of it together."""

    counts: tuple[int, ...]
    seconds: float = 0.0

    def __add__(self, other: Spread) -> Spread:
        """Both together; their bounds must be the same."""
        return Spread(tuple(map(add, self.counts, other.counts)), self.seconds + other.seconds)


NONE_DURABLE = Spread((0,) * (len(DURABLE_BOUNDS) + 1))
NONE_STORED = Spread((0,) * (len(STORE_BOUNDS) + 1))


class Spreading:
    """Counts while it goes on, in one thread."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._seconds = 0.0

    def took(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._seconds += seconds

    def spread(self) -> Spread:
        """So far."""
        return Spread(tuple(self._counts), self._seconds)
