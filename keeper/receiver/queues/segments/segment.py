"""A segment as the server sees it, and the folder it stands in."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from keeper.errors import StateError
from keeper.receiver.queues.segments.record import (
    BEGIN,
    OVERHEAD,
    RECORD,
    Mark,
    Record,
    came_at,
    is_segment,
    unpack,
    unpack_mark,
)

TAIL = 1 << 16  # bytes from the end in which the last record is looked for first

_NAME = re.compile(r"(\d{12})\.records")


@dataclass(slots=True)
class Segment:
    """`size` and `records` are what was written whole, `mark` is how far workers are."""

    number: int
    path: Path
    size: int = BEGIN
    records: int = 0
    mark: Mark = field(default_factory=Mark)
    grows: bool = False  # it is open, to be written to
    gone: bool = False  # somebody removed it

    @property
    def left(self) -> int:
        """Bytes that are not done."""
        return 0 if self.mark.finished else max(0, self.size - max(self.mark.offset, BEGIN))

    @property
    def waiting(self) -> int:
        """Records that are not done."""
        return 0 if self.mark.finished else max(0, self.records - self.mark.records)


def path_of(folder: Path, number: int) -> Path:
    return folder / f"{number:012}.records"


def number_of(name: str) -> int | None:
    """None when it is not the name of a segment."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def numbers(folder: Path) -> list[int]:
    """Of the segments that are there, in order. Raises OSError."""
    names = os.listdir(folder)  # noqa: PTH208 - by workers, many times a second
    return sorted(number for name in names if (number := number_of(name)) is not None)


def look(segment: Segment) -> float | None:
    """Read how far a segment is done, and return when the next of its records came. Raises OSError."""
    file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        segment.mark = unpack_mark(os.pread(file, BEGIN, 0), segment.number) or segment.mark
        return came_at(os.pread(file, OVERHEAD, segment.mark.offset))
    finally:
        os.close(file)


def look_through(folder: Path, number: int) -> Segment:
    """One of a former life, which counts no records when they cannot be read. Raises StateError when it is not ours,
    OSError."""
    path = path_of(folder, number)
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = Segment(number, path, os.fstat(file).st_size)
        block = os.pread(file, BEGIN, 0)
        if not is_segment(block):
            raise StateError(
                f"{path} is not one of keeper's files of records, or its beginning is broken; move it away"
            )
        found.mark = unpack_mark(block, number) or found.mark
        last = _last(file, number, found.size)
        found.records = last.which + 1 if last else 0
        return found
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return found  # a bad disk: it says so whenever it is looked at, and the others are there
    finally:
        os.close(file)


def _last(file: int, number: int, size: int) -> Record | None:
    """The last good record says how many there are; all of the file is read only when its end is broken."""
    for begin in (max(BEGIN, size - TAIL), BEGIN):
        data = os.pread(file, max(0, size - begin), begin)
        found = data.rfind(RECORD)
        while found >= 0:
            record = unpack(data, found, number, begin)
            if record is not None:
                return record
            found = data.rfind(RECORD, 0, found + len(RECORD) - 1)
    return None
