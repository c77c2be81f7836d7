"""What waits in the queue: looked at again and again, as workers tell nobody but the disk what is done."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from keeper.receiver.queues.segments.segment import Segment, look

LOOKED = 128  # segments; workers take the first ones, one each, and there are fewer workers


class Waiting(NamedTuple):
    """As it was found. `written` bytes and `put` records are what the queue had written in its life before that: what
    came since can be added to `bytes` and `records`."""

    records: int = 0
    bytes: int = 0
    oldest: float | None = None
    lost: int = 0
    free: int = 1 << 62  # bytes of the disk
    written: int = 0
    put: int = 0
    trouble: str = ""


class Stock:
    """The segments that are there. One thread looks, another one adds segments and makes the last one longer."""

    def __init__(self, folder: Path) -> None:
        self.waiting = Waiting()
        self.written = 0  # bytes, of the one who adds
        self.put = 0  # and records
        self._folder = folder
        self._segments: dict[int, Segment] = {}
        self._lost = 0

    def add(self, segment: Segment) -> None:
        self._segments[segment.number] = segment

    def ends(self) -> Mapping[int, int]:
        """What is durable now: where each segment ends that is not done."""
        return {each.number: each.size for each in list(self._segments.values()) if each.left}

    def done(self, ends: Mapping[int, int]) -> bool:
        """All of that is done, as it was found when it was last looked at."""
        for number, end in ends.items():
            segment = self._segments.get(number)
            if segment is not None and not segment.mark.finished and segment.mark.offset < end:
                return False
        return True

    def look(self) -> None:
        """See how far workers are, and remove what is done."""
        written, put = self.written, self.put
        segments = [segment for _, segment in sorted(self._segments.copy().items())]
        records = size = 0
        oldest, trouble = None, ""
        for place, segment in enumerate(segments):
            came = None
            if place < LOOKED or segment.grows:
                try:
                    came = self._look(segment)
                except OSError as error:
                    trouble = f"{error.filename or segment.path}: {error.strerror}"
            records += segment.waiting
            size += segment.left
            oldest = came if oldest is None and segment.waiting else oldest
        free = self.waiting.free
        with suppress(OSError):
            disk = os.statvfs(self._folder)
            free = disk.f_bavail * disk.f_frsize
        self.waiting = Waiting(records, size, oldest, self._lost, free, written, put, trouble)

    def _look(self, segment: Segment) -> float | None:
        """When the next of its records came. Raises OSError."""
        torn, left = segment.mark.torn, segment.left
        try:
            came = look(segment)
        except FileNotFoundError:
            segment.gone = True
            segment.mark = segment.mark._replace(finished=True)
            self._lost += left
            self._segments.pop(segment.number)
            return None
        self._lost += max(0, segment.mark.torn - torn)
        if not segment.grows and not segment.left:
            segment.path.unlink(missing_ok=True)
            self._segments.pop(segment.number)
        return came
