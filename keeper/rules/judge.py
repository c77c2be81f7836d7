"""Asks the rules, and only when an answer may have changed.

Every verdict says until when it holds. So a quiet hour costs nothing, a failure is seen at the moment it becomes one,
and a night of log replays in seconds. A property test holds this against asking every rule ten times a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keeper.core.event import Event
from keeper.core.memory import Memory, View
from keeper.core.verdict import State, Verdict, unknown
from keeper.rules.rule import Rule

MOMENT = 0.001


class Judged(NamedTuple):
    """A rule's verdict on one subject and since when its state is that."""

    rule: Rule
    subject: str
    verdict: Verdict
    since: float


class Judge:
    """The verdicts on one subject. `due` is when the next of them must be asked for again."""

    def __init__(self, memory: Memory, rules: Sequence[Rule], now: float) -> None:
        self.memory = memory
        self.judged = {
            rule.name: Judged(rule, memory.subject.name, unknown("not judged yet", until=now), now) for rule in rules
        }
        self.due = now
        self.wakes = frozenset(kind for rule in rules for kind in rule.wakes)

    def wake(self, kinds: Iterable[type]) -> None:
        """An event of these kinds arrived: ask the rules that listen to them at the next `ask`."""
        woken = set(kinds)
        for name, judged in self.judged.items():
            if not woken.isdisjoint(judged.rule.wakes):
                self.judged[name] = judged._replace(verdict=judged.verdict._replace(until=0.0))
                self.due = 0.0

    def wake_all(self) -> None:
        for name, judged in self.judged.items():
            self.judged[name] = judged._replace(verdict=judged.verdict._replace(until=0.0))
        self.due = 0.0

    def ask(self, now: float) -> list[Judged]:
        """Ask every rule whose verdict no longer holds; return those whose state or reason is new."""
        if now < self.due:
            return []
        view = View(self.memory, now)
        distrust = self.memory.distrust_until if self.memory.subject.kind != "keeper" else 0.0
        changed: list[Judged] = []
        due = float("inf")
        for name, judged in self.judged.items():
            if judged.verdict.until > now:
                due = min(due, judged.verdict.until)
                continue
            if now < distrust:
                verdict = unknown(self.memory.distrust_reason, until=distrust)
            else:
                verdict = judged.rule.judge(view)
            # At least a moment ahead: a deadline must never be due again at the moment it was answered.
            verdict = verdict._replace(until=max(verdict.until, now + MOMENT))
            since = judged.since if verdict.state is judged.verdict.state else now
            fresh = Judged(judged.rule, judged.subject, verdict, since)
            self.judged[name] = fresh
            due = min(due, verdict.until)
            if verdict.state is not judged.verdict.state or verdict.reason != judged.verdict.reason:
                changed.append(fresh)
        self.due = due
        return changed

    def failing(self) -> frozenset[str]:
        return frozenset(name for name, judged in self.judged.items() if judged.verdict.state is State.FAILING)


def waking(events: Iterable[Event]) -> set[type]:
    return {type(event) for event in events}
