"""One subject's way from what its sources hand over to what its alerts do. Pure: live, replay and tests run the same.

item ──► format ──► memory ──► judge ──► alarms ──► transitions
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from keeper.alarms import Alarms
from keeper.core.alert import Transition
from keeper.core.batch import Answers, Chunk, Item, Lost, SourceDown, SourceUp
from keeper.core.event import Event, LinesSeen
from keeper.core.format import Format
from keeper.core.memory import Memory
from keeper.core.verdict import FOREVER, State
from keeper.delivery.delivery import Delivery
from keeper.rules.advance import advance
from keeper.rules.judge import Judge, Judged

STRIP_CHANGES = 200  # state changes remembered of each rule, for the strip on the page
# A log that comes into sight has something to tell first: so many seconds no verdict is believed, and again with each
# chunk of a backlog, which holds more than BACKLOG seconds of the log and ends so long ago.
SETTLE_LOG = 2.0
BACKLOG = 5.0


class Taken(NamedTuple):
    """What one step led to: the events in it (with those that followed from them), verdicts whose state changed, and
    alerts that fired or were resolved."""

    events: Sequence[Event]
    lines: int
    unrecognized: int
    changes: list[Judged]
    transitions: list[Transition]


class Pipeline:
    """One subject: its memory, its rules' verdicts and its alerts, brought forward in time by whoever owns a clock."""

    def __init__(
        self,
        memory: Memory,
        judge: Judge,
        alarms: Alarms,
        form: Format | None,
        former: Pipeline | None = None,
        delivery: Delivery | None = None,
    ) -> None:
        """`former` is the pipeline of the same memory this one takes the place of; `delivery` an agent's."""
        self.memory = memory
        self.judge = judge
        self.alarms = alarms
        self.form = form
        self.delivery = delivery
        self._proved = 0.0  # up to when the source has said that everything is handed over
        self.strips: dict[str, deque[tuple[float, State]]] = {}
        self._first_chunk: bool = former is None or former._first_chunk
        for name, judged in judge.judged.items():
            begun = former.strips.get(name) if former is not None else None
            self.strips[name] = begun or deque([(judged.since, judged.verdict.state)], maxlen=STRIP_CHANGES)

    @property
    def name(self) -> str:
        return self.memory.subject.name

    def due(self) -> float:
        """When `take` or `advance` has something to do though nothing arrives."""
        return min(self.judge.due, self.memory.chain.next_close(), self.alarms.due)

    def take(self, item: Item, source: str, now: float, drift: float) -> Taken:
        """Take one item of `source` (`log`, `api`, ...). `drift` is how far the wall clock, which dates log lines, is
        ahead of the steady one."""
        if isinstance(item, Chunk):
            return self._chunk(item, source, now, drift)
        if isinstance(item, Answers):
            self.memory.sees(source, now)
            return self.advance(item.events, now)
        before = self.memory.sights[source]
        if isinstance(item, SourceUp):
            self._proved = item.at
            self.memory.sees(source, item.at)
            if self.delivery is not None and before.up:
                self.delivery.caught_up()
            if source == "log" and not before.up:
                self.memory.distrust(now + SETTLE_LOG, "the log has only just come into sight")
        elif isinstance(item, SourceDown):
            self.memory.blinded(source, item.at, item.reason)
            if self.delivery is not None:
                self.delivery.lost_sight()
        elif isinstance(item, Lost):
            self.memory.forgot(source, item.at)
        if self.memory.sights[source].up != before.up or isinstance(item, Lost):
            self.judge.wake_all()
        waiting: Sequence[Event] = ()
        if isinstance(item, SourceUp) and self.form is not None and source == "log":
            waiting = self.form.flush(now)  # the log is read to its end: no continuation line is on its way
        return self.advance(waiting, now)

    def _chunk(self, chunk: Chunk, source: str, now: float, drift: float) -> Taken:
        if self.form is None:
            return Taken((), 0, 0, [], [])
        if not chunk.data:
            return self.advance((), now)  # only the position moved
        parsed = self.form.parse(chunk.data, chunk.seen + drift)
        events: list[Event] = parsed.events
        if drift:
            events = [event._replace(at=event.at - drift) for event in events]
        if events and events[-1].at - events[0].at > BACKLOG and chunk.seen - events[-1].at > BACKLOG:
            self.memory.distrust(now + SETTLE_LOG, "the log is being caught up with")
        self.memory.sees(source, chunk.seen)
        if self._first_chunk and events:
            self._first_chunk = False
            self.memory.reaches_back(source, events[0].at)
        if self.delivery is not None:
            self.delivery.read(events, chunk.data, chunk.seen)
        events.append(LinesSeen(chunk.seen, parsed.lines, parsed.recognized))
        taken = self.advance(events, now)
        return taken._replace(lines=parsed.lines, unrecognized=parsed.unrecognized)

    def advance(self, events: Sequence[Event], now: float) -> Taken:
        """Bring everything to `now`, the events in between at their own times."""
        if self.delivery is not None:
            # A chunk may be an old one of many: only the source's own word proves that no answer is still to come.
            recorded = self.memory.sights["log"].known_until == FOREVER
            events = [*events, *self.delivery.derive(now if recorded else self._proved, now)]
        changes: list[Judged] = []
        transitions: list[Transition] = []
        followed: list[Event] = []
        for judged in advance(self.memory, self.judge, events, now, followed.append):
            changed = self.strips[judged.rule.name][-1][1] is not judged.verdict.state
            if changed:
                self.strips[judged.rule.name].append((judged.since, judged.verdict.state))
                changes.append(judged)
            transitions += self.alarms.judged(judged, changed, self.judge.now or now)
        transitions += self.alarms.until(now)
        return Taken([*events, *followed] if followed else events, 0, 0, changes, transitions)
