"""The loop: the one thread that owns memory, verdicts, alerts and the database.

It waits for items or for the next deadline, brings every pipeline to now, stores what that led to together with the
positions behind it, and hands alerts to the outboxes. Everybody else only posts items or reads finished values.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from keeper.core.alert import Transition
from keeper.core.batch import Chunk, Item, Lost, SourceDown, SourceUp
from keeper.core.event import ClockJumped, Event, LoopLate
from keeper.core.source import Wait
from keeper.core.verdict import State
from keeper.notable import NOTABLE, notable
from keeper.pipeline import Pipeline, Taken
from keeper.rules.judge import Judged
from keeper.runtime.inbox import Inbox, Posted
from keeper.runtime.measure import Measure
from keeper.runtime.store import Entry

log = logging.getLogger("keeper")

KEEPER = "keeper"  # the name of the subject that is keeper itself
HEARTBEAT = 1.0  # the longest sleep: gauges, the page and systemd's watchdog are fed this often
SETTLE_LATE = 3.0  # after keeper was late: how long sources get to hand over what happened meanwhile
SETTLE_JUMP = 10.0  # after the clock jumped: until log times and the clock agree again


class Limits(NamedTuple):
    """From when on keeper distrusts itself, in seconds."""

    late: float
    clock_jump: float


class LoopClock(Protocol):
    """The clock the loop runs by; a demo's runs faster than the world."""

    def now(self) -> float: ...
    def drift(self) -> float: ...
    def real(self, seconds: float) -> float:
        """How long so many seconds of this clock last on the wall."""


class Turned(NamedTuple):
    """What one turn led to, for whoever stores and announces it."""

    now: float
    positions: dict[str, str]
    transitions: list[Transition]
    entries: list[Entry]


class Loop:
    """`settle` is called after every turn with what it led to: it stores, announces and publishes, and never raises
    for a full disk or a dead receiver."""

    def __init__(
        self,
        clock: LoopClock,
        inbox: Inbox,
        limits: Limits,
        measure: Measure,
        settle: Callable[[Turned], None],
    ) -> None:
        self.clock = clock
        self.inbox = inbox
        self.limits = limits
        self.measure = measure
        self.pipelines: dict[str, Pipeline] = {}
        self.last_turn = clock.now()
        self.drift = clock.drift()
        self.late_seconds = 0.0
        self._settle = settle
        self._dues: dict[str, float] = {}
        self._turned = Turned(self.last_turn, {}, [], [])

    def adopt(self, pipelines: Sequence[Pipeline]) -> None:
        """Watch exactly these subjects from now on."""
        for gone in self.pipelines.keys() - {pipeline.name for pipeline in pipelines}:
            self.measure.forget(gone)
        self.pipelines = {pipeline.name: pipeline for pipeline in pipelines}
        self._dues = dict.fromkeys(self.pipelines, 0.0)
        for pipeline in pipelines:
            self.measure.declare(pipeline)
        # What was told of subjects that are gone by now has ended with them.
        self._turned.transitions[:] = [told for told in self._turned.transitions if told.subject in self.pipelines]

    def run(self, wait: Wait) -> None:
        """Turn until told to stop; the last turn takes what is already there, so that its positions are stored."""
        self.last_turn = self.clock.now()
        while not wait(0):
            due = min(self._dues.values(), default=float("inf"))
            self.turn(min(max(due - self.clock.now(), 0.0), HEARTBEAT))
        self.turn(0.0)

    def turn(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for something to do, do it, and bring every subject to now."""
        calls, posted = self.inbox.take(self.clock.real(timeout))
        now = max(self.clock.now(), self.last_turn)
        self._turned = self._turned._replace(now=now)  # it may hold what was noted before the first turn
        self._suspect_self(now, timeout)
        for call in calls:
            call()
        for one in posted:
            self._take(one, now)
        for name, due in self._dues.items():
            if due <= now:
                self._note(name, "", self.pipelines[name].advance((), now), now)
        self.last_turn = now
        turned, self._turned = self._turned, Turned(now, {}, [], [])
        self._settle(turned)

    def touch(self, subject: str) -> None:
        """Bring a subject to now in this turn: something happened to it that no item tells."""
        if subject in self._dues:
            self._dues[subject] = 0.0

    def tell(self, event: Event, subject: str = KEEPER) -> None:
        """Have the rules of a subject hear of something that no source tells; without one, keeper's own rules."""
        if subject in self.pipelines:
            self._note(subject, "", self.pipelines[subject].advance((event,), self.last_turn), self.last_turn)

    def restep(self) -> None:
        """Silences changed: look at every alert again."""
        for name, pipeline in self.pipelines.items():
            self._transitions(name, pipeline.alarms.restep(self._turned.now))

    def journal(self, kind: str, subject: str, text: str) -> None:
        self._turned.entries.append(Entry(self._turned.now, kind, subject, text))

    def _take(self, posted: Posted, now: float) -> None:
        pipeline = self.pipelines.get(posted.subject)
        if pipeline is None or posted.poster.closed:
            return  # a reload ended its node or its source while the item was on its way
        item = posted.item
        self._say(posted, pipeline)
        taken = pipeline.take(item, posted.source, now, self.drift)
        self.measure.item(posted.subject, posted.source, item, now)
        if isinstance(item, Chunk | Lost) and item.position is not None:
            self._turned.positions[item.source] = item.position
        self._note(posted.subject, posted.source, taken, now)

    def _say(self, posted: Posted, pipeline: Pipeline) -> None:
        """One log line and one journal entry for a source that went blind, came back, or lost something."""
        item: Item = posted.item
        sight = pipeline.memory.sights[posted.source]
        if isinstance(item, SourceDown) and (sight.up or sight.reason != item.reason):
            log.warning("source=%s state=down reason=%r", item.source, item.reason)
            self.journal("source_down", posted.subject, f"{posted.source}: {item.reason}")
        elif isinstance(item, SourceUp) and not sight.up:
            log.info("source=%s state=up", item.source)
            self.journal("source_up", posted.subject, f"{posted.source} can be seen")
        elif isinstance(item, Lost):
            log.warning("source=%s lost=%d offset=%d where=%s", item.source, item.size, item.offset, item.where)
            text = f"{posted.source}: {item.size} bytes lost from offset {item.offset} of {item.where}: {item.reason}"
            self.journal("lost", posted.subject, text)

    def _note(self, name: str, source: str, taken: Taken, now: float) -> None:
        """Journal what a step led to, count it, and remember when the subject wants to be looked at again."""
        self._dues[name] = self.pipelines[name].due()
        self.measure.taken(name, source, taken)
        for event in taken.events:
            if type(event) in NOTABLE and (sentence := notable(event, self.pipelines[name].memory.subject.producers)):
                log.info("subject=%s event=%r", name, sentence)
                self._turned.entries.append(Entry(event.at, "event", name, sentence))
        for judged in taken.changes:
            self._changed(judged)
        self._transitions(name, taken.transitions)

    def _changed(self, judged: Judged) -> None:
        rule, verdict = judged.rule.name, judged.verdict
        level = logging.WARNING if verdict.state is State.FAILING else logging.INFO
        log.log(
            level, "subject=%s rule=%s state=%s reason=%r", judged.subject, rule, verdict.state.value, verdict.reason
        )
        text = f"{rule} is {verdict.state.value}: {verdict.reason}"
        self._turned.entries.append(Entry(judged.since, "verdict", judged.subject, text))

    def _transitions(self, name: str, transitions: list[Transition]) -> None:
        for transition in transitions:
            log.warning("subject=%s alert=%s state=%s", name, transition.rule, transition.kind)
            text = f"{transition.rule}: {transition.alert.reason}"
            self._turned.entries.append(Entry(transition.at, transition.kind, name, text))
        self._turned.transitions.extend(transitions)

    def _suspect_self(self, now: float, timeout: float) -> None:
        """Notice that keeper stood still or that somebody set the clock, and believe no verdict until it settled."""
        late = now - self.last_turn - timeout
        if late > self.limits.late:
            self.late_seconds += late
            reason = f"keeper itself stood still for {late:.1f} s and waits for fresh sight"
            self._distrust(now + SETTLE_LATE, reason, LoopLate(now, late))
        drift = self.clock.drift()
        if abs(drift - self.drift) > self.limits.clock_jump:
            jump = drift - self.drift
            self.drift = drift
            reason = f"the clock jumped by {jump:+.1f} s and log times are not trusted yet"
            self._distrust(now + SETTLE_JUMP, reason, ClockJumped(now, jump))

    def _distrust(self, until: float, reason: str, event: Event) -> None:
        log.warning("keeper=self reason=%r", reason)
        self.journal("self", KEEPER, reason)
        for name, pipeline in self.pipelines.items():
            if name != KEEPER:
                pipeline.memory.distrust(until, reason)
                pipeline.judge.wake_all()
                self._dues[name] = 0.0
        if KEEPER in self.pipelines:
            self._note(KEEPER, "", self.pipelines[KEEPER].advance((event,), now := event.at), now)
