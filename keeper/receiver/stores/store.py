"""What every store has in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from keeper.errors import KeeperError
from keeper.receiver.packet import Packet

HOUR = 3600  # seconds: packets are counted by it


class StoreError(KeeperError):
    """The store is away, locked or full: try the same again later."""


class Stored(NamedTuple):
    """What came of a batch: `fresh` packets with so many `events`, and those that were there before. `returned` are
    (source, id) of fresh packets whose id had come before with other content of the same type."""

    fresh: int
    events: int
    repeated: int
    returned: Sequence[tuple[str, int]] = ()


class Store(Protocol):
    """A worker's end, for one thread; several processes may store at once."""

    def store(self, packets: Sequence[Packet]) -> Stored:
        """Make all of the batch durable in one transaction: each packet once, however often it came, in this batch or
        ever. A packet without id is there when any with its source and content is; a packet with id is there when one
        with source, id and content is, or one with source and content and no id, which then gets the id.

        Raises StoreError when it may go well later (then nothing of it is stored), Poison when one of these packets
        never will (the caller stores them one by one to see which).
        """

    def close(self) -> None:
        """Let go of what it holds. It may be used again, and then is still the store that it was."""


class Range(NamedTuple):
    """Ids from `first` to `last`, both included."""

    first: int
    last: int


class Count(NamedTuple):
    """`hour` begins so many seconds after the epoch; counted by when packets came."""

    hour: int
    source: str
    type: str
    packets: int
    events: int


class Row(NamedTuple):
    """An event as it is stored: its own time, or when it came if it has none that can be."""

    time: float
    source: str
    type: str
    fields: str
    id: int | None
    at: float


class Reader(Protocol):
    """For looking, beside workers that store, for one thread. All methods raise StoreError."""

    def stored(self, source: str, ranges: Sequence[Range]) -> list[Range]:
        """Which of these ids are there, in order, as few ranges as possible. Cost is by what is there, not by what is
        asked for."""

    def held(self, source: str, names: Collection[tuple[int | None, bytes]]) -> set[tuple[int | None, bytes]]:
        """Which of these (id, content) are there, by the same rule as in `Store.store`."""

    def counts(self, since: float, until: float) -> Iterable[Count]:
        """All hours that begin in [since, until), oldest first."""

    def rows(self, since: float, until: float, source: str | None = None, type: str | None = None) -> Iterator[Row]:
        """Events with a time in [since, until), oldest first, never all in memory at once."""

    def close(self) -> None: ...
