"""Bytes of a file into lines, and what every kind of log file answers."""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from typing import NamedTuple, TypeAlias

from keeper.core.lines import LineSplitter
from keeper.sources.file_identity import HEAD, MARK, Place, digest


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
    UNSURE = "as far as it is written it may be the one"
    OTHER = "another file"


Resume: TypeAlias = Generator[None, None, Match]
"""Yields between two steps of a long search; returns the answer. After HERE the log goes on from the place."""


class Reading:
    """How far the bytes of one file were taken in, the lines they make, and what identifies the place.

    NUL bytes before the first line are no content: a writer without O_APPEND leaves a hole when its log is truncated.
    """

    __slots__ = ("_align", "_hashed", "_head_hash", "_in_hole", "begin", "head", "mark", "offset", "splitter", "tail")

    def __init__(self, max_line: int) -> None:
        self.splitter = LineSplitter(max_line)
        self.begin = 0  # of the content
        self.head = b""  # of the content
        self.offset = 0  # of the next byte to take in
        self.tail = b""  # the bytes before `offset`
        self.mark = b""  # the bytes before the first line not handed out
        self._align = False
        self._in_hole = True
        self._hashed: bytes | None = None  # the head that `_head_hash` is of
        self._head_hash = ""

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
        if self._hashed is not self.head:
            self._hashed, self._head_hash = self.head, digest(self.head)
        mark = self.mark
        return Place(path, *ids, len(self.head), self._head_hash, len(mark), digest(mark), offset, size, mtime_ns)
