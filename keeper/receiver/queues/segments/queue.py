"""The server's end of the queue: what comes while the disk works goes to it together, with one wait for all."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from keeper.core.source import Now, Wait
from keeper.receiver.queues.queue import Depth, NotTaken
from keeper.receiver.queues.segments.folder import take
from keeper.receiver.queues.segments.groups import Groups, Put
from keeper.receiver.queues.segments.segment import Segment
from keeper.receiver.queues.segments.stock import Stock
from keeper.receiver.queues.segments.writing import Writing
from keeper.runtime.watch import Thread

SEGMENT_BYTES = 8 << 20  # small enough that several workers have one each, and that space is free again soon
SEGMENTS = 16  # of a full queue, at least
PENDING_BYTES = 64 << 20  # that wait in memory for a slow disk
PAUSE = 1.0  # seconds between two tries to write to a disk that failed
LOOK = 1.0  # seconds between two looks at how far workers are
HURRY = 0.02  # and when somebody waits for them
FULL = 5.0  # seconds after which a full queue may have room


class SegmentQueue:
    """The depth's `lost` is in bytes, as they are counted when workers pass them: a write cut short by a crash, which
    nobody was told to be durable, counts too. `failed` is called, in another thread, when one of the queue's two
    threads ends by a bug: nothing is taken then, and the process should end."""

    def __init__(
        self, folder: Path, *, queue_bytes: int, min_free: int, now: Now, failed: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._queue_bytes = queue_bytes
        self._min_free = min_free
        self._now = now
        self._failed = failed
        self._threads: list[Thread] = []
        self._lock = -1
        self._stock = Stock(folder)
        self._writing = Writing(folder, max(1 << 16, min(SEGMENT_BYTES, queue_bytes // SEGMENTS)))
        self._next = 1  # number of the next segment
        self._gathered: list[Put] = []  # in this turn of the loop
        self._groups = Groups()
        self._pending = 0  # bytes not answered
        self._closing = False
        self._hurry = threading.Event()
        self._came = 0.0  # when the first of the last group did
        self._trouble = ""
        self._not_before = float("-inf")

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._begin)
        self._threads = [
            Thread("queue/commit", partial(self._commit_all, loop), self._failed),
            Thread("queue/look", self._look_on, self._failed),
        ]
        for thread in self._threads:
            thread.start()

    def put(self, records: Sequence[bytes], done: Callable[[NotTaken | None], None]) -> None:
        """`done` is never called from within, and must not raise."""
        size = sum(map(len, records))
        refused = self._why_not(size)
        if refused is not None:
            asyncio.get_running_loop().call_soon(done, refused)
            return
        if not self._gathered:  # all that comes in one turn goes to the disk together
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._gathered.append(Put(records, size, self._now(), done))
        self._pending += size

    def depth(self) -> Depth:
        found = self._stock.waiting
        trouble = self._trouble or found.trouble or self._no_room(0)
        records = found.records + self._stock.put - found.put
        size = found.bytes + self._stock.written - found.written
        oldest = found.oldest or (self._came if records else None)
        return Depth(records, size, oldest, found.lost, trouble)

    async def drained(self, wait: float) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        ends = self._stock.ends()
        while not self._stock.done(ends):
            self._hurry.set()
            if loop.time() >= until:
                return False
            await asyncio.sleep(HURRY)
        return True

    async def close(self) -> None:
        """What was put is written before."""
        self._closing = True
        self._hand_over()
        self._groups.close()
        await asyncio.get_running_loop().run_in_executor(None, self._end)

    def _why_not(self, size: int) -> NotTaken | None:
        found = self._stock.waiting
        if self._closing:
            return NotTaken("the queue is being closed", PAUSE)
        if size > self._queue_bytes:
            return NotTaken(f"{size} bytes are more than queue_bytes", FULL, too_large=True)
        if self._pending and self._pending + size > PENDING_BYTES:
            return NotTaken("too much waits for the disk, which is slow", PAUSE, True)
        if found.bytes + self._stock.written - found.written + self._pending + size > self._queue_bytes:
            self._hurry.set()
            return NotTaken("the queue is full: workers are behind", FULL, True)
        if trouble := self._no_room(size):
            return NotTaken(trouble, FULL, True)
        return None

    def _no_room(self, size: int) -> str:
        free = self._stock.waiting.free
        return f"the disk of {self._folder} is full: {free >> 20} MiB are free" if free - size < self._min_free else ""

    def _hand_over(self) -> None:
        self._groups.hand_over(self._gathered)
        self._gathered.clear()

    def _tell(self, group: list[Put], answer: NotTaken | None) -> None:
        self._pending -= sum(put.size for put in group)
        for put in group:
            put.done(answer)

    # What follows is done by other threads: before they are started or by the one that commits, but for the last.

    def _begin(self) -> None:
        self._lock, found = take(self._folder)
        for segment in found:
            self._stock.add(segment)
            self._next = segment.number + 1
        try:
            self._segment()
        except OSError as error:  # it is full, perhaps: workers go on, and may make room
            self._fail(error)
        self._stock.look()

    def _commit_all(self, loop: asyncio.AbstractEventLoop, _: Wait) -> None:
        while group := self._groups.fetch():
            loop.call_soon_threadsafe(self._tell, group, self._commit(group))

    def _commit(self, group: list[Put]) -> NotTaken | None:
        if self._now() >= self._not_before:
            try:
                written = self._writing.append(self._segment(), ((put.at, put.records) for put in group))
                self._stock.written += written
                self._stock.put += sum(len(put.records) for put in group)
                self._came = group[0].at
                self._trouble = ""
            except OSError as error:
                self._fail(error)
        return NotTaken(self._trouble, PAUSE) if self._trouble else None

    def _segment(self) -> Segment:
        """The one to append to."""
        if (segment := self._writing.ready()) is None:
            segment = self._writing.begin(self._next)
            self._next += 1
            self._stock.add(segment)
        return segment

    def _fail(self, error: OSError) -> None:
        self._trouble = f"{error.filename or self._folder} cannot be written: {error.strerror}"
        self._not_before = self._now() + PAUSE

    def _look_on(self, wait: Wait) -> None:
        while not wait(HURRY):
            self._hurry.wait(LOOK)
            self._hurry.clear()
            self._stock.look()

    def _end(self) -> None:
        for thread in self._threads:
            thread.stop()
        self._hurry.set()
        for thread in self._threads:
            while not thread.join(60):  # the disk may take its time
                pass
        self._writing.end()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
