"""A gzip file of a log, read from a place in its uncompressed content on."""

from __future__ import annotations

import os

from keeper.sources.file_identity import HEAD, MARK, Place, digest, same_head
from keeper.sources.gzip_file import PIECE, BrokenGzip, GzipStream, size_in_trailer
from keeper.sources.log_reading import Look, Match, Reading, Resume, What

INFLATE_MOST = 256 << 10  # bytes: what is lost of a broken archive beside its broken part
SKIP_STEP = 16 << 20  # bytes of an archive passed over before others get their turn: 15 to 50 ms


class GzipLog:
    """A gzip file: places are counted in its uncompressed content. It is passed over by unpacking, not by seeking."""

    def __init__(self, path: str, fd: int, max_line: int) -> None:
        self.path = path
        self.sealed = True
        self._max_line = max_line
        self._file = os.fdopen(fd, "rb", buffering=0)
        status = os.fstat(fd)
        self.ids = (status.st_dev, status.st_ino)
        self.links = status.st_nlink
        self.size = 0  # bytes unpacked so far
        self.promised = 0
        self.mtime_ns = status.st_mtime_ns
        self._rewind()

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def place(self) -> Place:
        return self.reading.place(self.path, self.ids, max(self.size, self.promised), self.mtime_ns)

    def place_at_end(self) -> Place:
        """The place behind its last byte; of an archive that cannot be unpacked at all, behind its packed bytes."""
        self.reading.head = self.head()
        size = self.total() if self.reading.head else os.fstat(self.fileno()).st_size
        return self.place()._replace(offset=size, size=size, mark_size=0, mark="")

    def resume(self, place: Place) -> Resume:
        """Unpack up to the place. A damaged archive that cannot reach it counts as too short."""
        head = self.head()
        if len(head) < place.head_size and not self._stream.finished:
            return Match.UNSURE
        if not same_head(head, place):
            return Match.OTHER
        self._rewind()
        self.reading.head = head
        tail, pause_at = b"", SKIP_STEP
        while self.size < place.offset:
            try:
                data = self._stream.read(min(INFLATE_MOST, place.offset - self.size))
            except BrokenGzip:
                return Match.SHORT
            if not data:
                return Match.SHORT if self._stream.finished else Match.UNSURE
            self.size += len(data)
            tail = (tail + data)[-MARK:]
            if self.size >= pause_at:
                pause_at += SKIP_STEP
                yield
        if place.mark_size and digest(tail[-place.mark_size :]) != place.mark:
            return Match.OTHER
        self.reading.start(place.offset, tail)
        self.promised = place.size
        return Match.HERE

    def look(self, most: int) -> Look:
        """Unpack up to `most` bytes more. Raises OSError."""
        lines: list[bytes] = []
        left = most
        while left > 0:
            try:
                data = self._stream.read(min(left, INFLATE_MOST))
            except BrokenGzip as error:
                return Look(b"".join(lines), What.BROKEN, str(error))
            if not data:
                return Look(b"".join(lines), What.END if self._stream.finished else self._unfinished())
            left -= len(data)
            lines.append(self.reading.take(data))
            self.size = self.reading.offset
        return Look(b"".join(lines), What.MORE)

    def head(self) -> bytes:
        """The first bytes of the content; moves the stream. Fewer than HEAD if there are no more, or no whole ones."""
        self._rewind()
        head = b""
        try:
            while len(head) < HEAD and (data := self._stream.read(PIECE)):
                head = (head + data).lstrip(b"\0")[:HEAD]
        except BrokenGzip:
            pass
        return head

    def ended(self) -> bool:
        """After `head`: whether the archive is whole and held no more."""
        return self._stream.finished

    def total(self) -> int:
        """The uncompressed size as its trailer has it."""
        return size_in_trailer(self.fileno(), os.fstat(self.fileno()).st_size)

    def _unfinished(self) -> What:
        status = os.fstat(self.fileno())
        self.links, self.mtime_ns = status.st_nlink, status.st_mtime_ns
        return What.UNFINISHED

    def _rewind(self) -> None:
        self._file.seek(0)
        self.size = 0
        self._stream = GzipStream(self._file)
        self.reading = Reading(self._max_line)
