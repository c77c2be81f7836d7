"""The end of the spool that grows: one segment is open, each write is on the disk when it returns, or undone."""

from __future__ import annotations

import os
from pathlib import Path

from keeper.durable import begin_file, write_all
from keeper.opentsdb.record import MAGIC
from keeper.opentsdb.segment import BEGIN, Segment, path_of


class Writing:
    """Appends to `segment`, None while there is none that may be appended to."""

    def __init__(self, folder: Path) -> None:
        self.segment: Segment | None = None
        self._folder = folder
        self._file = -1

    def resume(self, segment: Segment) -> None:
        """Go on in an old one. Raises OSError."""
        self._file = os.open(segment.path, os.O_WRONLY | os.O_CLOEXEC)
        self.segment = segment

    def begin(self, number: int) -> Segment:
        """Make the next one. Raises OSError; then nothing is left of it."""
        self.end()
        path = path_of(self._folder, number)
        self._file = begin_file(path, MAGIC)
        self.segment = Segment(number, path, BEGIN)
        return self.segment

    def append(self, segment: Segment, data: bytes) -> None:
        """Write to the segment that is open and wait until the disk has it. Raises OSError; then none of it is there,
        and when that cannot be made sure nothing more is appended to this segment."""
        before = segment.size
        try:
            write_all(self._file, data, before)
            os.fdatasync(self._file)
        except OSError:
            try:
                os.ftruncate(self._file, before)
            except OSError:
                self.end()
            raise
        segment.size += len(data)

    def end(self) -> None:
        if self.segment is not None:
            os.close(self._file)
        self.segment, self._file = None, -1
