"""A worker's end of the queue."""

from __future__ import annotations

import fcntl
import os
import select
from pathlib import Path

from keeper.core.source import Now
from keeper.errors import SourceError
from keeper.receiver.queues.queue import Batch
from keeper.receiver.queues.segments.reading import Reading
from keeper.receiver.queues.segments.record import BEGIN, Mark, is_segment, unpack_mark
from keeper.receiver.queues.segments.segment import numbers, path_of
from keeper.sources.inotify import Bell, watch_directory, watch_file

POLL = 0.2  # seconds between two looks when nothing rings: another worker ended and left its segment
AVOIDED = 10.0  # seconds in which a segment is left alone that cannot be read or marked: the others come first
PATIENCE = 1.0  # seconds until a place in a growing segment is given up that is not whole, while later records are


class SegmentIntake:
    """Holds one segment at a time. Without a bell, when the system has none left, it looks every POLL seconds."""

    def __init__(self, folder: Path, now: Now, bell: Bell | None) -> None:
        self._folder = folder
        self._now = now
        self._bell = bell
        self._held: Reading | None = None
        self._avoided: dict[int, float] = {}  # segments, until when
        self._out: Batch | None = None
        self._waits_at = -1  # the offset at which the segment held does not go on, though it is longer
        self._waits_since = 0.0

    def take(self, most: int, most_bytes: int, wait: float) -> Batch | None:
        until = self._now() + wait
        self._out = None
        try:
            while True:
                if self._bell is not None:
                    self._bell.hush()
                self._out = self._look(most, most_bytes)
                left = until - self._now()
                if self._out is not None or left <= 0:
                    return self._out
                self._rest(min(left, POLL))
        except OSError as error:
            raise self._lost(error, "read") from error

    def done(self, batch: Batch) -> None:
        if batch is not self._out or self._held is None:
            raise ValueError("only the batch that was taken last can be done, and only once")
        self._out = None
        try:
            self._held.done(batch.token)
        except OSError as error:
            raise self._lost(error, "marked") from error

    def close(self) -> None:
        self._hold(None)

    def _look(self, most: int, most_bytes: int) -> Batch | None:
        """Go from segment to segment until one has something."""
        while (held := self._held or self._claim()) is not None:
            taken = held.take(most, most_bytes)
            if taken is not None:
                return Batch(taken.records, taken.mark)
            if held.final:
                held.done(held.mark._replace(finished=True))
                self._hold(None)
                continue
            if os.fstat(held.file).st_nlink == 0:  # removed: all that was said to be durable is done
                self._hold(None)
            elif held.number < max(numbers(self._folder), default=0):
                held.final = True  # only now: what was appended before the later one was made is read once more
            elif self._claim() is None and not self._gives_up(held):
                return None
        return None

    def _claim(self) -> Reading | None:
        """Hold the first segment that nobody has and that is not finished, instead of the one that is held."""
        there = numbers(self._folder)
        for number in there:
            if (self._held is not None and number == self._held.number) or self._avoids(number):
                continue
            try:
                reading = _lock(self._folder, number, final=number < there[-1])
            except OSError:  # the server, which looks at all of them, says so
                self._avoided[number] = self._now() + AVOIDED
                continue
            if reading is not None:
                self._hold(reading)
                return reading
        return None

    def _lost(self, error: OSError, done: str) -> SourceError:
        """Let go of what cannot be read for now, and leave it out for a while. Never read around it for good: what one
        disk or network does not give now, it may give later."""
        path = self._folder
        if self._held is not None:
            path = path_of(self._folder, self._held.number)
            self._avoided[self._held.number] = self._now() + AVOIDED
        self.close()
        return SourceError(f"{error.filename or path} cannot be {done}: {error.strerror}")

    def _hold(self, reading: Reading | None) -> None:
        if self._held is not None:
            self._held.close()
        self._held = reading
        self._waits_at = -1

    def _gives_up(self, held: Reading) -> bool:
        """A bad disk must not stop the queue until its segment is full."""
        if held.mark.offset >= os.fstat(held.file).st_size:
            return False
        if self._waits_at != held.mark.offset:
            self._waits_at, self._waits_since = held.mark.offset, self._now()
        return self._now() - self._waits_since >= PATIENCE and held.pass_damage()

    def _avoids(self, number: int) -> bool:
        if self._avoided.get(number, self._now()) > self._now():
            return True
        self._avoided.pop(number, None)
        return False

    def _rest(self, seconds: float) -> None:
        if self._bell is None:
            select.select([], [], [], seconds)
            return
        watched = [watch_file(self._held.file)] if self._held is not None else []
        if (folder := watch_directory(str(self._folder))) is not None:
            watched.append(folder)
        if not self._bell.watch(watched):  # a new one may have missed what came before it
            self._bell.wait(seconds)


def bell() -> Bell | None:
    """None when the system has none left for this user."""
    try:
        return Bell()
    except OSError:
        return None


def _lock(folder: Path, number: int, *, final: bool) -> Reading | None:
    """None when somebody else has it, or it is finished, gone, or not keeper's. Raises OSError."""
    try:
        file = os.open(path_of(folder, number), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        block = os.pread(file, BEGIN, 0)
        mark = unpack_mark(block, number) or Mark()
        if is_segment(block) and not mark.finished:
            reading, file = Reading(number, file, mark, final), -1
            return reading
    except BlockingIOError:
        pass
    finally:
        if file >= 0:
            os.close(file)
    return None
