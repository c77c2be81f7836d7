"""What every queue between server and workers has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol


class NotTaken(NamedTuple):
    """Why records are not in the queue: a sentence, and in how many seconds it may be tried again. `full`: it is the
    queue's bound or the disk's; otherwise the queue is not there, or cannot write. `too_large`: a record is larger than
    this queue takes, and the same will be refused for ever."""

    why: str
    retry_after: float
    full: bool = False
    too_large: bool = False


class Depth(NamedTuple):
    """`records` and `bytes` that no worker is done with, when the `oldest` of them came (seconds since the epoch, None
    without any), `lost` what a crash or a bad disk spoiled since the start, `trouble` why the queue does not work."""

    records: int
    bytes: int
    oldest: float | None
    lost: int = 0
    trouble: str = ""


class Queue(Protocol):
    """The server's end. All methods are called in the server's event loop, and none blocks."""

    async def open(self) -> None:
        """Begin. Raises StateError when it can never work as it is; a queue that is away for now is trouble."""

    def put(self, records: Sequence[bytes], done: Callable[[NotTaken | None], None]) -> None:
        """Make all of the records durable, or none; then call `done` in the loop: with None when they are."""

    def depth(self) -> Depth:
        """As it was found lately: no older than a second or two."""

    async def drained(self, wait: float) -> bool:
        """True as soon as all that was durable when this was called is done with; False after `wait` seconds."""

    async def close(self) -> None:
        """End in an orderly way: what is under way is finished or refused."""


class Batch(NamedTuple):
    """The oldest records, at least one, of at most so many bytes as asked for or one record. `token` is the queue's."""

    records: Sequence[bytes]
    token: Any


class Intake(Protocol):
    """A worker's end, for one thread. What is taken and never done, because the worker ended, is taken again by
    another: stores keep each packet once."""

    def take(self, most: int, most_bytes: int, wait: float) -> Batch | None:
        """The oldest records nobody else has; None when there are none within `wait` seconds. A batch that was taken
        before must be done. Raises SourceError when the queue is away for now."""

    def done(self, batch: Batch) -> None:
        """All of the batch is stored, or set aside. Raises SourceError; then it comes again, here or elsewhere."""

    def close(self) -> None:
        """Others may take what was taken and is not done."""
