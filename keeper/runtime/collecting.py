"""Collector scripts in the daemon: one thread talks with the runner process and hands on what it says.

runner ──► points ──► exposed     the newest of each series, for Prometheus
                 ├──► loop        those a rule is about, as events
                 └──► outlet      to OpenTSDB, where it is configured
       ──► stands ──► standing    to the rules, the metrics, the page
       ──► complaints ──► log
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

from keeper.build import COLLECTORS
from keeper.collectors.exposed import Exposed, counters_of
from keeper.collectors.known import KnownSeries
from keeper.collectors.orders import FILE, NONE, read_orders
from keeper.collectors.plan import lasts, terms_of
from keeper.collectors.settings import CollectorsSettings
from keeper.collectors.terms import Terms
from keeper.core.backoff import delay
from keeper.core.batch import Answers, SourceDown, SourceUp
from keeper.core.event import Event, PointSeen
from keeper.core.point import Number, Point, Series
from keeper.core.source import Wait
from keeper.errors import KeeperError
from keeper.rules.metric import Condition, watched
from keeper.runtime.clock import Clock
from keeper.runtime.inbox import Inbox, Poster
from keeper.runtime.loop import Loop
from keeper.runtime.measure_collectors import MeasureCollectors
from keeper.runtime.outlet import Outlet
from keeper.runtime.runner_process import Message, RunnerProcess
from keeper.runtime.standing import Standing
from keeper.runtime.watch import Thread
from keeper.settings import Settings

log = logging.getLogger("keeper")

GATHER = 0.2  # seconds between two looks whether the runner said something, or must be told something
STOP_WITHIN = 2.0  # seconds for the scripts and the runner to end
DROP_EVERY = 60.0  # seconds between two looks for series that went quiet
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class Collecting:
    """What the daemon has of its collectors; `exposed` is to be registered for the metrics page. Raises KeeperError
    when the points for OpenTSDB cannot be stored."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        random: Random,
        inbox: Inbox,
        loop: Loop,
        measure: MeasureCollectors,
        failed: Callable[[str], None],
    ) -> None:
        def tell(event: Event) -> None:
            inbox.call(lambda: loop.tell(event, COLLECTORS))

        def journal(kind: str, text: str) -> None:
            inbox.call(lambda: loop.journal(kind, COLLECTORS, text))

        self._clock = clock
        self._random = random
        self._post: Poster = inbox.poster(COLLECTORS, COLLECTORS)
        self._measure = measure
        self._journal = journal
        self._folder = Path(settings.keeper.state_dir) / COLLECTORS
        self._lock = Lock()
        self._general = settings.collectors or CollectorsSettings()
        self._opentsdb = settings.opentsdb
        self._terms = terms_of(self._general, settings.collector, self._folder)
        self._watched = _by_metric(watched(settings.rules.values()))
        self._orders = NONE
        self._ordered = (0, 0)
        self._changed = False
        self._complaints: tuple[str, ...] = ()
        self._series: dict[str, KnownSeries] = {}
        self._runner: RunnerProcess | None = None
        self._failures = 0
        self._drop_at = 0.0
        self.exposed = Exposed(counters_of(self._general.types), clock.now)
        self._standing = Standing(clock.now, measure, tell, journal)
        folder, stands = self._folder / "opentsdb", self._standing.all
        self._outlet = Outlet(folder, clock, random, measure, stands, tell, failed)
        self._outlet.want(self._opentsdb, self._general)
        self._outlet.begin()
        self.thread = Thread(COLLECTORS, self.run, failed)

    # -- from the loop ---------------------------------------------------------------------------------------------

    def adopt(self, settings: Settings) -> None:
        """New settings: scripts they concern begin anew, the others go on."""
        general = settings.collectors or CollectorsSettings()
        self.exposed.count(counters_of(general.types))
        with self._lock:
            self._general, self._opentsdb = general, settings.opentsdb
            self._watched = _by_metric(watched(settings.rules.values()))
            self._terms, self._changed = terms_of(general, settings.collector, self._folder), True

    def status(self) -> dict[str, Any]:
        """For the page and `keeper collectors list`."""
        with self._lock:
            orders, complaints = self._orders, self._complaints
        return {
            "collectors": self._standing.shown(orders),
            "complaints": list(complaints),
            "series": len(self.exposed),
            "out": self._outlet.status(),
        }

    # -- the thread ------------------------------------------------------------------------------------------------

    def run(self, wait: Wait) -> None:
        self._look_at_orders()
        while not wait(0.0):
            try:
                self._runner = RunnerProcess(self._current_terms(), self._clock.now)
                self._follow(self._runner, wait)
            except KeeperError as error:
                self._lost(str(error))
                self._failures += 1
                if wait(delay(self._failures, self._random.random())):
                    break
        if self._runner is not None:
            for message in self._runner.end(STOP_WITHIN):
                self._take(message)
        self._outlet.close()

    def _follow(self, runner: RunnerProcess, wait: Wait) -> None:
        while not wait(GATHER):
            while messages := runner.hear(0.0):
                for message in messages:
                    self._take(message)
            self._look_at_orders()
            with self._lock:
                changed, self._changed = self._changed, False
                opentsdb, general = self._opentsdb, self._general
            if changed:
                runner.tell(("terms", self._current_terms().words()))
                self._outlet.want(opentsdb, general)
            self._outlet.tick()
            if (now := self._clock.now()) >= self._drop_at:
                self._drop_at = now + DROP_EVERY
                self.exposed.drop_old()
                self._measure.left_out(self.exposed.left_out)

    def _take(self, message: Message) -> None:
        kind, *words = message
        if kind == "points":
            self._points(*words)
        elif kind == "stand":
            self._standing.take(*words)
        elif kind == "said":
            name, level, text = words
            log.log(LEVELS[level], "collector=%s said=%r", name, text)
        elif kind == "gone":
            self._gone(*words)
        elif kind == "complaints":
            self._complain(*words)
        elif kind == "sees":
            self._failures = 0
            self._post(SourceUp(COLLECTORS, self._clock.now()))
            for name in self._standing.missing():  # gone while there was no runner
                self._gone(name)

    def _points(self, name: str, interval: float, raw: list[tuple[str, int, Number]]) -> None:
        now, general = self._clock.now(), self._general
        known = self._series.get(name)
        if known is None:
            known = self._series[name] = KnownSeries(general.max_series)
        points = [Point(known.of(text), at, value) for text, at, value in raw]
        known_for = lasts(interval, general)
        self.exposed.take(name, [(series, value) for series, _, value in points], now + known_for)
        self._measure.points(name, now)
        events = tuple(self._events(points, now, known_for))
        if events:
            self._post(Answers(COLLECTORS, events))
        self._outlet.take(name, points)

    def _events(self, points: Iterable[Point], now: float, lasts: float) -> Iterable[Event]:
        watched = self._watched
        for series, at, value in points:
            if any(_concerns(condition, series) for condition in watched.get(series.metric, ())):
                yield PointSeen(now, series.metric, series.tags, at / 1000, float(value), lasts)

    def _gone(self, name: str) -> None:
        self._series.pop(name, None)
        self.exposed.forget(name)
        self._standing.gone(name)

    def _complain(self, complaints: tuple[str, ...]) -> None:
        for complaint in complaints:
            if complaint not in self._complaints:
                log.warning("collectors=complaint reason=%r", complaint)
                self._journal("collector", complaint)
        with self._lock:
            self._complaints = tuple(complaints)

    def _lost(self, why: str) -> None:
        """The runner is gone: nothing is known of what its scripts measured since."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None
        log.error("collectors=down reason=%r", why)
        self._post(SourceDown(COLLECTORS, self._clock.now(), why))
        self._standing.lost()

    # -- what people say -------------------------------------------------------------------------------------------

    def _current_terms(self) -> Terms:
        with self._lock:
            return self._terms._replace(disabled=frozenset(self._orders.disabled))

    def _look_at_orders(self) -> None:
        """Read what they said, if the file is another than the one read last."""
        try:
            seen = os.stat(self._folder / FILE)  # noqa: PTH116  # a few times a second
            ordered = (seen.st_mtime_ns, seen.st_ino)
        except OSError:
            ordered = (0, 0)
        if ordered == self._ordered:
            return
        self._ordered = ordered
        try:
            orders = read_orders(self._folder)
        except KeeperError as error:
            log.error("collectors=orders reason=%r", str(error))
            return
        before = self._orders
        with self._lock:
            self._orders, self._changed = orders, True
        for name, at in orders.again.items():
            if self._runner is not None and at != before.again.get(name):
                self._runner.tell(("terms", self._current_terms().words()))
                self._runner.tell(("again", name))


def _by_metric(conditions: Iterable[Condition]) -> dict[str, list[Condition]]:
    found: dict[str, list[Condition]] = {}
    for condition in conditions:
        found.setdefault(condition.metric, []).append(condition)
    return found


def _concerns(condition: Condition, series: Series) -> bool:
    if not condition.tags:
        return True
    own = dict(series.tags)
    return all(name in own and value in ("*", own[name]) for name, value in condition.tags)
