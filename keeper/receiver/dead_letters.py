"""The dead-letter file: records that can never be stored, each once, with its reason. JSON, one a line.

Workers share it under a lock. It is durable before the record leaves the queue, and nothing in keeper removes a line:
a person looks at it, and moves the file away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO, NamedTuple

from keeper.durable import sync_folder
from keeper.errors import KeeperError
from keeper.runtime.clock import iso

FILE = "dead_letters.jsonl"
PIECE = 1 << 20


class DeadLetters:
    """Raises OSError when the disk does not take it: then the record must stay in the queue."""

    def __init__(self, path: Path, wall: Callable[[], float]) -> None:
        self._path = path
        self._wall = wall
        self._known: set[str] = set()
        self._inode = 0
        self._read = 0  # bytes of the file that are known

    def add(self, letters: Iterable[tuple[bytes, str]]) -> int:
        """Write records with their reasons, durably; how many of them were not there yet."""
        with self._locked() as file:
            self._look(file)
            lines = []
            for record, reason in letters:
                name = hashlib.sha256(record).hexdigest()[:32]
                if name not in self._known:
                    self._known.add(name)
                    text = record.decode("utf-8", "surrogateescape")
                    letter = {"at": iso(self._wall()), "name": name, "reason": reason, "record": text}
                    lines.append(json.dumps(letter).encode() + b"\n")
            end = os.fstat(file).st_size
            try:
                data = b"".join(lines)
                while data:
                    data = data[os.write(file, data) :]
                os.fdatasync(file)
            except OSError:
                self._inode = 0  # what is known of it is not so
                os.ftruncate(file, end)
                raise
            self._read = os.fstat(file).st_size
            return len(lines)

    def move(self, aside: Path) -> bool:
        """Give the file another name, that of no file; no worker is writing to it then, and none will any more. False:
        it is not there, or somebody else has just done so."""
        try:
            with self._locked(0):
                self._path.rename(aside)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _locked(self, made: int = os.O_CREAT) -> Iterator[int]:
        """The file at the path, which a person may move away at any moment."""
        while True:
            file = os.open(self._path, os.O_RDWR | made | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self._path.exists() and self._path.stat().st_ino == os.fstat(file).st_ino:
                    yield file
                    return
            finally:
                os.close(file)

    def _look(self, file: int) -> None:
        """Learn what others wrote; a torn last line, of one that was killed, is removed."""
        found = os.fstat(file)
        if found.st_ino != self._inode or found.st_size < self._read:  # another, perhaps in the place of one removed
            sync_folder(self._path.parent)
            self._inode, self._read, self._known = found.st_ino, 0, set()
        rest = b""
        offset = self._read
        while piece := os.pread(file, PIECE, offset):
            offset += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            self._known.update(name for name in map(_name, lines) if name)
        if rest:
            os.ftruncate(file, offset - len(rest))


def _name(line: bytes) -> str:
    try:
        return str(json.loads(line)["name"])
    except (ValueError, KeyError, TypeError):
        return ""


class Letter(NamedTuple):
    """One record, as it was in the queue, with the reason why it is here and when it was written, as a text."""

    at: str
    reason: str
    record: bytes


def read_letters(path: Path) -> Iterator[Letter]:
    """All letters of a file; a line that is none has no record. Raises KeeperError."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    one = json.loads(line)
                    record = one["record"].encode("utf-8", "surrogateescape")
                    yield Letter(str(one["at"]), str(one["reason"]), record)
                except (ValueError, KeyError, TypeError, AttributeError):
                    yield Letter("", f"line {number} is not one of keeper's letters", b"")
    except OSError as error:
        raise KeeperError(f"cannot read {path}: {error.strerror}") from error


class Letters:
    """How many letters stand in the file now: none when a person has moved it away. From any thread; only what is new
    is read. A file that cannot be read has as many as it had."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._inode = self._read = self._count = 0

    def count(self) -> int:
        with self._lock, suppress(OSError):
            try:
                with self._path.open("rb") as file:
                    self._look(file)
            except FileNotFoundError:
                self._inode = self._read = self._count = 0
        return self._count

    def _look(self, file: BinaryIO) -> None:
        inode = os.fstat(file.fileno()).st_ino
        file.seek(max(0, self._read - 1))
        if inode != self._inode or file.read(1) != b"\n":  # another file, or one of which the end was removed
            self._inode, self._read, self._count = inode, 0, 0
            file.seek(0)
        while piece := file.read(PIECE):
            self._count += piece.count(b"\n")
            self._read += len(piece)
