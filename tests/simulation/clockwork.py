"""One virtual clock, one queue of what is due, one source of chance, one story. Nothing in the simulation sleeps."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any


class Violation(AssertionError):  # noqa: N818  # it is what was found, not what went wrong here
    """A promise was broken. The message says which."""


class Clockwork:
    """`now` in true seconds. Two runs with one seed do the same."""

    def __init__(self, seed: int, telling: bool) -> None:
        self.now = 0.0
        self.chance = Random(seed)
        self.telling = telling
        self.story: list[str] = []
        self._queue: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def after(self, delay: float, call: Callable[..., object], *args: Any) -> None:
        self._count += 1
        heappush(self._queue, (self.now + delay, self._count, call, args))

    def run(self, until: float) -> None:
        queue = self._queue
        while queue and queue[0][0] <= until:
            self.now, _, call, args = heappop(queue)
            call(*args)
        self.now = until

    def tell(self, who: str, what: str) -> None:
        if self.telling:
            self.story.append(f"{self.now:8.3f}  {who:<6} {what}")

    def violated(self, what: str) -> None:
        self.tell("!!", what)
        raise Violation(f"at {self.now:.3f}: {what}")
