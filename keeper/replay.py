"""Recorded logs through the live pipeline, on a clock made of their own lines. Nothing is sent, nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import compress, groupby
from typing import NamedTuple

from keeper.build import agent_subject, delivery_of, node_subject, pipeline
from keeper.core.alert import Transition
from keeper.core.batch import Parsed
from keeper.core.event import Event
from keeper.core.format import Format
from keeper.core.memory import Subject, View
from keeper.delivery.delivery import Delivery
from keeper.delivery.parcel import Stand
from keeper.delivery.recovery import Around
from keeper.failover.plan import terms_of
from keeper.formats.nodeos import NodeosFormat
from keeper.formats.statistic_agent import StatisticAgentFormat
from keeper.notable import NOTABLE, notable
from keeper.pipeline import Pipeline, Taken
from keeper.replay_failover import Rehearsal, rehearsals
from keeper.rules.judge import Judged
from keeper.settings import AgentSettings, NodeSettings, Settings

ALL_WELL = Around()  # nothing but what the log tells keeps an agent's packets from being sent again
FOREVER_SEEN = float("inf")  # a recorded log is known to its end: there is no moment it could not be seen


class Moment(NamedTuple):
    """One line of the timeline: an event, a verdict that changed, an alert that fired or was resolved."""

    at: float
    kind: str
    subject: str
    rule: str
    text: str


class Replay:
    """One node's or agent's recorded log. Feed it chunks of complete lines in order, then `finish`. With `failover` it
    also tells what handing the role over would have done: it looks second by second then, which takes longer."""

    def __init__(self, settings: Settings, watched: NodeSettings | AgentSettings, *, failover: bool = False) -> None:
        self._form: Format
        self._delivery: Delivery | None = None
        if isinstance(watched, AgentSettings):
            self._form = StatisticAgentFormat()
            self._subject = agent_subject(watched)
            self._delivery = delivery_of(watched, None, lambda _agent: [])
            self._delivery.around = ALL_WELL
        else:
            self._form = NodeosFormat()
            self._subject = replace(node_subject(watched), sources=frozenset({"log"}))
        self._sending = False
        self._settings = settings
        self._rehearsals: list[Rehearsal] = []
        if failover and isinstance(watched, NodeSettings) and watched.producer:
            role = watched.role or settings.keeper.role
            own = terms_of(settings)._replace(role=role) if settings.failover is not None else None
            self._rehearsals = rehearsals(role, own)
        self._pipeline: Pipeline | None = None
        self.lines = 0
        self.recognized = 0
        self.events = 0
        self.first_at: float | None = None
        self.last_at: float | None = None

    def feed(self, data: bytes, seen: float) -> Iterator[Moment]:
        """Read one chunk; `seen` dates lines whose clock has no date (the file's modification time)."""
        parsed = self._form.parse(data, seen)
        if self._delivery is None:
            yield from self.take(parsed)
            return
        self._count(parsed)
        # Second by second, as they came: when the outage was over is to be found out, not that it was.
        for _, moment in groupby(parsed.events, lambda event: int(event.at)):
            events = list(moment)
            self._delivery.read(events, data, events[-1].at)
            self._delivery.changes()  # a replay stores nothing
            yield from self._take(events)

    def take(self, parsed: Parsed) -> Iterator[Moment]:
        """Take what somebody else has read."""
        self._count(parsed)
        if not self._rehearsals:
            yield from self._take(parsed.events)
            return
        for _, moment in groupby(parsed.events, lambda event: int(event.at)):
            yield from self._take(list(moment))
            yield from self._rehearse()

    def _rehearse(self) -> Iterator[Moment]:
        if self._pipeline is None or self.last_at is None:
            return
        view = View(self._pipeline.memory, self.last_at)
        for rehearsal in self._rehearsals:
            for told in rehearsal.look(view):
                yield Moment(told.at, "failover", self._subject.name, "", told.text)

    def finish(self) -> Iterator[Moment]:
        """Hand out what waited for more lines. Time ends with the last line: what comes after it is not known."""
        yield from self._take(self._form.flush(self.last_at or 0.0))

    def verdicts(self) -> dict[str, Judged]:
        """What every rule says at the end."""
        return self._pipeline.judge.judged if self._pipeline else {}

    def _count(self, parsed: Parsed) -> None:
        self.lines += parsed.lines
        self.recognized += parsed.recognized

    def _take(self, events: list[Event]) -> Iterator[Moment]:
        if not events:
            return
        if self._pipeline is None:
            self.first_at = events[0].at
            # It begins to live with the first dated line, not in 1970: there is nothing to judge before.
            self._pipeline = pipeline(
                self._subject, self._settings, None, {}, lambda *_: None, self.first_at, None, self._delivery
            )
            self._pipeline.memory.sees("log", self.first_at)
            self._pipeline.memory.sees("log", FOREVER_SEEN)
        self.events += len(events)
        self.last_at = max(self.last_at or 0.0, events[-1].at)
        yield from moments(self._pipeline.advance(events, self.last_at), self._subject)
        if self._delivery is not None:
            yield from self._would_send(self._delivery, self.last_at)

    def _would_send(self, delivery: Delivery, now: float) -> Iterator[Moment]:
        """When keeper would begin to send again what an agent lost. Nothing is sent here, so it stays due."""
        due = delivery.arrears.totals(Stand.DUE)
        before, self._sending = self._sending, bool(due.packets) and delivery.why_not(now) is None
        if self._sending and not before:
            text = f"{due.packets:,} packets ({due.events:,} events) would be sent again from now on"
            yield Moment(now, "event", self._subject.name, "", text)


def moments(taken: Taken, subject: Subject) -> Iterator[Moment]:
    """The timeline of one step, in order of time. That a rule cannot say anything yet is no news."""
    lines = [_verdict(judged) for judged in taken.changes]
    lines += [_alert(transition) for transition in taken.transitions]
    for event in compress(taken.events, map(NOTABLE.__contains__, map(type, taken.events))):
        if sentence := notable(event, subject.producers):
            lines.append(Moment(event.at, "event", subject.name, "", sentence))
    # In order of time; what happened stands before what follows from it.
    yield from sorted(lines, key=lambda moment: (moment.at, moment.kind != "event"))


def _verdict(judged: Judged) -> Moment:
    return Moment(judged.since, judged.verdict.state.value, judged.subject, judged.rule.name, judged.verdict.reason)


def _alert(transition: Transition) -> Moment:
    return Moment(transition.at, transition.kind.upper(), transition.subject, transition.rule, transition.alert.reason)
