"""Bounded memory of timestamped events of one kind. A ring knows what it forgot."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    @property
    def at(self) -> float: ...


E = TypeVar("E", bound=Timed)

# Bytes a remembered event costs beside its text: the tuple, its floats and its place in the ring (64 bit).
EVENT_BYTES = 256


class Ring(Generic[E]):
    """The newest events, at most `max_count` of them and about `max_bytes` bytes.

    `forgotten` counts what fell out; `remembers_from` is the time since which nothing is missing.
    """

    __slots__ = ("_bytes", "_events", "_max_bytes", "_max_count", "forgotten", "remembers_from")

    def __init__(self, max_count: int, max_bytes: int, remembers_from: float) -> None:
        self._events: deque[E] = deque()
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._bytes = 0
        self.forgotten = 0
        self.remembers_from = remembers_from

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[E]:
        return iter(self._events)

    def __reversed__(self) -> Iterator[E]:
        return reversed(self._events)

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def last(self) -> E | None:
        return self._events[-1] if self._events else None

    def append(self, event: E) -> None:
        self._events.append(event)
        self._bytes += weight(event)
        while len(self._events) > self._max_count or (self._bytes > self._max_bytes and len(self._events) > 1):
            self._forget_oldest()

    def extend(self, events: Iterable[E]) -> None:
        for event in events:
            self.append(event)

    def since(self, time: float) -> list[E]:
        """Events at or after `time`, oldest first. Costs as much as it returns."""
        found: list[E] = []
        for event in reversed(self._events):
            if event.at < time:
                break
            found.append(event)
        found.reverse()
        return found

    def covers(self, since: float) -> bool:
        """Whether an absence since `since` can be proved from this ring."""
        return since >= self.remembers_from

    def blind_until(self, time: float) -> None:
        """Nothing is known of the time before `time`: the source was not looking."""
        self.remembers_from = max(self.remembers_from, time)

    def _forget_oldest(self) -> None:
        oldest = self._events.popleft()
        self._bytes -= weight(oldest)
        self.forgotten += 1
        self.remembers_from = max(self.remembers_from, oldest.at)


def weight(event: object) -> int:
    """About how many bytes an event holds: a constant for the tuple and the length of its texts."""
    size = EVENT_BYTES
    if isinstance(event, tuple):
        for part in event:
            if type(part) is str:
                size += len(part)
            elif type(part) is tuple:
                size += sum(len(p) + 56 for p in part if type(p) is str)
    return size
