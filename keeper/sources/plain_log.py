"""A plain file of a log, read from a place on and asked whether a place lies in it."""

from __future__ import annotations

import os

from keeper.sources.file_identity import HEAD, MARK, Place, digest, same_head
from keeper.sources.log_reading import Look, Match, Reading, Resume, What

SPARE = 4096  # bytes read beyond the size a file had a moment ago: it grows
NULS_PASSED = 64 << 20  # bytes looked through for a beginning


class PlainLog:
    """A plain file, followed by its descriptor whatever its name becomes."""

    def __init__(self, path: str, fd: int, max_line: int) -> None:
        self.path = path
        self.sealed = False  # a copy: nobody writes to it any more
        self._fd = fd
        status = os.fstat(fd)
        self.ids = (status.st_dev, status.st_ino)
        self.links = status.st_nlink
        self.size = status.st_size
        self.promised = 0  # bytes that were seen of the content when it was in another file
        self.mtime_ns = status.st_mtime_ns
        self.reading = Reading(max_line)
        self.reading.begin = begin = content_begin(fd, self.size)
        self.reading.head = os.pread(fd, HEAD, begin)
        self.reading.start(begin, self._before(begin))

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)

    def place(self) -> Place:
        return self.reading.place(self.path, self.ids, max(self.size, self.promised), self.mtime_ns)

    def place_at_end(self) -> Place:
        """The place behind the last byte, for a file that is not read."""
        return self.place()._replace(offset=self.size, mark_size=0, mark="")

    def start_at_end(self, lookback: int) -> None:
        """Begin with the first line that starts in the last `lookback` bytes."""
        begin = self.size - lookback
        if begin > self.reading.begin:
            # One byte earlier: if that is the newline, the line behind it is wanted whole.
            self.reading.start_inside(begin - 1, self._before(begin - 1))

    def resume(self, place: Place) -> Resume:
        yield from ()
        if not self._has_head(place):
            return Match.OTHER
        if self.size < place.offset:
            return Match.SHORT
        tail = self._before(place.offset)
        if place.mark_size and digest(tail[-place.mark_size :]) != place.mark:
            return Match.OTHER
        self.reading.start(place.offset, tail)
        self.promised = place.size
        return Match.HERE

    def woke_up(self) -> bool:
        """Whether a file that was empty when it was opened, and still has a name, has got its first bytes."""
        if self.reading.head or self.size > self.reading.offset:
            return False
        status = os.fstat(self._fd)
        return status.st_size > self.size and status.st_nlink > 0

    def look(self, most: int) -> Look:
        """Read up to `most` new bytes. Raises OSError."""
        reading = self.reading
        status = os.fstat(self._fd)
        self.links = status.st_nlink
        if status.st_size < self.size:
            return Look(b"", What.GONE)
        if status.st_size == reading.offset and status.st_mtime_ns == self.mtime_ns:
            return Look(b"", What.END)
        # The known bytes before the new ones are read with them: they tell whether it still is the same content.
        known = len(reading.tail)
        # No larger a buffer than is needed: one of a mebibyte for each line costs more than reading it.
        most = min(most, max(status.st_size - reading.offset, 0) + SPARE)
        data = os.pread(self._fd, known + most, reading.offset - known)
        if data[:known] != reading.tail or self._begins_otherwise(data[known:]):
            return Look(b"", What.GONE)
        lines = reading.take(data[known:])
        self.size, self.mtime_ns = max(status.st_size, reading.offset), status.st_mtime_ns
        return Look(lines, What.MORE if len(data) == known + most else What.END)

    def head(self) -> bytes:
        return self.reading.head

    def ended(self) -> bool:
        return True

    def total(self) -> int:
        return self.size

    def _begins_otherwise(self, data: bytes) -> bool:
        """Whether the first bytes that are read are not those that were seen when the file was opened."""
        reading = self.reading
        common = min(len(data), len(reading.head))
        return reading.offset == reading.begin and data[:common] != reading.head[:common]

    def _has_head(self, place: Place) -> bool:
        if not place.head_size:
            return place.offset == 0 and self.ids == (place.device, place.inode)
        return same_head(self.reading.head, place)

    def _before(self, offset: int) -> bytes:
        begin = max(0, offset - MARK)
        return os.pread(self._fd, offset - begin, begin)


def content_begin(fd: int, size: int) -> int:
    """Where the first byte is that is not NUL; passes over a hole at once and over written NULs up to a limit."""
    if os.pread(fd, 1, 0) != b"\0":
        return 0
    try:
        begin = os.lseek(fd, 0, os.SEEK_DATA)
    except OSError:  # nothing but a hole, or a file system that cannot say
        begin = 0
    for at in range(begin, min(size, begin + NULS_PASSED), 1 << 16):
        data = os.pread(fd, 1 << 16, at)
        if content := data.lstrip(b"\0"):
            return at + len(data) - len(content)
    return size
