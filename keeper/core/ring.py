"""Bounded memory of timestamped events of one kind. A ring knows what it forgot."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import inf, nextafter
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    @property
    def at(self) -> float: ...


E = TypeVar("E", bound=Timed)

# Bytes a remembered event costs beside its text: the tuple, its floats and its place in the ring (64 bit).
EVENT_BYTES = 256


class Ring(Generic[E]):
    """The newest events, at most `max_count` of them and about `max_bytes` bytes.

    `each` is what every event of a kind without free text weighs: counting such events costs nothing. Without it
    every event is weighed. `forgotten` counts what fell out; `remembers_from` is the time since which nothing is
    missing.
    """

    __slots__ = ("_bytes", "_each", "_events", "_max_bytes", "_max_count", "forgotten", "remembers_from")

    def __init__(self, max_count: int, max_bytes: int, remembers_from: float, each: int | None = None) -> None:
        self._events: deque[E] = deque()
        self._max_count = max_count if each is None else max(1, min(max_count, max_bytes // each))
        self._max_bytes = max_bytes
        self._bytes = 0
        self._each = each
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
        return self._bytes if self._each is None else self._each * len(self._events)

    @property
    def last(self) -> E | None:
        return self._events[-1] if self._events else None

    def append(self, event: E) -> None:
        self.extend((event,))

    def extend(self, events: Sequence[E]) -> None:
        self._events.extend(events)
        if self._each is None:
            for event in events:
                self._bytes += weight(event)
        over = len(self._events) - self._max_count
        if over > 0:
            self._forget(over)
        while self._bytes > self._max_bytes and len(self._events) > 1:
            self._forget(1)

    def replace_last(self, event: E) -> None:
        """Put `event` in the place of the newest, which it includes."""
        if self._each is None:
            self._bytes += weight(event) - weight(self._events[-1])
        self._events[-1] = event

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

    def _forget(self, count: int) -> None:
        for _ in range(count):
            oldest = self._events.popleft()
            if self._each is None:
                self._bytes -= weight(oldest)
        self.forgotten += count
        # An event of the same moment may be among the forgotten: only what comes after is complete.
        self.remembers_from = max(self.remembers_from, nextafter(oldest.at, inf))


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
