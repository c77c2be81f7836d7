"""Collector scripts in the daemon: one thread talks with the runner process and hands on what it says.

runner ──► points ──► exposed        the newest of each series, for Prometheus
                 ├──► loop           those a rule is about, as events
                 └──► out            to OpenTSDB, where it is configured
       ──► stands ──► loop, metrics, page
       ──► complaints ──► log
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

from keeper.build import COLLECTORS
from keeper.collectors.exposed import Exposed, counters_of
from keeper.collectors.life import ALIVE, FAILING, Stage
from keeper.collectors.orders import FILE, NONE, read_orders
from keeper.collectors.plan import added_tags, lasts, terms_of
from keeper.collectors.settings import CollectorsSettings
from keeper.collectors.terms import Terms
from keeper.core.backoff import delay
from keeper.core.batch import Answers, SourceDown, SourceUp
from keeper.core.event import CollectorStands, Event, ForwardingStands, PointSeen
from keeper.core.point import Number, Point, Series
from keeper.core.source import Wait
from keeper.errors import KeeperError
from keeper.rules.metric import Condition, watched
from keeper.runtime.clock import Clock, iso
from keeper.runtime.forwarding import Forwarding, Tags
from keeper.runtime.inbox import Inbox, Poster
from keeper.runtime.measure_collectors import MeasureCollectors
from keeper.runtime.runner_process import Message, RunnerProcess
from keeper.runtime.watch import Thread
from keeper.settings import Settings

log = logging.getLogger("keeper")

TOLD = (Stage.LOOPING, Stage.STUCK, Stage.RETIRED, Stage.DISABLED)  # beside the first failure and its end
GATHER = 0.2  # seconds between two looks whether the runner said something, or must be told something
STOP_WITHIN = 2.0  # seconds for the scripts and the runner to end
CLOSE_WITHIN = 0.7  # seconds for what is being sent at the end
TELL_EVERY = 5.0  # seconds between two words about the way to OpenTSDB
DROP_EVERY = 60.0  # seconds between two looks for series that went quiet
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class Collecting:
    """What the daemon has of its collectors; `exposed` is to be registered for the metrics page. `journal(kind, text)`
    is called from its thread. Raises KeeperError when the points for OpenTSDB cannot be stored."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        random: Random,
        inbox: Inbox,
        measure: MeasureCollectors,
        journal: Callable[[str, str], None],
        failed: Callable[[str], None],
    ) -> None:
        self._general = settings.collectors or CollectorsSettings()
        self._clock = clock
        self._random = random
        self._post: Poster = inbox.poster(COLLECTORS, COLLECTORS)
        self._measure = measure
        self._journal = journal
        self._failed = failed
        self._opentsdb = settings.opentsdb
        self._out: Forwarding | None = None
        self._out_terms: tuple[Tags, bool] = ((), False)
        self._out_told = self._forward_at = 0.0
        self._forward_is_due = False
        self._folder = Path(settings.keeper.state_dir) / COLLECTORS
        self._lock = Lock()
        self._orders = NONE
        self._ordered = (0, 0)
        self._terms = terms_of(self._general, settings.collector, self._folder)
        self._changed = False
        self._watched: dict[str, list[Condition]] = {}
        self._series: dict[str, dict[str, Series]] = {}
        self._failing: dict[str, tuple[bool, float]] = {}  # and since when it is so
        self._stands: dict[str, dict[str, Any]] = {}
        self._said: dict[str, tuple[Stage, str]] = {}
        self._complaints: tuple[str, ...] = ()
        self._runner: RunnerProcess | None = None
        self._failures = 0
        self._drop_at = 0.0
        self._watch(settings)
        self.exposed = Exposed(counters_of(self._general.types), clock.now)
        self._forward()
        self.thread = Thread(COLLECTORS, self.run, failed)

    # -- from the loop ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.thread.stop()

    def join(self, seconds: float) -> None:
        self.thread.join(seconds)

    def adopt(self, settings: Settings) -> None:
        """New settings: scripts they concern begin anew, the others go on."""
        with self._lock:
            self._general = settings.collectors or CollectorsSettings()
            self._watch(settings)
            self.exposed.count(counters_of(self._general.types))
            self._terms, self._changed = terms_of(self._general, settings.collector, self._folder), True
            self._opentsdb = settings.opentsdb

    def status(self) -> dict[str, Any]:
        """For the page and `keeper collectors list`."""
        with self._lock:
            found = dict(self._stands)
            orders, complaints, out = self._orders, self._complaints, self._out
        for name, said in orders.disabled.items():
            if name in found:
                found[name] = {**found[name], "why": f"{said.who} disabled it: {said.why}"}
        return {
            "collectors": [found[name] for name in sorted(found)],
            "complaints": list(complaints),
            "series": len(self.exposed),
            "out": None if out is None else out.status(),
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
        if self._out is not None:
            self._out.close(CLOSE_WITHIN)

    def _follow(self, runner: RunnerProcess, wait: Wait) -> None:
        while not wait(GATHER):
            while messages := runner.hear(0.0):
                for message in messages:
                    self._take(message)
            self._look_at_orders()
            with self._lock:
                changed, self._changed = self._changed, False
            if changed:
                runner.tell(("terms", self._current_terms().words()))
                self._forward_is_due = True
            self._forward_if_due()
            self._tell_of_out()
            if (now := self._clock.now()) >= self._drop_at:
                self._drop_at = now + DROP_EVERY
                self.exposed.drop_old()
                self._measure.left_out(self.exposed.left_out)

    def _forward_if_due(self) -> None:
        """`_forward`, tried again for as long as it takes: the scripts go on meanwhile."""
        now = self._clock.now()
        if not self._forward_is_due or now < self._forward_at:
            return
        try:
            self._forward()
            self._forward_is_due = False
        except KeeperError as error:
            self._forward_at = now + TELL_EVERY
            log.error("opentsdb=down reason=%r", str(error))
            self._post(Answers(COLLECTORS, (ForwardingStands(now, 0, None, 0, 0, str(error)),)))

    def _forward(self) -> None:
        """Send points as the settings say now: they may have begun, ended or changed."""
        with self._lock:
            wanted, general = self._opentsdb, self._general
        tags = added_tags(general)
        terms = (tags, general.statistics)
        if self._out is not None:
            if self._out.settings == wanted and self._out_terms == terms:
                return
            self._out.close(CLOSE_WITHIN)
            self._out = None
        if wanted is not None:
            statistics = self._statistics if general.statistics else None
            folder, chance = self._folder / "opentsdb", self._random.random
            self._out = Forwarding(wanted, tags, folder, self._clock, chance, self._failed, statistics)
            self._out_terms = terms
            self._measure.another_forwarding()
            self._out.start()

    def _tell_of_out(self) -> None:
        out, now = self._out, self._clock.now()
        if out is None:
            return
        out.tick()
        if now - self._out_told >= TELL_EVERY:
            self._out_told = now
            stands = out.status()
            self._measure.forwarding(stands)
            words = (stands["waiting"], stands["oldest"], stands["dropped"], stands["refused"], stands["why"])
            self._post(Answers(COLLECTORS, (ForwardingStands(now, *words),)))

    def _statistics(self) -> Iterable[tuple[str, Tags, int]]:
        """keeper's own figures, by the names tcollector gives them."""
        stands = self._stands.items()
        taken = self._out.taken if self._out is not None else {}
        yield "reader.lines_collected", (), sum(stand["lines"] for _, stand in stands)
        yield "reader.lines_dropped", (), sum(stand["dropped"] for _, stand in stands)
        for name, stand in stands:
            tags = (("collector", name),)
            yield "collector.lines_received", tags, stand["lines"]
            yield "collector.lines_invalid", tags, sum(stand["rejected"].values())
            yield "collector.lines_sent", tags, taken.get(name, 0)

    def _take(self, message: Message) -> None:
        kind, *words = message
        if kind == "points":
            self._points(*words)
        elif kind == "stand":
            self._stand(*words)
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
            for name in self._failing.keys() - self._stands.keys():  # gone while there was no runner
                self._gone(name)

    def _points(self, name: str, interval: float, raw: list[tuple[str, int, Number]]) -> None:
        now = self._clock.now()
        known = self._series.setdefault(name, {})
        if len(known) > self._general.max_series:
            known.clear()  # those it has no more; the others are read again
        points = []
        for text, at, value in raw:
            series = known.get(text)
            if series is None:
                series = known[text] = read_series(text)
            points.append(Point(series, at, value))
        known_for = lasts(interval, self._general)
        self.exposed.take(name, [(series, value) for series, _, value in points], now + known_for)
        self._measure.points(name, now)
        events = tuple(self._events(points, now, known_for))
        if events:
            self._post(Answers(COLLECTORS, events))
        if self._out is not None:
            self._out.take(name, points)

    def _events(self, points: Iterable[Point], now: float, lasts: float) -> Iterable[Event]:
        for series, at, value in points:
            if any(_concerns(condition, series) for condition in self._watched.get(series.metric, ())):
                yield PointSeen(now, series.metric, series.tags, at / 1000, float(value), lasts)

    def _stand(self, name: str, stand: dict[str, Any]) -> None:
        now = self._clock.now()
        due = None if stand["due"] == inf else iso(now + stand["due"])
        stand = {**stand, "name": name, "since": iso(now + stand["since"]), "due": due}
        with self._lock:
            before = self._stands.get(name)
            self._stands[name] = stand
        stage = Stage(stand["stage"])
        failing = stage in FAILING
        self._measure.stand(name, stand, failing=failing)
        # One that is tried again between its failures goes on to fail: only a good end makes it well.
        tried = stage in ALIVE and stand["failures"] > 0
        failing = failing or (tried and self._failing.get(name, (False, now))[0])
        known, since = self._failing.get(name, (None, now))
        if known is not failing:
            since = now
        self._failing[name] = (failing, since)
        told = (failing, stand["worked"], stand["why"])
        if before is None or known is not failing or told[1:] != (before["worked"], before["why"]):
            event = CollectorStands(since, name, stage.value, failing, stand["worked"], stand["why"])
            self._post(Answers(COLLECTORS, (event,)))
        if before is None or before["stage"] != stand["stage"]:
            self._say(name, stage, stand["why"], news=known is not failing)

    def _say(self, name: str, stage: Stage, why: str, *, news: bool) -> None:
        """A line for what changed, and a journal entry for what a person may want to look up; once, however often it is
        tried again meanwhile."""
        if not news and stage not in TOLD:
            return
        if self._said.get(name) == (stage, why):
            return
        self._said[name] = (stage, why)
        level = logging.WARNING if stage in FAILING else logging.INFO
        log.log(level, "collector=%s stage=%s why=%r", name, stage.value, why)
        if why:
            self._journal("collector", f"{name} is {stage.value}: {why}")

    def _gone(self, name: str) -> None:
        now = self._clock.now()
        with self._lock:
            self._stands.pop(name, None)
        self._series.pop(name, None)
        self._failing.pop(name, None)
        self._said.pop(name, None)
        self.exposed.forget(name)
        self._measure.gone(name)
        self._post(Answers(COLLECTORS, (CollectorStands(now, name, "gone", False, True, "its file is gone"),)))
        log.info("collector=%s stage=gone", name)

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
        self._measure.runner_lost()
        with self._lock:
            self._stands.clear()

    # -- what is wanted --------------------------------------------------------------------------------------------

    def _current_terms(self) -> Terms:
        with self._lock:
            return self._terms._replace(disabled=frozenset(self._orders.disabled))

    def _look_at_orders(self) -> None:
        """Read what people said, if the file is another than the one read last."""
        try:
            seen = os.stat(self._folder / FILE)  # noqa: PTH116  # twice a second
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

    def _watch(self, settings: Settings) -> None:
        wanted: dict[str, list[Condition]] = {}
        for condition in watched(settings.rules.values()):
            wanted.setdefault(condition.metric, []).append(condition)
        self._watched = wanted


def read_series(text: str) -> Series:
    """A series from its text, which was checked where it was made."""
    metric, *pairs = text.split(" ")
    tags = []
    for pair in pairs:
        name, _, value = pair.partition("=")
        tags.append((name, value))
    return Series(metric, tuple(tags))


def _concerns(condition: Condition, series: Series) -> bool:
    if not condition.tags:
        return True
    own = dict(series.tags)
    return all(name in own and value in ("*", own[name]) for name, value in condition.tags)
