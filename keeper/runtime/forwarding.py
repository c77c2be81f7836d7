"""The way of points to OpenTSDB: what is new goes to the spool on the disk, and from there a thread sends it.

points ──► newest: sent already? ──► dedup: says it anything new? ──► spool ──► sender (thread) ──► one of the hosts
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from keeper.collectors.dedup import Dedup
from keeper.core.point import Point, Series, line
from keeper.opentsdb.newest import Newest
from keeper.opentsdb.sender import Sender
from keeper.opentsdb.settings import OpentsdbSettings
from keeper.opentsdb.spool import Spool
from keeper.runtime.clock import Clock
from keeper.runtime.watch import Thread

SPOOL = "spool"  # a folder of its own: the spool takes no other file for its own
STORE_EVERY = 1.0  # seconds
STORE_AT = 5_000  # points
EVICT_EVERY = 60.0
STATISTICS_EVERY = 60.0

Tags = tuple[tuple[str, str], ...]
Statistics = Callable[[], Iterable[tuple[str, Tags, int]]]


class Forwarding:
    """`take` and `tick` are called by one thread. `statistics` are keeper's own figures by tcollector's names; None:
    not sent. Raises KeeperError for a spool that cannot be used."""

    def __init__(
        self,
        settings: OpentsdbSettings,
        tags: Tags,
        folder: Path,
        clock: Clock,
        chance: Callable[[], float],
        failed: Callable[[str], None],
        statistics: Statistics | None,
    ) -> None:
        self.settings = settings
        self.spool = Spool.open(folder / SPOOL, settings.spool, clock.now)
        self.newest = Newest(folder, settings.evict, clock.wall)
        self.dedup = Dedup(settings.dedup, settings.evict)
        self.sender = Sender(self.spool, settings.terms(), clock.now, chance)
        self.taken: Counter[str] = Counter()  # points for sending, by collector
        self._tags = tags
        self._clock = clock
        self._statistics = statistics
        self._waiting: list[tuple[str, Point]] = []
        self._store_at = self._evict_at = self._statistics_at = 0.0
        self._thread = Thread("opentsdb", self.sender.run, failed)

    def start(self) -> None:
        self._thread.start()

    def take(self, collector: str, points: list[Point]) -> None:
        """Points of one collector, the oldest of each series first."""
        if not self.settings.milliseconds:
            points = [Point(series, at - at % 1000, value) for series, at, value in points]
        fresh = [point for point in points if self.newest.fresh(f"{collector} {point.series.text}", point.at)]
        new = self.dedup.take(fresh)
        self.taken[collector] += len(new)
        self._waiting += [(collector, point) for point in new]
        if len(self._waiting) >= STORE_AT:
            self._store()

    def tick(self) -> None:
        """Store what waits, once a second; called more often."""
        now = self._clock.now()
        if now >= self._statistics_at and self._statistics is not None:
            self._statistics_at = now + STATISTICS_EVERY
            self._store(self._figures())
        if now >= self._store_at:
            self._store_at = now + STORE_EVERY
            self._store()
        if now >= self._evict_at:
            self._evict_at = now + EVICT_EVERY
            self.dedup.evict(round(self._clock.wall() * 1000))

    def store(self) -> None:
        """Store what waits, now."""
        self._store()

    def close(self, seconds: float) -> None:
        """Store what waits; what is not sent is sent after the next start."""
        self._thread.stop()
        self._store()
        self._thread.join(seconds)
        self.spool.close()
        self.newest.close()

    def _store(self, more: Iterable[bytes] = ()) -> None:
        waiting, self._waiting = self._waiting, []
        lines = [line(point, self._tags).encode() for _, point in waiting]
        lines += more
        if lines:
            self.spool.append(lines)
            self.newest.took((f"{collector} {point.series.text}", point.at) for collector, point in waiting)

    def _figures(self) -> list[bytes]:
        at = int(self._clock.wall()) * 1000
        figures = self._statistics() if self._statistics else ()
        points = [Point(Series(f"tcollector.{metric}", tags), at, value) for metric, tags, value in figures]
        return [line(point, self._tags).encode() for point in points]

    @property
    def trouble(self) -> str:
        """What a person should look at; empty when all is well."""
        return self.spool.trouble or self.newest.trouble or self.sender.why

    def status(self) -> dict[str, Any]:
        refused = self.sender.last_refused
        return {
            "host": self.sender.host,
            "way": self.settings.way,
            "up": self.sender.state == "up",
            "why": self.trouble,
            "sent": self.sender.sent,
            "refused": self.sender.refused,
            "retries": self.sender.retries,
            "repeated": self.sender.repeated,
            "last_sent": self.sender.last_sent,
            "last_refused": f"{refused.line.decode('ascii', 'replace')}: {refused.why}" if refused else "",
            "waiting": self.spool.points,
            "bytes": self.spool.bytes,
            "oldest": self.spool.oldest,
            "dropped": self.spool.dropped,
            "torn": self.spool.torn,
            "held": self.dedup.held,
        }
