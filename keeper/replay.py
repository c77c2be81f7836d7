"""Recorded logs through the live pipeline, on a clock made of their own lines. Nothing is sent, nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from keeper.build import node_subject, pipeline
from keeper.core.alert import Transition
from keeper.core.batch import Parsed
from keeper.core.event import Event
from keeper.core.format import Format
from keeper.core.memory import Subject
from keeper.formats.nodeos import NodeosFormat
from keeper.notable import NOTABLE, notable
from keeper.pipeline import Pipeline, Taken
from keeper.rules.judge import Judged
from keeper.settings import NodeSettings, Settings

FOREVER_SEEN = float("inf")  # a recorded log is known to its end: there is no moment it could not be seen


class Moment(NamedTuple):
    """One line of the timeline: an event, a verdict that changed, an alert that fired or was resolved."""

    at: float
    kind: str
    subject: str
    rule: str
    text: str


class Replay:
    """One node's recorded log. Feed it chunks of complete lines in order, then `finish`."""

    def __init__(self, settings: Settings, node: NodeSettings, form: Format | None = None) -> None:
        self._form = form or NodeosFormat()
        self._subject = replace(node_subject(node), sources=frozenset({"log"}))
        self._settings = settings
        self._pipeline: Pipeline | None = None
        self.lines = 0
        self.recognized = 0
        self.events = 0
        self.first_at: float | None = None
        self.last_at: float | None = None

    def feed(self, data: bytes, seen: float) -> Iterator[Moment]:
        """Read one chunk; `seen` dates lines whose clock has no date (the file's modification time)."""
        yield from self.take(self._form.parse(data, seen))

    def take(self, parsed: Parsed) -> Iterator[Moment]:
        """Take what somebody else has read."""
        self.lines += parsed.lines
        self.recognized += parsed.recognized
        yield from self._take(parsed.events)

    def finish(self) -> Iterator[Moment]:
        """Hand out what waited for more lines. Time ends with the last line: what comes after it is not known."""
        yield from self._take(self._form.flush(self.last_at or 0.0))

    def verdicts(self) -> dict[str, Judged]:
        """What every rule says at the end."""
        return self._pipeline.judge.judged if self._pipeline else {}

    def _take(self, events: list[Event]) -> Iterator[Moment]:
        if not events:
            return
        if self._pipeline is None:
            self.first_at = events[0].at
            # It begins to live with the first dated line, not in 1970: there is nothing to judge before.
            self._pipeline = pipeline(self._subject, self._settings, None, {}, lambda _s, _r, _now: None, self.first_at)
            self._pipeline.memory.sees("log", self.first_at)
            self._pipeline.memory.sees("log", FOREVER_SEEN)
        self.events += len(events)
        self.last_at = max(self.last_at or 0.0, events[-1].at)
        yield from moments(self._pipeline.advance(events, self.last_at), self._subject)


def moments(taken: Taken, subject: Subject) -> Iterator[Moment]:
    """The timeline of one step, in order of time. That a rule cannot say anything yet is no news."""
    lines = [_verdict(judged) for judged in taken.changes]
    lines += [_alert(transition) for transition in taken.transitions]
    for event in taken.events:
        if type(event) in NOTABLE and (sentence := notable(event, subject.producers)):
            lines.append(Moment(event.at, "event", subject.name, "", sentence))
    # In order of time; what happened stands before what follows from it.
    yield from sorted(lines, key=lambda moment: (moment.at, moment.kind != "event"))


def _verdict(judged: Judged) -> Moment:
    return Moment(judged.since, judged.verdict.state.value, judged.subject, judged.rule.name, judged.verdict.reason)


def _alert(transition: Transition) -> Moment:
    return Moment(transition.at, transition.kind.upper(), transition.subject, transition.rule, transition.alert.reason)
