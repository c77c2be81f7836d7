"""Lines kept in memory while the disk takes none: bounded, the oldest fall out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from keeper.opentsdb.record import Arrived

MOST_LINES = 50_000
MOST_BYTES = 8 << 20


class Hold:
    """Oldest first. `early` of them were taken from here to be sent, and must not go to the disk as well."""

    def __init__(self, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES) -> None:
        self.early = 0
        self.bytes = 0
        self._lines: deque[Arrived] = deque()
        self._most_lines = most_lines
        self._most_bytes = most_bytes

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def oldest(self) -> float | None:
        return self._lines[0].at if self._lines else None

    @property
    def late(self) -> int:
        """How many are younger than all that is on the disk."""
        return len(self._lines) - self.early

    def add(self, arrived: Iterable[Arrived]) -> int:
        """Keep them. Returns how many fell out for it; those that were taken stay, they may be on their way."""
        fell = 0
        for one in arrived:
            self._lines.append(one)
            self.bytes += len(one.line)
            while self.late and (len(self._lines) > self._most_lines or self.bytes > self._most_bytes):
                self.bytes -= len(self._lines[self.early].line)
                del self._lines[self.early]
                fell += 1
        return fell

    def take(self, most: int, most_bytes: int) -> list[Arrived]:
        """The oldest, which become early; at least one."""
        taken: list[Arrived] = []
        size = 0
        for one in self._lines:
            size += len(one.line)
            if taken and (len(taken) >= most or size > most_bytes):
                break
            taken.append(one)
        self.early = len(taken)
        return taken

    def done(self, count: int) -> None:
        """The oldest `count` are delivered."""
        for _ in range(count):
            self.bytes -= len(self._lines.popleft().line)
        self.early -= count

    def all_late(self) -> list[Arrived]:
        return list(self._lines)[self.early :]

    def written(self, count: int) -> None:
        """The oldest `count` of the late are on the disk."""
        for _ in range(count):
            self.bytes -= len(self._lines[self.early].line)
            del self._lines[self.early]
