"""What the answers of a receiver say over time: since when something is so, and how often something happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from keeper.core.receiver_event import ReceiverAnswer


class Grown(NamedTuple):
    """By how much a count grew, and when it did last."""

    number: int
    at: float


class Count:
    """A count that another process begins at nought. At most `most` times at which it grew are remembered."""

    def __init__(self, most: int) -> None:
        self._value = 0
        self._grown: deque[Grown] = deque(maxlen=most)

    def take(self, value: int, at: float, begun: float | None) -> None:
        """`begun` is when the process began, if it is another one than before: all that it counted came since."""
        grown = value - (self._value if begun is None else 0)
        self._value = value
        if grown > 0:
            self._grown.append(Grown(grown, at if begun is None else begun))

    def since(self, time: float) -> Grown:
        return _sum(grown for grown in self._grown if grown.at >= time)


def _sum(some: Iterable[Grown]) -> Grown:
    number, at = 0, 0.0
    for grown in some:
        number, at = number + grown.number, grown.at
    return Grown(number, at)


class ReceiverMemory:
    """Filled answer by answer, so that nothing of it depends on how many answers are remembered.

    `troubled_since`: its queue does not work; `hindered_since`: running workers cannot store; `short_since`: fewer
    workers run than there are. Each is the time of the first answer that says so, None while the last does not.

    `doubted` are senders that were silent for too long and have not been heard since, though a receiver that was
    started anew does not count that any more.
    """

    def __init__(self, most: int) -> None:
        self.troubled_since: float | None = None
        self.hindered_since: float | None = None
        self.short_since: float | None = None
        self.deaths = Count(most)
        self.refused = Count(most)
        self.doubted: frozenset[str] = frozenset()
        self.lost = Count(most)
        self._last: ReceiverAnswer | None = None

    def take(self, answers: Iterable[ReceiverAnswer]) -> None:
        for answer in answers:
            self._take(answer)

    def _take(self, answer: ReceiverAnswer) -> None:
        self.troubled_since = _since(self.troubled_since, answer.at, bool(answer.trouble))
        self.hindered_since = _since(self.hindered_since, answer.at, answer.hindered > 0)
        self.short_since = _since(self.short_since, answer.at, answer.running < answer.workers)
        last, self._last = self._last, answer
        begun = None
        if last is None or last.started != answer.started:
            begun = max(answer.at - answer.up, 0.0 if last is None else last.at)
        self.deaths.take(answer.deaths, answer.at, begun)
        self.refused.take(answer.refused, answer.at, begun)
        self.lost.take(answer.lost, answer.at, begun)
        if last is not None and (last.quiet or self.doubted):
            missing = self.doubted.union(sender.name for sender in last.quiet)
            self.doubted = missing & _unheard(answer, missing)


def _unheard(answer: ReceiverAnswer, some: frozenset[str]) -> frozenset[str]:
    """Those of them that the receiver has not heard since it began to count, and does not call silent."""
    every_name = len(answer.awaited) == answer.awaiting
    return some.intersection(answer.awaited) if every_name else some.difference(one.name for one in answer.quiet)


def _since(before: float | None, at: float, so: bool) -> float | None:
    if not so:
        return None
    return at if before is None else before
