"""The composition root: settings become objects and threads here, and nowhere else."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Collection, Mapping
from pathlib import Path
from random import SystemRandom
from types import FrameType

from prometheus_client import CollectorRegistry

from keeper import __version__
from keeper.build import delivery_of, forms, pipeline, subjects
from keeper.config import load
from keeper.core.alert import Alert, retire, wake
from keeper.core.event import StateFailed
from keeper.core.notice import Owed, Receipt
from keeper.core.silence import Silence, silencing
from keeper.delivery.parcel import Change
from keeper.errors import ConfigError
from keeper.metrics import Metrics
from keeper.page import render
from keeper.pipeline import Pipeline
from keeper.runtime.announce import Announcer
from keeper.runtime.checkpoint import keep_short
from keeper.runtime.clock import Clock, iso
from keeper.runtime.collecting import Collecting
from keeper.runtime.crew import Crew
from keeper.runtime.failover import Failover
from keeper.runtime.inbox import Inbox
from keeper.runtime.loop import HEARTBEAT, Limits, Loop, Turned
from keeper.runtime.measure import Measure
from keeper.runtime.measure_collectors import MeasureCollectors
from keeper.runtime.own_log import set_up
from keeper.runtime.publish import Publisher
from keeper.runtime.serve import Pages, Server, routes_of
from keeper.runtime.store import FILE, Entry, Store
from keeper.runtime.systemd import ServiceManager
from keeper.runtime.watch import Thread
from keeper.settings import Settings

log = logging.getLogger("keeper")

AlertKey = tuple[str, str]  # rule and subject

SAVE_EVERY = 1.0  # seconds until positions are stored when no alert is
STOP_WITHIN = 3.0  # seconds the threads get to end; 5 are promised, and the loop may have slept for one of them
HEALTHY_WITHIN = 5.0  # seconds without a turn of the loop before /-/healthy says so


class Daemon:
    """One running keeper. Made from checked settings; `run` returns its exit code."""

    def __init__(self, settings: Settings, path: Path) -> None:
        self.path = path
        self.settings = settings
        self.clock = Clock()
        self.started = self.clock.now()
        self.random = SystemRandom()
        self.store = Store.open(Path(settings.keeper.state_dir) / FILE, self.clock.now)
        self.metrics = Metrics(CollectorRegistry())
        self.measure = Measure(self.metrics)
        self.publisher = Publisher(settings.keeper.name, settings.keeper.role, self.started)
        self.publisher.journal.extend(self.store.history(limit=self.publisher.journal.maxlen or 0))
        self.inbox = Inbox(lambda subject: self.metrics.inbox_dropped.labels(subject).inc())
        limits = Limits(settings.keeper.late, settings.keeper.clock_jump)
        self.loop = Loop(self.clock, self.inbox, limits, self.measure, self.settle)
        pages = Pages(
            routes_of(self.metrics.registry, lambda: self.publisher.status, render, self.late, self.not_ready)
        )
        self.server = Server(settings.keeper.listen, pages)
        self.service = ServiceManager(os.environ)
        self.announcer = Announcer(
            self.clock.now,
            self.started,
            self.inbox.call,
            lambda kind, text: self.loop.journal(kind, "keeper", text),
            self.store.outbox,
            self.random,
        )
        self.failover = (
            Failover(settings, self.clock, self.inbox, self.loop, self._on_failed) if settings.failover else None
        )
        self.collecting = self._make_collecting(settings) if settings.collectors else None
        self.crew = Crew(self.clock.now, self.random, self.inbox, self.loop, self.store.path, self._on_failed)
        self.stopping = False
        self.failed: str | None = None
        self._silences: tuple[Silence, ...] = ()
        self._positions: dict[str, str] = {}
        self._saved_at = 0.0
        self._levels_at = 0.0
        self._dropped_entries = 0

    # -- life ------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Watch until SIGTERM or SIGINT. 0 after an orderly stop, 1 when a thread failed."""
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        self.metrics.build.info({"version": __version__})
        self.metrics.started.set(self.started)
        self.metrics.reload_ok.set(1)
        self.metrics.reload_at.set(self.started)
        self._silences = self._silences_in_force()
        self.adopt(self.settings)
        server = Thread("server", lambda _wait: self.server.run(), self._on_failed)
        server.start()
        database = Path(self.settings.keeper.state_dir) / FILE
        self.checkpoints = Thread("checkpoint", lambda wait: keep_short(database, wait), self._on_failed)
        self.checkpoints.start()
        self.announcer.adopt(self.settings, self.server.address, self._on_failed)
        self._forget_targets()
        if self.failover is not None:
            self.failover.start()
        if self.collecting is not None:
            self.collecting.thread.start()
        log.info("keeper=%s state=started version=%s listen=%s", self.name, __version__, self.server.address)
        self.inbox.call(lambda: self.loop.journal("start", "keeper", f"keeper {__version__} started as {self.name}"))
        self.service.say(f"READY=1\nSTATUS=watching {len(self.loop.pipelines) - 1} subjects")
        try:
            self.loop.run(lambda _seconds: self.stopping)
        finally:
            self._close()
        return 1 if self.failed else 0

    @property
    def name(self) -> str:
        return self.settings.keeper.name

    def _make_collecting(self, settings: Settings) -> Collecting:
        measure = MeasureCollectors(self.metrics)
        made = Collecting(settings, self.clock, self.random, self.inbox, self.loop, measure, self._on_failed)
        self.metrics.registry.register(made.exposed)
        return made

    def _close(self) -> None:
        """Stop everything within STOP_WITHIN seconds; what was read but not stored is read again at the next start."""
        self.service.say("STOPPING=1")
        until = self.clock.now() + STOP_WITHIN

        def left() -> float:
            return max(until - self.clock.now(), 0.0)

        if self.failover is not None:
            self.failover.stop()
        if self.collecting is not None:
            self.collecting.thread.stop()
        self.crew.stop()
        self.announcer.stop()
        self.inbox.close()
        self.server.close()
        self.checkpoints.stop()
        if self.failover is not None:
            self.failover.join(left())
        if self.collecting is not None:
            self.collecting.thread.join(left())
        self.crew.join(left)
        self.announcer.join(left)
        for call in self.inbox.take(0.0)[0]:  # what a run told last
            call()
        end = Entry(
            self.clock.now(), "stop", "keeper", f"keeper stopped{f': {self.failed} failed' if self.failed else ''}"
        )
        self.store.commit(self._positions, [], [], self.announcer.delivered(), [end], self._changed_parcels())
        self.store.close()
        log.info("keeper=%s state=stopped", self.name)

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        self.inbox.call_later(lambda: log.info("signal=%s state=stopping", signal.Signals(number).name))

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.inbox.call_later(self.reload)

    def _on_failed(self, thread: str) -> None:
        self.failed = thread
        self.stopping = True
        self.inbox.call(lambda: None)

    # -- configuration ---------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Take the configuration file anew; a bad one is refused with its reasons and the old one stays."""
        self.service.say("RELOADING=1")
        try:
            settings = load(self.path)
            fixed = ("listen", "state_dir", "name", "ring_events", "ring_bytes")
            moved = [n for n in fixed if getattr(settings.keeper, n) != getattr(self.settings.keeper, n)]
            if moved:
                raise ConfigError([f"[keeper] {name} cannot change while keeper runs; restart it" for name in moved])
            if why := self._why_not_handed_over_anew(settings):
                raise ConfigError([why])
            if (settings.collectors is None) != (self.settings.collectors is None):
                raise ConfigError(["[collectors] cannot begin or end while keeper runs; restart it"])
        except ConfigError as error:
            for problem in error.problems:
                log.error("config=refused problem=%r", problem)
            self.loop.journal("reload", "keeper", f"configuration refused: {error.problems[0]}")
            self.metrics.reload_ok.set(0)
        else:
            self.settings = settings
            set_up(settings.keeper.log_level)
            self.loop.limits = Limits(settings.keeper.late, settings.keeper.clock_jump)
            self.publisher.role = settings.keeper.role
            self.adopt(settings)
            if self.collecting is not None:
                self.collecting.adopt(settings)
            self.announcer.adopt(settings, self.server.address, self._on_failed)
            self._forget_targets()
            self.metrics.reload_ok.set(1)
            self.metrics.reload_at.set(self.clock.now())
            log.info("config=taken")
            self.loop.journal("reload", "keeper", "configuration taken")
            self._levels_at = -HEARTBEAT  # the page shows it at the end of this turn
        self.service.say("READY=1")

    def _why_not_handed_over_anew(self, settings: Settings) -> str:
        if self.failover is not None:
            return self.failover.why_not_reload(settings)
        return "[failover] cannot begin while keeper runs; restart it" if settings.failover is not None else ""

    def adopt(self, settings: Settings) -> None:
        """Watch what the settings name. What a subject remembers, and sources whose settings are the same, stay."""
        now = self.clock.now()
        last_seen = self.store.last_seen()
        stored = {
            (alert.rule, alert.subject): wake(alert, now if last_seen is None else last_seen, now)
            for alert in self.store.alerts()
        }
        before = {(rule, name): a for name, p in self.loop.pipelines.items() for rule, a in p.alarms.alerts.items()}
        made = forms(settings)
        agents = {agent.name: agent for agent in settings.agents}
        self._store_parcels()
        pipelines: list[Pipeline] = []
        for subject in subjects(settings):
            old = self.loop.pipelines.get(subject.name)
            kept = old if old is not None and old.memory.subject.sees_as(subject) else None
            form = kept.form if kept and subject.kind == "node" else made.get(subject.name)
            delivery = None
            if subject.kind == "agent":
                delivery = delivery_of(agents[subject.name], kept.delivery if kept else None, self.store.parcels)
            alerts = {**stored, **before}
            pipelines.append(pipeline(subject, settings, form, alerts, self.silenced, now, kept, delivery))
        self._retire({**stored, **before}, before.keys(), pipelines, now)
        self.crew.adopt_couriers(settings)
        self.loop.adopt(pipelines)
        self.crew.adopt(settings, {**self.store.positions(), **self._positions})

    def _retire(
        self, alerts: Mapping[AlertKey, Alert], known: Collection[AlertKey], pipelines: list[Pipeline], now: float
    ) -> None:
        """End the alerts of rules and subjects that are no longer configured: nobody would ever resolve them.

        Receivers are told of those whose labels this keeper knows; the others Alertmanager ends by itself.
        """
        watched = {(rule, p.name) for p in pipelines for rule in p.alarms.alerts}
        # What changed in this turn and was not stored yet would be forgotten with the pipelines it is in.
        ended = [alert for p in self.loop.pipelines.values() for alert in p.alarms.changed()]
        owed: list[Owed] = []
        for key, alert in alerts.items():
            if key not in watched:
                after, transition = retire(alert, now, "it is no longer configured")
                ended.append(after)
                if transition is not None:
                    self.loop.journal("resolved", alert.subject, f"{alert.rule}: it is no longer configured")
                    owed += self.announcer.owed([transition], self.loop.pipelines) if key in known else []
        self.store.commit({}, ended, owed, [], [])
        self.announcer.put(owed)

    def _forget_targets(self) -> None:
        for target, count in self.store.forget_targets(self.announcer.targets).items():
            log.warning("target=%s state=unconfigured dropped=%d", target, count)
            self.loop.journal("dropped", "keeper", f"{count} notices owed to {target}, which is no longer configured")

    def silenced(self, subject: str, rule: str, now: float) -> str | None:
        silence = silencing(self._silences, rule, subject, now + self.clock.drift())
        return f"{silence.why} (until {iso(silence.until)[:16]}Z)" if silence else None

    # -- every turn of the loop ------------------------------------------------------------------------------------

    def settle(self, turned: Turned) -> None:
        """Store what a turn led to together with the positions behind it, then tell the world."""
        now = turned.now
        self._positions.update(turned.positions)
        self.publisher.journal.extend(turned.entries)
        owed = self.announcer.owed(turned.transitions, self.loop.pipelines)
        delivered = self.announcer.delivered()
        saved = bool(turned.transitions or delivered or turned.entries) or now - self._saved_at >= SAVE_EVERY
        if saved:
            self._save(turned, owed, delivered, now)
        unstored = None if self.store.failing_since is None else f"nothing can be stored: {self.store.last_error}"
        self.crew.deliver(self.loop.pipelines, now, unstored, saved=saved)
        self.announcer.put(owed)
        if self.failover is not None:
            self.failover.after_turn()
        if turned.transitions or now - self._levels_at >= HEARTBEAT:
            self._levels_at = now
            self._look_at_silences()
            self.announcer.level(self.loop.pipelines.values(), now)
            self._publish(now)
            self.service.say("WATCHDOG=1")

    def _save(self, turned: Turned, owed: list[Owed], delivered: list[Receipt], now: float) -> None:
        alerts = [alert for pipeline in self.loop.pipelines.values() for alert in pipeline.alarms.changed()]
        parcels = self._changed_parcels()
        well = self.store.commit(self._positions, alerts, owed, delivered, turned.entries, parcels)
        self._positions = {}
        self._saved_at = now
        self.metrics.state_writable.set(well)
        if not well:
            failed = StateFailed(now, self.store.last_error)
            self.inbox.call(lambda: self.loop.tell(failed))

    def _changed_parcels(self) -> list[Change]:
        return [c for p in self.loop.pipelines.values() if p.delivery is not None for c in p.delivery.changes()]

    def _store_parcels(self) -> None:
        """What is in no pipeline any more after a reload must not be forgotten with it, nor its position be behind."""
        self.store.commit(self._positions, [], [], [], [], self._changed_parcels())
        self._positions = {}

    def _look_at_silences(self) -> None:
        active = self._silences_in_force()
        if active != self._silences:
            self._silences = active
            self.inbox.call(self.loop.restep)

    def _silences_in_force(self) -> tuple[Silence, ...]:
        now = self.clock.now() + self.clock.drift()
        return tuple(s for s in self.store.silences_now() if s.since <= now < s.until)

    def _publish(self, now: float) -> None:
        m = self.metrics
        self.measure.levels(self.loop.pipelines.values(), now)
        m.loop_last.set(now)
        m.inbox_length.set(len(self.inbox))
        m.silences.set(len(self._silences))
        m.state_dropped.inc(self.store.dropped_entries - self._dropped_entries)
        self._dropped_entries = self.store.dropped_entries
        self.announcer.measure(m)
        troubles = []
        if self.store.failing_since is not None:
            troubles.append(
                f"the state database cannot be written since {iso(self.store.failing_since)[:19]}: "
                f"{self.store.last_error}"
            )
        failover = {} if self.failover is None else self.failover.publish(now)
        self.measure.failover(failover)
        collectors = {} if self.collecting is None else self.collecting.status()
        self.publisher.publish(
            now, self.loop.pipelines.values(), self._silences, self.announcer.status(), troubles, failover, collectors
        )

    # -- what the server asks --------------------------------------------------------------------------------------

    def late(self) -> str | None:
        """Why keeper is not healthy: its own loop has not turned for too long."""
        silent = self.clock.now() - self.loop.last_turn
        return f"the loop has not turned for {silent:.1f} s" if silent > HEALTHY_WITHIN else None

    def not_ready(self) -> str | None:
        return None if self._levels_at else "the first turn of the loop is not done yet"
