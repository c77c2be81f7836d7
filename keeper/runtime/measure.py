"""Keeps the metrics up to date: counters as events pass, gauges once a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from prometheus_client.metrics import MetricWrapperBase

from keeper.core.alert import Phase
from keeper.core.batch import Chunk, Item, Lost
from keeper.core.event import (
    AnswerFailed,
    BlockProduced,
    BlockReceived,
    ClockJumped,
    Event,
    InfoAnswer,
    LoopLate,
    PausedAnswer,
    PeerCount,
    WindowClosed,
)
from keeper.core.slots import SLOTS_PER_WINDOW
from keeper.core.verdict import State
from keeper.metrics import Metrics
from keeper.pipeline import Pipeline, Taken
from keeper.rules.rule import SEVERITIES
from keeper.runtime.measure_agent import MeasureAgent
from keeper.runtime.measure_failover import MeasureFailover

MAX_PRODUCERS = 256  # with series of their own, for each node; the chain allows 125 at a time
OTHER = "other"
M = TypeVar("M", bound=MetricWrapperBase)
LIVE_LATENCY = 300.0  # an older block is history being synced; its age says nothing of the network


class Measure:
    """Writes what passes through the pipelines into the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._m = metrics
        self._forgotten: dict[str, int] = {}
        self._agents: dict[str, MeasureAgent] = {}
        self._failover = MeasureFailover(metrics)
        self._producers: dict[str, set[str]] = {}
        # By subject, so that they can be forgotten with it. Looking a series up by its labels costs ten times as much.
        self._series: dict[str, dict[tuple[object, ...], MetricWrapperBase]] = {}
        self._shown: dict[str, dict[str, tuple[State, float]]] = {}  # what the gauges of each rule say

    def declare(self, pipeline: Pipeline) -> None:
        """Make every series of a subject that can be known now, so that a rate never starts with a gap."""
        m, subject = self._m, pipeline.memory.subject
        for source in pipeline.memory.sights:
            labels = (subject.name, source)
            for metric in (m.source_up, m.source_last_event, m.source_lost, m.source_losses, m.source_failures):
                metric.labels(*labels)
            if source == "log":
                for metric in (m.source_lines, m.source_bytes, m.source_unrecognized, m.source_cut):
                    metric.labels(*labels)
        m.ring_forgotten.labels(subject.name)
        m.inbox_dropped.labels(subject.name)
        for name in pipeline.judge.judged:
            m.alert_firings.labels(subject.name, name)
        if subject.kind == "agent":
            self._agents.setdefault(subject.name, MeasureAgent(m, subject.name))
        if subject.kind == "node":
            m.role.labels(subject.name, subject.role).set(1)
            m.produced.labels(subject.name)
            m.received.labels(subject.name)
            m.block_latency.labels(subject.name)
            m.api_seconds.labels(subject.name)
            for producer in subject.producers:
                self._declare_producer(subject.name, producer)

    def forget(self, subject: str) -> None:
        """Remove every series of a subject that is no longer watched: a frozen gauge would lie for ever."""
        for metric in vars(self._m).values():
            if isinstance(metric, MetricWrapperBase):
                for label in ("subject", "node", "agent"):
                    if label in metric._labelnames:
                        metric.remove_by_labels({label: subject})
        self._forgotten.pop(subject, None)
        self._agents.pop(subject, None)
        self._producers.pop(subject, None)
        self._series.pop(subject, None)
        self._shown.pop(subject, None)

    def _of(self, metric: M, subject: str, *labels: str) -> M:
        """The series of a metric with these labels, the subject's (or node's) name being the first."""
        known = self._series.setdefault(subject, {})
        found = known.get((metric, *labels))
        if found is None:
            found = known[(metric, *labels)] = metric.labels(subject, *labels)
        return found  # type: ignore[return-value]  # a child has its metric's type

    def _declare_producer(self, node: str, producer: str) -> str:
        """Make the series of a producer, and return its label: names come from the chain, so they are bounded."""
        known = self._producers.setdefault(node, set())
        if producer not in known:
            if len(known) >= MAX_PRODUCERS:
                return OTHER
            known.add(producer)
            self._m.missed.labels(node, producer)
            self._m.windows.labels(node, producer)
        return producer

    def item(self, subject: str, source: str, item: Item, now: float) -> None:
        m = self._m
        if isinstance(item, Chunk):
            self._of(m.source_bytes, subject, source).inc(len(item.data))
            self._of(m.source_cut, subject, source).inc(item.cut)
            self._of(m.source_last_event, subject, source).set(item.seen)
        elif isinstance(item, Lost):
            self._of(m.source_lost, subject, source).inc(item.size)
            self._of(m.source_losses, subject, source).inc()
        else:
            self._of(m.source_last_event, subject, source).set(now)

    def taken(self, subject: str, source: str, taken: Taken) -> None:
        m = self._m
        if taken.lines:
            self._of(m.source_lines, subject, source).inc(taken.lines)
            self._of(m.source_unrecognized, subject, source).inc(taken.unrecognized)
        self.events(subject, source, taken.events)
        for transition in taken.transitions:
            if transition.kind == "firing":
                self._of(m.alert_firings, subject, transition.rule).inc()

    def events(self, subject: str, source: str, events: Sequence[Event]) -> None:
        m = self._m
        kinds: dict[str, int] = {}
        for event in events:
            kind = type(event).__name__
            kinds[kind] = kinds.get(kind, 0) + 1
            if isinstance(event, BlockReceived):
                if event.latency is not None and event.latency < LIVE_LATENCY:
                    self._of(m.block_latency, subject).observe(max(event.latency, 0.0))
            elif isinstance(event, InfoAnswer):
                self._of(m.api_seconds, subject).observe(event.took)
            elif isinstance(event, AnswerFailed):
                self._of(m.source_failures, subject, source).inc()
            elif isinstance(event, WindowClosed):
                producer = self._declare_producer(subject, event.producer)
                self._of(m.windows, subject, producer).inc()
                self._of(m.missed, subject, producer).inc(SLOTS_PER_WINDOW - event.signed)
            elif isinstance(event, LoopLate):
                m.loop_late.inc(event.seconds)
            elif isinstance(event, ClockJumped):
                m.clock_jumps.inc()
        for name, counter in ((BlockProduced.__name__, m.produced), (BlockReceived.__name__, m.received)):
            if name in kinds:
                self._of(counter, subject).inc(kinds[name])
        for kind, number in kinds.items():
            self._of(m.events, subject, kind).inc(number)
        if subject in self._agents:
            self._agents[subject].events(events)

    def levels(self, pipelines: Iterable[Pipeline], now: float) -> None:
        """Set the gauges from what is known now."""
        firing = dict.fromkeys(SEVERITIES, 0)
        held = 0
        for pipeline in pipelines:
            for rule, alert in pipeline.alarms.alerts.items():
                firing[pipeline.judge.judged[rule].rule.severity] += alert.phase is Phase.FIRING
                held += alert.held is not None
            memory, name = pipeline.memory, pipeline.name
            for source, sight in memory.sights.items():
                self._of(self._m.source_up, name, source).set(sight.blind(now) is None)
            forgotten = sum(ring.forgotten for ring in memory.rings.values())
            self._of(self._m.ring_forgotten, name).inc(forgotten - self._forgotten.get(name, 0))
            self._forgotten[name] = forgotten
            self._of(self._m.ring_bytes, name).set(sum(ring.bytes for ring in memory.rings.values()))
            self._rules(pipeline)
            if memory.subject.kind == "node":
                self._node(pipeline)
            if pipeline.delivery is not None:
                self._agents[name].levels(pipeline.delivery)
        for severity, number in firing.items():
            self._m.alerts_firing.labels(severity).set(number)
        self._m.alerts_held.set(held)

    def failover(self, status: dict[str, Any]) -> None:
        """Of the host's role; `status` is empty where nothing is handed over."""
        if status:
            self._failover.levels(status)

    def _rules(self, pipeline: Pipeline) -> None:
        """Set the gauges of the rules whose state is another now."""
        shown = self._shown.setdefault(pipeline.name, {})
        for rule, judged in pipeline.judge.judged.items():
            now = (judged.verdict.state, judged.since)
            if shown.get(rule) != now:
                shown[rule] = now
                for state in State:
                    self._m.rule_state.labels(pipeline.name, rule, state.value).set(judged.verdict.state is state)
                self._m.rule_since.labels(pipeline.name, rule).set(judged.since)

    def _node(self, pipeline: Pipeline) -> None:
        m, name, memory = self._m, pipeline.name, pipeline.memory
        chain = memory.chain
        for producer in chain.schedule.producers:
            self._declare_producer(name, producer)
        if chain.head is not None:
            m.head.labels(name).set(chain.head)
            m.head_time.labels(name).set(chain.head_time)
        if chain.lib is not None:
            m.lib.labels(name).set(chain.lib)
        peers = memory.ring(PeerCount).last
        if isinstance(peers, PeerCount):
            m.peers.labels(name).set(peers.clients + peers.peers)
        paused = memory.ring(PausedAnswer).last
        if isinstance(paused, PausedAnswer):
            m.paused.labels(name).set(paused.paused)
        own = [chain.signed[p].slot_time for p in chain.ours if p in chain.signed]
        if own:
            m.own_last.labels(name).set(max(own))
