"""How far the spool's lines are delivered, in a file of two slots that are written in turn.

In place and without growing: a full disk, which is when the spool is needed most, does not keep it from going on. A
write that is cut short spoils one slot, and the other one has the place before.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple, Self

from keeper.errors import StateError

_MAGIC = b"kplace 1"
_SLOT = struct.Struct("<8sQQQQ")  # magic, turn, and the place; a crc32 follows
_SUM = struct.Struct("<I")
_APART = 4096  # bytes: the slots share no sector of any disk
_SIZE = 2 * _APART


class Place(NamedTuple):
    """The line that is sent next: its segment, where its record begins, and how many lines of that are delivered."""

    segment: int
    offset: int
    line: int


class PlaceFile:
    """`place` is the last one written. For one process."""

    def __init__(self, path: Path, file: int, turn: int, place: Place) -> None:
        self.place = place
        self._path = path
        self._file = file
        self._turn = turn

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file; an empty one stands for the beginning. Raises StateError when it is not ours, or broken."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            data = os.pread(file, _SIZE + 1, 0)
            found = [slot for number in (0, 1) if (slot := _read(data, number)) is not None]
            # Blank: made, but never written to before a crash.
            if not found and (len(data) > _SIZE or data.strip(b"\0")):
                raise StateError(
                    f"{path} does not say how far the points of this spool are delivered: it is broken, or not "
                    "keeper's. Move it away and make an empty file there: then all that is left is sent, once more"
                )
            turn, place = max(found, default=(0, Place(0, 0, 0)))
            opened = cls(path, file, turn, place)
            if len(data) != _SIZE:
                os.pwrite(file, b"\0" * (_SIZE - len(data)), len(data))
                os.fsync(file)
        except BaseException:
            os.close(file)
            raise
        return opened

    def write(self, place: Place) -> None:
        """Make it durable. Raises OSError; then the one before stands, or this one."""
        data = _SLOT.pack(_MAGIC, self._turn + 1, *place)
        data += _SUM.pack(zlib.crc32(data))
        os.pwrite(self._file, data, (self._turn + 1) % 2 * _APART)
        os.fdatasync(self._file)
        self._turn += 1
        self.place = place

    def close(self) -> None:
        os.close(self._file)


def _read(data: bytes, number: int) -> tuple[int, Place] | None:
    slot = data[number * _APART : number * _APART + _SLOT.size + _SUM.size]
    if len(slot) < _SLOT.size + _SUM.size or _SUM.unpack_from(slot, _SLOT.size)[0] != zlib.crc32(slot[: _SLOT.size]):
        return None
    magic, turn, segment, offset, line = _SLOT.unpack_from(slot)
    return (turn, Place(segment, offset, line)) if magic == _MAGIC else None
