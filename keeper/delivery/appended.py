"""A text file that only grows: what `append` was given is on the disk when it returns, and a torn end is found."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Self

from keeper.durable import sync_folder
from keeper.errors import InUse, StateError


class Appended:
    """One file, locked for one process. `torn` is what stood behind the last newline when it was opened: the rest of a
    write that a crash or a full disk cut short, or the last line of a person's editor. It is still in the file; whoever
    opened it decides with `drop_torn` or `end_torn`."""

    def __init__(self, path: Path, file: FileIO, torn: bytes) -> None:
        self.path = path
        self.torn = torn
        self._file = file

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or make the file. Raises InUse while another process has it, StateError when it cannot be used."""
        new = not path.exists()
        try:
            file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "r+")
        except OSError as error:
            raise StateError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if new:
                sync_folder(path.parent)
            return cls(path, file, _torn(file))
        except BlockingIOError as error:
            file.close()
            raise InUse(f"{path} is in use by another keeper; let it end first") from error
        except OSError as error:
            file.close()
            raise StateError(f"{path} cannot be used: {error.strerror}") from error

    def lines(self) -> Iterator[bytes]:
        """Every line from the first to the last, without its newline; the torn end too."""
        with self.path.open("rb") as read:
            for line in read:
                yield line.rstrip(b"\n")

    def drop_torn(self) -> None:
        """Cut the torn end off."""
        self._file.truncate(os.fstat(self._file.fileno()).st_size - len(self.torn))
        os.fsync(self._file.fileno())
        self.torn = b""

    def end_torn(self) -> None:
        """Make a whole line of the torn end."""
        self.torn = b""
        self._write(b"\n")

    def append(self, lines: Iterable[str]) -> None:
        """Write the lines and wait until the disk has them. Raises StateError; then none of them is in the file."""
        data = "".join(f"{line}\n" for line in lines).encode()
        if data:
            self._write(data)

    def close(self) -> None:
        self._file.close()

    def _write(self, data: bytes) -> None:
        before = os.fstat(self._file.fileno()).st_size
        try:
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
            os.fdatasync(self._file.fileno())
        except OSError as error:
            self._file.truncate(before)  # half a line must not become the head of the next one
            raise StateError(f"{self.path} cannot be written: {error.strerror}") from error


class Unchanged(Appended):
    """The same file, only looked at: what would be mended or added is believed, and not written."""

    @classmethod
    def open(cls, path: Path) -> Self:
        try:
            file = FileIO(os.open(path if path.exists() else os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            return cls(path, file, _torn(file))
        except OSError as error:
            raise StateError(f"{path} cannot be read: {error.strerror}") from error

    def lines(self) -> Iterator[bytes]:
        if not self.path.exists():
            return
        with self.path.open("rb") as read:
            for line in read:
                if line.endswith(b"\n") or not self._dropped:
                    yield line.rstrip(b"\n")

    _dropped = False

    def drop_torn(self) -> None:
        self._dropped, self.torn = True, b""

    def end_torn(self) -> None:
        self.torn = b""

    def append(self, lines: Iterable[str]) -> None:
        pass


def _torn(file: FileIO) -> bytes:
    """What follows the last newline."""
    end = os.fstat(file.fileno()).st_size
    tail = b""
    while end > 0:
        start = max(0, end - 4096)
        block = os.pread(file.fileno(), end - start, start)
        newline = block.rfind(b"\n")
        tail = block[newline + 1 :] + tail
        if newline >= 0:
            break
        end = start
    return tail
