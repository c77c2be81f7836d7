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
    every event is weighed. `forgotten` counts what fell out.
    """

    __slots__ = ("_bytes", "_each", "_events", "_known_from", "_max_bytes", "_max_count", "forgotten")

    def __init__(self, max_count: int, max_bytes: int, remembers_from: float, each: int | None = None) -> None:
        self._max_count = max_count if each is None else max(1, min(max_count, max_bytes // each))
        self._events: deque[E] = deque(maxlen=self._max_count if each is not None else None)
        self._max_bytes = max_bytes
        self._bytes = 0
        self._each = each
        self._known_from = remembers_from
        self.forgotten = 0

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
    def room(self) -> int:
        """How many more events are taken before one falls out, of a kind without free text."""
        return self._max_count - len(self._events)

    @property
    def last(self) -> E | None:
        return self._events[-1] if self._events else None

    def append(self, event: E) -> None:
        self.extend((event,))

    def extend(self, events: Sequence[E]) -> None:
        if self._each is not None:
            over = len(self._events) + len(events) - self._max_count
            if over > 0:
                self.forgotten += over
            self._events.extend(events)
            return
        self._events.extend(events)
        for event in events:
            self._bytes += weight(event)
        while len(self._events) > self._max_count or (self._bytes > self._max_bytes and len(self._events) > 1):
            self._bytes -= weight(self._events.popleft())
            self.forgotten += 1

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

    @property
    def remembers_from(self) -> float:
        """The time since which nothing is missing."""
        if not self.forgotten:
            return self._known_from
        # An event of the same moment as the oldest may be among the forgotten.
        return max(self._known_from, nextafter(self._events[0].at, inf))

    def covers(self, since: float) -> bool:
        """Whether an absence since `since` can be proved from this ring."""
        return since >= self.remembers_from

    def blind_until(self, time: float) -> None:
        """Nothing is known of the time before `time`: the source was not looking."""
        self._known_from = max(self._known_from, time)


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
