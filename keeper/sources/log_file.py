"""One open file of a log, plain or gzip: read from a place on, and asked whether a place lies in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from enum import Enum
from pathlib import Path
from typing import NamedTuple, TypeAlias

from keeper.core.lines import LineSplitter
from keeper.errors import SourceError
from keeper.sources.file_identity import HEAD, MARK, Place, digest
from keeper.sources.gzip_file import MAGIC, PIECE, BrokenGzip, GzipStream, size_in_trailer

SPARE = 4096  # bytes read beyond the size a file had a moment ago: it grows
INFLATE_MOST = 256 << 10  # bytes: what is lost of a broken archive beside its broken part
NULS_PASSED = 64 << 20  # bytes looked through for a beginning
SKIP_STEP = 16 << 20  # bytes of an archive passed over before others get their turn: 15 to 50 ms


class What(Enum):
    """What a look at a file found after the lines it returned."""

    MORE = "there may be more right now"
    END = "all is read"
    GONE = "the place is not in the file any more: it was truncated or written anew"
    UNFINISHED = "the archive is cut off, or still being written"
    BROKEN = "the archive is damaged"


class Look(NamedTuple):
    lines: bytes
    what: What
    reason: str = ""


class Match(Enum):
    """Whether a file is the one a place lies in."""

    HERE = "same head, same bytes before the place"
    SHORT = "same head, but it ends before the place"
    OTHER = "another file"


Resume: TypeAlias = Generator[None, None, Match]
"""Yields between two steps of a long search; returns the answer. After HERE the log goes on from the place."""


class Reading:
    """How far the bytes of one file were taken in, the lines they make, and what identifies the place.

    NUL bytes before the first line are no content: a writer without O_APPEND leaves a hole when its log is truncated.
    """

    __slots__ = ("_align", "_in_hole", "begin", "head", "mark", "offset", "splitter", "tail")

    def __init__(self, max_line: int) -> None:
        self.splitter = LineSplitter(max_line)
        self.begin = 0  # of the content
        self.head = b""  # of the content
        self.offset = 0  # of the next byte to take in
        self.tail = b""  # the bytes before `offset`
        self.mark = b""  # the bytes before the first line not handed out
        self._align = False
        self._in_hole = True

    def start(self, offset: int, tail: bytes) -> None:
        """Begin at the start of a line; `tail` are the up to MARK bytes before it."""
        self.offset, self.tail, self.mark = offset, tail, tail
        self._in_hole = offset <= self.begin

    def start_inside(self, offset: int, tail: bytes) -> None:
        """Begin anywhere and leave out the rest of that line."""
        self.start(offset, tail)
        self._align = True

    def take(self, data: bytes) -> bytes:
        """The next bytes of the file; returns the lines they complete."""
        size = len(data)
        wanted = data
        if self._in_hole:
            wanted = data.lstrip(b"\0")
            self.begin = self.offset + size - len(wanted)
            self._in_hole = not wanted
        if len(self.head) < HEAD:
            self.head += data[self.begin + len(self.head) - self.offset :][: HEAD - len(self.head)]
        if self._align:
            first = data.find(b"\n") + 1
            wanted, self._align = (data[first:], False) if first else (b"", True)
        lines = self.splitter.feed(wanted)
        behind = size - self.splitter.pending  # where the first line not handed out begins, in `data`
        before, self.tail = self.tail, data[-MARK:] if size >= MARK else (self.tail + data)[-MARK:]
        if behind >= MARK:
            self.mark = data[behind - MARK : behind]
        elif behind >= 0:
            self.mark = (before + data[:behind])[-MARK:]
        self.offset += size
        return lines

    def flush(self) -> bytes:
        """The file will not go on: its last bytes without newline are a line."""
        self.mark = self.tail
        return self.splitter.flush()

    def place(self, path: str, ids: tuple[int, int], size: int, mtime_ns: int) -> Place:
        offset = self.offset - self.splitter.pending
        size = max(size, self.offset)
        head, mark = self.head, self.mark
        return Place(path, *ids, len(head), digest(head), len(mark), digest(mark), offset, size, mtime_ns)


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
        head = self.reading.head[: place.head_size]
        return len(head) == place.head_size and digest(head) == place.head

    def _before(self, offset: int) -> bytes:
        begin = max(0, offset - MARK)
        return os.pread(self._fd, offset - begin, begin)


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
        """Unpack up to the place. A damaged or unfinished archive that cannot reach it counts as too short."""
        head = self.head()
        if not place.head_size or digest(head[: place.head_size]) != place.head or len(head) < place.head_size:
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
                return Match.SHORT
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


LogFile: TypeAlias = PlainLog | GzipLog

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def irregular(mode: int) -> str | None:
    """What a path is that is no regular file, None if it is one."""
    if stat.S_ISREG(mode):
        return None
    return next((kind for test, kind in _KINDS if test(mode)), "no regular file")


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


def open_log(path: str, max_line: int) -> LogFile:
    """Open a file to read it from its start. Raises OSError, or SourceError if it is no regular file."""
    if kind := irregular(Path(path).stat().st_mode):  # first, because opening a device can do something
        raise SourceError(f"{path} is {kind}; name a regular file, or a glob that matches regular files")
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if kind := irregular(os.fstat(fd).st_mode):
            raise SourceError(f"{path} is {kind}; name a regular file, or a glob that matches regular files")
        if path.endswith(".gz") or os.pread(fd, len(MAGIC), 0) == MAGIC:
            return GzipLog(path, fd, max_line)
        return PlainLog(path, fd, max_line)
    except BaseException:
        os.close(fd)
        raise


def cannot_read(path: str, error: OSError | SourceError) -> str:
    """A sentence with its cure for an error of opening or reading."""
    if isinstance(error, SourceError):
        return str(error)
    if isinstance(error, PermissionError):
        return f"{path} cannot be read: permission denied; put keeper's user into the group that may read it"
    return f"{path} cannot be read: {error.strerror or error}"
