"""The end of the queue that grows: each write is on the disk when it returns, or its segment is never written again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from keeper.durable import begin_file, write_all
from keeper.receiver.queues.segments.record import BEGIN, MAGIC, pack
from keeper.receiver.queues.segments.segment import Segment, path_of


class Writing:
    """Appends to `segment`, None while there is none that may be appended to. For one thread."""

    def __init__(self, folder: Path, most: int) -> None:
        """`most` is how many bytes a segment has before another one is begun."""
        self.segment: Segment | None = None
        self._folder = folder
        self._most = most
        self._file = -1

    def begin(self, number: int) -> Segment:
        """Make the next one. Raises OSError; then nothing is left of it."""
        self.end()
        path = path_of(self._folder, number)
        self._file = begin_file(path, MAGIC.ljust(BEGIN, b"\0"))
        self.segment = Segment(number, path, grows=True)
        return self.segment

    def ready(self) -> Segment | None:
        """The one that takes the next append; None when another one has to be begun."""
        segment = self.segment
        return segment if segment is not None and segment.size < self._most and not segment.gone else None

    def append(self, segment: Segment, arrived: Iterable[tuple[float, Sequence[bytes]]]) -> int:
        """Write records that came at these times to the segment that is open, and wait until the disk has them. Returns
        how many bytes that were. Raises OSError; then none of it counts, and nothing more is appended to this segment:
        workers may have read what failed, and what comes next must not stand in its place."""
        packed: list[bytes] = []
        offset, which = segment.size, segment.records
        for at, records in arrived:
            for payload in records:
                packed.append(pack(payload, at, which, segment.number, offset))
                offset += len(packed[-1])
                which += 1
        try:
            write_all(self._file, b"".join(packed), segment.size)
            os.fdatasync(self._file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, segment.size)
            self.end()
            raise
        written = offset - segment.size
        segment.records, segment.size = which, offset
        return written

    def end(self) -> None:
        if self.segment is not None:
            os.close(self._file)
            self.segment.grows = False
        self.segment, self._file = None, -1
