"""The format of a segment: a block that says how far it is done, then records with checksums.

A record's checksum covers its segment's number and its offset: wherever its bytes turn up otherwise, such as in another
record's payload, they are no record. So it is found again behind what a crash or a bad disk spoiled.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"keeper queue 1\n\0"  # the first 16 bytes of a segment
BEGIN = 4096  # of the first record: no sector holds both the mark and a record
MARK_AT = 64
RECORD = b"\0KQ\1"  # the first bytes of a record

_MARK = struct.Struct("<QQQ?")
_MARK_SUM = struct.Struct("<I")
MARK_BYTES = _MARK.size + _MARK_SUM.size
_HEAD = struct.Struct("<4sIIId")  # RECORD, bytes of the payload, which one it is, crc32, when it came
_SUMMED = struct.Struct("<QQIId")  # segment's number, offset, bytes of the payload, which one it is, when it came
OVERHEAD = _HEAD.size


class Mark(NamedTuple):
    """How far a segment is done: the `offset` of the next record, the number of `records` before it, the bytes before
    it that were `torn`. `finished`: nothing more will be read."""

    offset: int = BEGIN
    records: int = 0
    torn: int = 0
    finished: bool = False


class Record(NamedTuple):
    """`which` counts the segment's records from 0, `end` is the offset behind it."""

    end: int
    which: int
    at: float
    payload: bytes


def pack_mark(mark: Mark, segment: int) -> bytes:
    data = _MARK.pack(*mark)
    return data + _MARK_SUM.pack(zlib.crc32(data, segment & 0xFFFFFFFF))


def is_segment(block: bytes) -> bool:
    """A file that begins so is one. A crash may have left it without its first bytes."""
    return block.startswith(MAGIC) or not block[: len(MAGIC)].strip(b"\0") or MAGIC.startswith(block)


def unpack_mark(block: bytes, segment: int) -> Mark | None:
    """From a segment's first block. None when there is none, or it is broken: then all comes again."""
    slot = block[MARK_AT : MARK_AT + MARK_BYTES]
    if len(slot) < MARK_BYTES:
        return None
    if _MARK_SUM.unpack_from(slot, _MARK.size)[0] != zlib.crc32(slot[: _MARK.size], segment & 0xFFFFFFFF):
        return None
    return Mark(*_MARK.unpack_from(slot))


def pack(payload: bytes, at: float, which: int, segment: int, offset: int) -> bytes:
    size = len(payload)
    summed = zlib.crc32(payload, zlib.crc32(_SUMMED.pack(segment, offset, size, which, at)))
    return _HEAD.pack(RECORD, size, which, summed, at) + payload


def unpack(data: bytes, begin: int, segment: int, base: int) -> Record | None:
    """The record at `begin` of `data`, which was read from the segment at `base`; None when there is no whole one with
    a good checksum."""
    return next(map(Record._make, walk(data, begin, segment, base)), None)


def walk(data: bytes, begin: int, segment: int, base: int) -> Iterator[tuple[int, int, float, bytes]]:
    """What is in the records from `begin` on, as `unpack` gives them, up to where there is none."""
    size_of_data = len(data)
    while (start := begin + OVERHEAD) <= size_of_data:
        kind, size, which, summed, at = _HEAD.unpack_from(data, begin)
        end = start + size
        if kind != RECORD or end > size_of_data:
            return
        payload = data[start:end]
        if zlib.crc32(payload, zlib.crc32(_SUMMED.pack(segment, base + begin, size, which, at))) != summed:
            return
        yield base + end, which, at, payload
        begin = end


def came_at(head: bytes) -> float | None:
    """When the record came that begins so; None when none does."""
    if len(head) < OVERHEAD or not head.startswith(RECORD):
        return None
    at: float = _HEAD.unpack_from(head)[4]
    return at


def needed(data: bytes) -> int:
    """How many bytes the record that begins `data` takes, as its head says; 0 when it is no head."""
    if len(data) < OVERHEAD or not data.startswith(RECORD):
        return 0
    size: int = _HEAD.unpack_from(data)[1]
    return OVERHEAD + size
