"""One file of the spool: records are appended to it, read from its beginning, and all of it is removed at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from keeper.errors import StateError
from keeper.opentsdb.record import MAGIC, OVERHEAD, RECORD_BYTES, Record, unpack, walk

BEGIN = len(MAGIC)
_NAME = re.compile(r"(\d{12})\.points")


@dataclass(slots=True)
class Segment:
    """`size` is the end of what was written whole, `points` how many of it are not delivered, `at` when the first of
    these came."""

    number: int
    path: Path
    size: int = 0
    points: int = 0
    at: float = 0.0


class Scan(NamedTuple):
    """What an old segment holds. `clean`: it ends with its last good record, and may be appended to."""

    segment: Segment
    torn: int
    clean: bool


def path_of(folder: Path, number: int) -> Path:
    return folder / f"{number:012}.points"


def number_of(path: Path) -> int | None:
    """None when it is not the name of a segment."""
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else None


def scan(number: int, path: Path, begin: int, line: int) -> Scan:
    """Look through all of a segment whose lines are delivered up to the `line`th of the record at `begin`.

    Raises StateError when it is no segment. A crash may have left it without its first bytes.
    """
    data = path.read_bytes()
    blank = not data[:BEGIN].strip(b"\0") or (len(data) < BEGIN and MAGIC.startswith(data))
    if not data.startswith(MAGIC) and not blank:
        raise StateError(f"{path} is not one of keeper's files of points, or its beginning is broken; move it away")
    segment = Segment(number, path, len(data))
    end, torn = max(begin, BEGIN), 0
    for record in walk(data, end):
        torn += record.begin - end
        end = record.end
        left = len(record.lines) - (line if record.begin == begin else 0)
        segment.at = record.at if not segment.points and left else segment.at
        segment.points += left
    torn += max(0, len(data) - end)
    return Scan(segment, torn, not blank and end == len(data))


def read(file: int, begin: int, end: int) -> Iterator[Record]:
    """The good records between two offsets of an open segment, each read from the disk when it is asked for."""
    while begin < end:
        data = os.pread(file, min(RECORD_BYTES + OVERHEAD, end - begin), begin)
        record = unpack(data, 0)
        if record is None:  # a line longer than a record, or a bad one: look at all of the rest
            data = os.pread(file, end - begin, begin)
            record = next(walk(data, 0), None)
        if record is None:
            return
        yield record._replace(begin=begin + record.begin, end=begin + record.end)
        begin += record.end
