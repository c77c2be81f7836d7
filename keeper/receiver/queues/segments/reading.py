"""A worker's end of one segment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from keeper.durable import write_all
from keeper.receiver.queues.segments.record import MARK_AT, RECORD, Mark, Record, needed, pack_mark, unpack, walk

READ = 1 << 20  # bytes that are read at once; a longer record is read alone


class Taken(NamedTuple):
    """Records, and how far the segment is done when they are."""

    records: list[bytes]
    mark: Mark


class Reading:
    """For who has the segment's lock, which goes with the open file. `mark` is how far it is done; `final`: the segment
    grows no more, so what is not whole now never will be."""

    def __init__(self, number: int, file: int, mark: Mark, final: bool) -> None:
        self.number = number
        self.file = file
        self.mark = mark
        self.final = final
        self._data = b""
        self._base = 0  # where `_data` begins

    def take(self, most: int, most_bytes: int) -> Taken | None:
        """The next records that are not done; None when there are none, in a final segment at all. Raises OSError."""
        records: list[bytes] = []
        offset, count = self.mark.offset, self.mark.records
        if self.final and self._record(offset) is None:
            self._pass(offset)
            offset = self.mark.offset
        for end, which, payload in self._walk(offset):
            most_bytes -= len(payload)
            if most_bytes < 0 and records:
                break
            records.append(payload)
            offset, count = end, which + 1
            if len(records) == most:
                break
        return Taken(records, self.mark._replace(offset=offset, records=count)) if records else None

    def done(self, mark: Mark) -> None:
        """Raises OSError; then the mark before stands, or this one."""
        write_all(self.file, pack_mark(mark, self.number), MARK_AT)
        self.mark = mark

    def pass_damage(self) -> bool:
        """Go on behind a broken place, if there is a good record behind it; in a segment that may still grow."""
        offset = self._good(self.mark.offset)
        if offset is None:
            return False
        self._pass_to(offset)
        return True

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self.file)

    def _pass(self, offset: int) -> None:
        """Nothing good begins here: leave it out, up to the next good record or the end."""
        end = max(offset, os.fstat(self.file).st_size)
        self._pass_to(offset if offset == end else self._good(offset) or end)

    def _pass_to(self, offset: int) -> None:
        torn = self.mark.torn + offset - self.mark.offset
        self.mark = self.mark._replace(offset=offset, torn=torn)

    def _good(self, offset: int) -> int | None:
        """Where the first good record behind an offset begins."""
        begin = offset + 1
        while len(data := os.pread(self.file, READ, begin)) >= len(RECORD):
            found = data.find(RECORD)
            while found >= 0:
                if self._record(begin + found) is not None:
                    return begin + found
                found = data.find(RECORD, found + 1)
            begin += len(data) - len(RECORD) + 1
        return None

    def _walk(self, offset: int) -> Iterator[tuple[int, int, bytes]]:
        """End, place and payload of the good ones from there on, up to where none begins."""
        while (record := self._record(offset)) is not None:
            yield record.end, record.which, record.payload
            offset = record.end
            for end, which, _, payload in walk(self._data, offset - self._base, self.number, self._base):
                yield end, which, payload
                offset = end

    def _record(self, offset: int) -> Record | None:
        """The good one that begins there. What was read once is not read again: nothing ever changes in its place."""
        if 0 <= offset - self._base < len(self._data):
            record = unpack(self._data, offset - self._base, self.number, self._base)
            if record is not None:
                return record
        self._data, self._base = os.pread(self.file, READ, offset), offset
        record = unpack(self._data, 0, self.number, offset)
        if record is None and len(self._data) < needed(self._data) <= os.fstat(self.file).st_size - offset:
            record = unpack(os.pread(self.file, needed(self._data), offset), 0, self.number, offset)
        return record
