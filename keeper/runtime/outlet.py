"""The way of points out, as the settings have it now: it may begin, change and end while keeper runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from keeper.collectors.plan import added_tags
from keeper.collectors.settings import CollectorsSettings
from keeper.core.event import Event, ForwardingStands
from keeper.core.point import Point, Tags
from keeper.errors import KeeperError
from keeper.opentsdb.settings import OpentsdbSettings
from keeper.runtime.clock import Clock
from keeper.runtime.forwarding import Forwarding
from keeper.runtime.measure_collectors import MeasureCollectors

log = logging.getLogger("keeper")

CLOSE_WITHIN = 0.7  # seconds for what is being sent at the end
TELL_EVERY = 5.0  # seconds between two words about it to the rules, and between two tries to begin


class Outlet:
    """For one thread but for `status`. `stands` are how the scripts stand, for keeper's own statistics; `tell` brings
    an event to the rules."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        random: Random,
        measure: MeasureCollectors,
        stands: Callable[[], Mapping[str, Mapping[str, Any]]],
        tell: Callable[[Event], None],
        failed: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._random = random
        self._measure = measure
        self._stands = stands
        self._tell = tell
        self._failed = failed
        self._wanted: tuple[OpentsdbSettings | None, Tags, bool] = (None, (), False)
        self._has: tuple[OpentsdbSettings | None, Tags, bool] = self._wanted
        self._out: Forwarding | None = None
        self._told_at = self._try_at = 0.0

    def want(self, settings: OpentsdbSettings | None, general: CollectorsSettings) -> None:
        """Send as these say, from the next `tick` on."""
        self._wanted = (settings, added_tags(general), general.statistics)
        self._try_at = 0.0

    def begin(self) -> None:
        """As is wanted, now. Raises KeeperError when points cannot be stored."""
        if self._has == self._wanted:
            return
        if self._out is not None:
            self._out.close(CLOSE_WITHIN)
            self._out, self._has = None, (None, (), False)
        settings, tags, statistics = self._wanted
        if settings is not None:
            figures, chance = self._statistics if statistics else None, self._random.random
            self._out = Forwarding(settings, tags, self._folder, self._clock, chance, self._failed, figures)
            self._measure.another_forwarding()
            self._out.start()
        self._has = self._wanted

    def take(self, collector: str, points: list[Point]) -> None:
        if self._out is not None:
            self._out.take(collector, points)

    def tick(self) -> None:
        """Called a few times a second: store what waits, tell how it stands, and begin what could not begin yet."""
        now = self._clock.now()
        if self._has != self._wanted and now >= self._try_at:
            self._try_at = now + TELL_EVERY
            try:
                self.begin()
            except KeeperError as error:
                log.error("opentsdb=down reason=%r", str(error))
                self._tell(ForwardingStands(now, 0, None, 0, 0, str(error)))
        if self._out is None:
            return
        self._out.tick()
        if now - self._told_at >= TELL_EVERY:
            self._told_at = now
            status = self._out.status()
            self._measure.forwarding(status)
            words = (status["waiting"], status["oldest"], status["dropped"], status["refused"], status["why"])
            self._tell(ForwardingStands(now, *words))

    def status(self) -> dict[str, Any] | None:
        out = self._out
        return None if out is None else out.status()

    def close(self) -> None:
        if self._out is not None:
            self._out.close(CLOSE_WITHIN)

    def _statistics(self) -> Iterable[tuple[str, Tags, int]]:
        """keeper's own figures, by the names tcollector gives them."""
        stands = self._stands()
        taken = self._out.taken if self._out is not None else {}
        yield "reader.lines_collected", (), sum(stand["lines"] for stand in stands.values())
        yield "reader.lines_dropped", (), sum(stand["dropped"] for stand in stands.values())
        for name, stand in stands.items():
            tags = (("collector", name),)
            yield "collector.lines_received", tags, stand["lines"]
            yield "collector.lines_invalid", tags, sum(stand["rejected"].values())
            yield "collector.lines_sent", tags, taken.get(name, 0)
