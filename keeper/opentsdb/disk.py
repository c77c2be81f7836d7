"""The spool's files: a row of segments, the first one read and the last one written, and how far all is delivered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from keeper.durable import sync_folder
from keeper.errors import StateError
from keeper.opentsdb.place import Place, PlaceFile
from keeper.opentsdb.record import Packed, Record
from keeper.opentsdb.segment import BEGIN, Segment, number_of, read, scan
from keeper.opentsdb.writing import Writing

SEGMENTS = 16  # in a full spool, about: so much of it falls out at once
MOST = 4 << 20  # bytes of a segment
OURS = ("lock", "place", "lost+found")


class Batch(NamedTuple):
    """The oldest lines. `at` is when the first of them came, `place` where the next line stands; None for lines that
    are in memory only."""

    lines: tuple[bytes, ...]
    at: float
    place: Place | None


class Disk:
    """For one thread at a time. What raises OSError can be called again. `dropped` points fell out over the limit,
    `torn` bytes were left out when it was opened: a crash or a bad disk spoiled them."""

    def __init__(self, folder: Path, limit: int, places: PlaceFile) -> None:
        self.dropped = 0
        self.torn = 0
        self.most = max(4096, min(limit // SEGMENTS, MOST))
        self.saved = True  # the place stands in its file
        self._folder = folder
        self._limit = limit
        self._places = places
        self._place = places.place
        self._segments: list[Segment] = []
        self._next = 1  # number of the next segment
        self._writing = Writing(folder)
        self._out = 0  # points that are on their way, from the first segment
        self._astray = 0  # and of those that were, when their segment fell out

    @classmethod
    def open(cls, folder: Path, limit: int) -> Self:
        """Look through all that is there. Raises StateError for a file that is not keeper's or is broken, OSError."""
        found: dict[int, Path] = {}
        for path in folder.iterdir():
            number = number_of(path)
            if number is not None:
                found[number] = path
            elif path.name not in OURS:
                raise StateError(f"{path} is not keeper's; move it away, or give the spool a folder of its own")
        if found and not (folder / "place").exists():
            raise StateError(
                f"{folder / 'place'} is missing, which says how far the points beside it are delivered; put it back, "
                "or make an empty one: then all that is left is sent, some of it once more"
            )
        places = PlaceFile.open(folder / "place")
        try:
            disk = cls(folder, limit, places)
            disk._look_through(sorted(found.items()))
            sync_folder(folder)
        except BaseException:
            places.close()
            raise
        return disk

    @property
    def points(self) -> int:
        """How many are not delivered."""
        return sum(segment.points for segment in list(self._segments))

    @property
    def bytes(self) -> int:
        return sum(segment.size for segment in list(self._segments))

    @property
    def oldest(self) -> float | None:
        """When the oldest of these points came."""
        return next((segment.at for segment in list(self._segments) if segment.points), None)

    def append(self, packed: Packed) -> None:
        """Make it durable; over the limit the oldest fall out. Raises OSError; then it is not there."""
        if len(packed.data) + BEGIN > self._limit:  # one line, and none that a TSD takes
            self.dropped += packed.points
            return
        if self._writing.segment is not None and self._writing.segment.size >= self.most:
            self._writing.end()
        self._make_room(len(packed.data) + BEGIN)
        segment = self._writing.segment
        if segment is None:
            segment = self._writing.begin(self._next)
            self._next += 1
            self._segments.append(segment)
            if len(self._segments) == 1:  # all before it fell out, and with it what the place pointed into
                self._begin_first()
        self._writing.append(segment, packed.data)
        if not segment.points:
            segment.at = packed.at
        segment.points += packed.points
        self._sweep()

    def take(self, most: int, most_bytes: int) -> Batch | None:
        """The oldest lines, of one segment; None when there are none. What was taken before and is not done stays."""
        self.dropped += self._astray
        self._astray = self._out = 0
        self._sweep()
        while self._segments and self._segments[0].points:
            segment = self._segments[0]
            batch = self._read(segment, most, most_bytes)
            if batch is not None:
                self._out = len(batch.lines)
                return batch
            # It was good when it was written. Somebody removed it, or the disk forgot it.
            self.dropped += segment.points
            segment.points = 0
            if self._writing.segment is segment:
                self._writing.end()
            self._sweep()
        return None

    def done(self, points: int, place: Place) -> None:
        """The batch taken last, of so many points, is delivered up to `place`: see `save`."""
        if self._astray:
            self._astray = 0  # its segment fell out meanwhile
            return
        segment = self._segments[0]
        segment.points -= points
        self._out = 0
        self._place = place
        self.saved = False
        with suppress(OSError):
            segment.at = next((record.at for record in self._records(segment)), segment.at)

    def save(self) -> None:
        """Make durable how far all is delivered. Raises OSError."""
        if not self.saved:
            self._places.write(self._place)
            self.saved = True
        self._sweep()

    def close(self) -> None:
        self._writing.end()
        self._places.close()

    def _look_through(self, found: list[tuple[int, Path]]) -> None:
        here = self._place
        self._next = max([here.segment, *(number for number, _ in found)]) + 1
        clean = False
        for number, path in found:
            if number < here.segment:  # delivered: the process ended before it removed it
                path.unlink()
                continue
            begin, line = (here.offset, here.line) if number == here.segment else (BEGIN, 0)
            looked = scan(number, path, begin, line)
            self._segments.append(looked.segment)
            self.torn += looked.torn
            clean = looked.clean
        if self._segments and self._segments[0].number != here.segment:
            self._begin_first()
        if clean and self._segments[-1].size < self.most:
            self._writing.resume(self._segments[-1])

    def _read(self, segment: Segment, most: int, most_bytes: int) -> Batch | None:
        lines: list[bytes] = []
        size = 0
        at = 0.0
        for record in self._records(segment):
            begin = self._place.line if record.begin == self._place.offset else 0
            for number, line in enumerate(record.lines[begin:], begin):
                if lines and (len(lines) >= most or size + len(line) > most_bytes):
                    return Batch(tuple(lines), at, Place(segment.number, record.begin, number))
                at = at if lines else record.at
                lines.append(line)
                size += len(line)
            end = record.end
        return Batch(tuple(lines), at, Place(segment.number, end, 0)) if lines else None

    def _records(self, segment: Segment) -> Iterator[Record]:
        """Those not delivered. Raises OSError."""
        try:
            file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            yield from read(file, self._place.offset, segment.size)
        finally:
            os.close(file)

    def _make_room(self, size: int) -> None:
        """Drop the oldest segments until so many bytes more are within the limit."""
        while self._segments and self.bytes + size > self._limit:
            oldest = self._segments[0]
            oldest.path.unlink(missing_ok=True)
            if self._writing.segment is oldest:
                self._writing.end()
            self.dropped += oldest.points - self._out
            self._astray += self._out
            self._out = 0
            self._remove_first()

    def _sweep(self) -> None:
        """Remove the first segments, as long as they are delivered and not the last."""
        while len(self._segments) > 1 and not self._segments[0].points:
            try:
                self._segments[0].path.unlink(missing_ok=True)
            except OSError:
                return  # at the next sweep; all of it counts as delivered
            self._remove_first()

    def _remove_first(self) -> None:
        del self._segments[0]
        self._begin_first()

    def _begin_first(self) -> None:
        """Not durable, and need not be: where the segment that the file names is gone, the first one counts."""
        if self._segments:
            self._place = Place(self._segments[0].number, BEGIN, 0)
