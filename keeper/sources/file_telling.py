"""What a log in files says of itself in one poll: lines, losses, and whether it is seen."""

from __future__ import annotations

from keeper.core.batch import Chunk, Item, Lost, SourceDown, SourceUp
from keeper.core.source import Now
from keeper.sources.log_file import LogFile


class Telling:
    """Collects items. A change between seen and not seen is said once; a silent log that is seen, every `heartbeat`."""

    def __init__(self, name: str, now: Now, heartbeat: float) -> None:
        self.name = name
        self._now = now
        self._heartbeat = heartbeat
        self._items: list[Item] = []
        self._down: str | None = ""  # why nothing is seen; None when it is seen, empty before anything was said
        self._said_at = 0.0

    def take(self) -> list[Item]:
        items, self._items = self._items, []
        return items

    def lines(self, lines: bytes, log: LogFile | None, position: str) -> None:
        splitter = log.reading.splitter if log is not None else None
        cut = 0
        if splitter is not None:
            cut, splitter.cut = splitter.cut, 0
        self._said_at = self._now()
        self._items.append(Chunk(self.name, lines, self._said_at, position, cut))

    def lost(self, count: int, offset: int, where: str, reason: str, position: str | None) -> None:
        self._items.append(Lost(self.name, self._now(), count, offset, where, reason, position))

    def up(self) -> None:
        if self._down is not None:
            self._down = None
            self._said_at = self._now()
            self._items.append(SourceUp(self.name, self._said_at))

    def down(self, reason: str) -> None:
        if reason != self._down:
            self._down = reason
            self._items.append(SourceDown(self.name, self._now(), reason))

    def still_up(self, at: float) -> None:
        """Everything up to `at` was handed out."""
        if self._down is None and not self._items and at - self._said_at >= self._heartbeat:
            self._said_at = at
            self._items.append(SourceUp(self.name, at))
