"""The spool's format: records of lines with a checksum, found again behind what a crash or a bad disk spoiled."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

Line: TypeAlias = bytes
"""`metric timestamp value tag=value ...` without a newline: a whole number of seconds or milliseconds, a finite number
and at least one tag, all of them checked."""

MAGIC = b"keeper spool 1\n\0"  # the first 16 bytes of a segment
MARK = b"\0KR\1"  # the first of a record; no line holds a zero byte, so it is not found inside of one
RECORD_BYTES = 65_536  # of lines in a record: what one bad sector costs, and what is read at once

_HEADER = struct.Struct("<4sIIId")  # mark, bytes of the lines, how many, crc32 of the rest, when they came
_SUMMED = struct.Struct("<IId")
OVERHEAD = _HEADER.size


class Arrived(NamedTuple):
    """A line and when it came, in seconds since the epoch."""

    at: float
    line: bytes


class Record(NamedTuple):
    """Lines that came together, and the bytes of the segment they stand in."""

    begin: int
    end: int
    at: float
    lines: list[bytes]


class Packed(NamedTuple):
    """Records to be written at once, the number of their points, and when the first of these came."""

    data: bytes
    points: int
    at: float


def pack(arrived: Iterable[Arrived], most: int) -> Iterator[Packed]:
    """Records for lines, up to `most` bytes of records together, or a little more. Lines of one time share a record."""
    records: list[bytes] = []
    size = points = 0
    begun = 0.0
    for at, lines in _shared(arrived):
        begun = begun if records else at
        records.append(_record(at, lines))
        size += len(records[-1])
        points += len(lines)
        if size >= most:
            yield Packed(b"".join(records), points, begun)
            records, size, points = [], 0, 0
    if records:
        yield Packed(b"".join(records), points, begun)


def _shared(arrived: Iterable[Arrived]) -> Iterator[tuple[float, list[bytes]]]:
    lines: list[bytes] = []
    size = 0
    at = 0.0
    for one in arrived:
        if lines and (one.at != at or size + len(one.line) >= RECORD_BYTES):
            yield at, lines
            lines, size = [], 0
        at = one.at
        lines.append(one.line)
        size += len(one.line) + 1
    if lines:
        yield at, lines


def _record(at: float, lines: list[bytes]) -> bytes:
    payload = b"\n".join(lines)
    return _HEADER.pack(MARK, len(payload), len(lines), _sum(len(payload), len(lines), at, payload), at) + payload


def unpack(data: bytes, begin: int) -> Record | None:
    """The record that begins there; None when there is no whole one with a good checksum."""
    if begin + OVERHEAD > len(data):
        return None
    mark, length, count, crc, at = _HEADER.unpack_from(data, begin)
    end = begin + OVERHEAD + length
    if mark != MARK or end > len(data):
        return None
    payload = data[begin + OVERHEAD : end]
    if _sum(length, count, at, payload) != crc:
        return None
    return Record(begin, end, at, payload.split(b"\n"))


def walk(data: bytes, begin: int) -> Iterator[Record]:
    """Every good record from `begin` on. What lies between their ends and begins is torn."""
    while begin >= 0:
        record = unpack(data, begin)
        if record is not None:
            yield record
            begin = record.end
        else:
            begin = data.find(MARK, begin + 1)


def _sum(length: int, count: int, at: float, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_SUMMED.pack(length, count, at)))
