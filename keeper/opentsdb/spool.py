"""A bounded queue of lines, first in first out, from which no kill -9 takes a line, or a delivered one back.

`SPOOL/NNNNNNNNNNNN.points` are segments of records, only appended to and removed as a whole; `SPOOL/place` says how far
they are delivered; `SPOOL/lock` keeps a second process away.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Self

from keeper.core.source import Now
from keeper.durable import lock_folder
from keeper.errors import StateError
from keeper.opentsdb.disk import Batch, Disk
from keeper.opentsdb.hold import Hold
from keeper.opentsdb.record import Arrived, Line, pack

LEAST = 65_536  # bytes of a limit
PAUSE = 1.0  # seconds between two tries to write to a disk that failed


class Spool:
    """One thread may append while another one takes, which finds nothing any more when it is closed. Numbers for people
    and metrics: `points` not delivered, `bytes` on the disk and in memory, `oldest`, `dropped`, `torn`, `trouble`; the
    last but one are of this process's life."""

    def __init__(self, folder: Path, now: Now, lock: int, disk: Disk, hold: Hold) -> None:
        self._folder = folder
        self._now = now
        self._lock_file = lock
        self._disk = disk
        self._hold = hold
        self._out: Batch | None = None
        self._fallen = 0  # points that fell out of memory
        self._unwritten = self._unread = self._unsaved = ""  # why
        self._not_before = float("-inf")
        self._closed = False
        self._lock = Lock()

    @classmethod
    def open(cls, folder: Path, limit: int, now: Now, hold: Hold | None = None) -> Self:
        """Go on where the last process ended. `limit` bounds the bytes on the disk, `hold` what is kept in memory while
        the disk takes nothing.

        Raises StateError when another process uses the spool, or a file in it is not keeper's or is broken.
        """
        if limit < LEAST:
            raise ValueError(f"a spool of {limit} bytes is too small; the least is {LEAST}")
        try:
            lock = lock_folder(folder)
            try:
                return cls(folder, now, lock, Disk.open(folder, limit), Hold() if hold is None else hold)
            except BaseException:
                os.close(lock)
                raise
        except BlockingIOError as error:
            raise StateError(
                f"{folder} is in use by another keeper; let it end first, or give this one a folder of its own"
            ) from error
        except OSError as error:
            raise StateError(_sentence(error, folder, "used")) from error

    @property
    def points(self) -> int:
        return self._disk.points + len(self._hold)

    @property
    def bytes(self) -> int:
        """On the disk and in memory. What is delivered counts until the segment it stands in is removed."""
        return self._disk.bytes + self._hold.bytes

    @property
    def oldest(self) -> float | None:
        """When the oldest point that is not delivered came, in seconds since the epoch."""
        times = [time for time in (self._disk.oldest, self._hold.oldest) if time is not None]
        return min(times, default=None)

    @property
    def dropped(self) -> int:
        """Points that fell out: the oldest on a full spool, or of too many in memory."""
        return self._disk.dropped + self._fallen

    @property
    def torn(self) -> int:
        """Bytes that a crash or a bad disk spoiled, found when the spool was opened."""
        return self._disk.torn

    @property
    def trouble(self) -> str:
        """Why not all is safe on the disk; empty when it is."""
        return self._unwritten or self._unsaved or self._unread

    def append(self, lines: Sequence[Line]) -> None:
        """Make lines durable. While the disk takes none they are kept in memory, up to its bound, and written later."""
        with self._lock:
            now = self._now()
            fresh = [Arrived(now, line) for line in lines]
            if self._hold.late or now < self._not_before:
                self._fallen += self._hold.add(fresh)
                self._write_held()
            else:
                self._fallen += self._hold.add(fresh[self._write(fresh) :])

    def take(self, most: int, most_bytes: int) -> Batch | None:
        """The oldest lines, at least one; None when there are none. They stay until `done`: taken again before that,
        they come again, and the batch before is worth nothing any more."""
        with self._lock:
            self._out = None
            if self._closed:
                return None
            self._hold.early = 0  # nobody sends them now: better late than not on the disk
            self._write_held()
            self._save()
            try:
                self._out = self._disk.take(most, most_bytes)
                self._unread = ""
            except OSError as error:
                self._unread = _sentence(error, self._folder, "read")
                return None
            if self._out is None and (taken := self._hold.take(most, most_bytes)):
                self._out = Batch(tuple(one.line for one in taken), taken[0].at, None)
            return self._out

    def done(self, batch: Batch) -> None:
        """Make durable that the batch taken last is delivered."""
        with self._lock:
            if batch is not self._out:
                raise ValueError("only the batch that was taken last can be done, and only once")
            self._out = None
            if self._closed:  # it is another's by now, who sends it once more
                return
            if batch.place is None:
                self._hold.done(len(batch.lines))
            else:
                self._disk.done(len(batch.lines), batch.place)
                self._save()

    def close(self) -> None:
        """Write what is held in memory, if the disk takes it now, and let another process have the spool."""
        with self._lock:
            self._not_before = float("-inf")
            self._hold.early = 0
            self._write_held()
            self._save()
            self._closed = True
            self._disk.close()
            os.close(self._lock_file)

    def _write_held(self) -> None:
        if self._hold.late and self._now() >= self._not_before:
            self._hold.written(self._write(self._hold.all_late()))

    def _write(self, arrived: Sequence[Arrived]) -> int:
        """Write lines to the disk. Returns how many are there, the first ones."""
        written = 0
        try:
            for packed in pack(arrived, self._disk.most):
                self._disk.append(packed)
                written += packed.points
            self._unwritten = ""
        except OSError as error:
            self._unwritten = f"{_sentence(error, self._folder, 'written')}; points are kept in memory"
            self._not_before = self._now() + PAUSE
        return written

    def _save(self) -> None:
        try:
            self._disk.save()
            self._unsaved = ""
        except OSError as error:
            self._unsaved = f"{_sentence(error, self._folder, 'written')}; what is delivered may be sent once more"


def _sentence(error: OSError, folder: Path, done: str) -> str:
    return f"{error.filename or folder} cannot be {done}: {error.strerror}"
