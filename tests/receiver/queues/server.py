"""A queue of segments for tests that are no coroutines: its loop runs when something is asked of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from keeper.receiver.queues.queue import Depth, NotTaken
from keeper.receiver.queues.segments.intake import SegmentIntake, bell
from keeper.receiver.queues.segments.queue import SegmentQueue
from tests.peers.ask import eventually

Answer = TypeVar("Answer")


def unexpected(thread: str) -> None:
    raise AssertionError(f"{thread} ended")


def segment_queue(folder: Path, queue_bytes: int = 1 << 30, min_free: int = 0) -> SegmentQueue:
    return SegmentQueue(folder, queue_bytes=queue_bytes, min_free=min_free, now=time.time, failed=unexpected)


def segment_intake(folder: Path) -> SegmentIntake:
    return SegmentIntake(folder, time.time, bell())


class Server:
    """Open from its making on. Raises StateError."""

    def __init__(self, folder: Path, queue_bytes: int = 1 << 30, min_free: int = 0) -> None:
        self.folder = folder
        self.queue = segment_queue(folder, queue_bytes, min_free)
        self._loop = asyncio.new_event_loop()
        try:
            self._run(self.queue.open())
        except BaseException:
            self._loop.close()
            raise

    def put(self, *records: bytes) -> NotTaken | None:
        return self.put_all([records])[0]

    def put_all(self, puts: Sequence[Sequence[bytes]]) -> list[NotTaken | None]:
        """All at once; the answers in order."""

        async def run() -> list[NotTaken | None]:
            loop = asyncio.get_running_loop()
            answers: list[asyncio.Future[NotTaken | None]] = [loop.create_future() for _ in puts]
            for records, answer in zip(puts, answers, strict=True):
                self.queue.put(records, answer.set_result)
            return await asyncio.gather(*answers)

        return self._run(run())

    def drained(self, wait: float) -> bool:
        return self._run(self.queue.drained(wait))

    def depth(self, records: int) -> Depth:
        """As soon as so many records wait."""

        def found() -> bool:
            self.drained(0.0)  # it looks sooner when somebody waits
            return self.queue.depth().records == records

        eventually(found, f"{records} records in the depth")
        return self.queue.depth()

    def swept(self) -> bool:
        """Nothing is left but the segment that is written to."""
        self.drained(0.0)
        return len(self.segments()) == 1

    def segments(self) -> list[Path]:
        return sorted(self.folder.glob("*.records"))

    def close(self) -> None:
        if not self._loop.is_closed():
            self._run(self.queue.close())
            self._loop.close()

    def _run(self, what: Coroutine[Any, Any, Answer]) -> Answer:
        return self._loop.run_until_complete(asyncio.wait_for(what, 30))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def drain(intake: SegmentIntake, most: int = 100) -> list[bytes]:
    """All there is for this intake, each batch done."""
    found: list[bytes] = []
    while (batch := intake.take(most, 1 << 24, 0.0)) is not None:
        found += batch.records
        intake.done(batch)
    return found
