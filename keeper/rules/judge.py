"""Asks the rules, and only when an answer may have changed.

Every verdict says until when it holds. So a quiet hour costs nothing, a failure is seen at the moment it becomes one,
and a night of log replays in seconds. A property test holds this against asking every rule ten times a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keeper.core.event import Event
from keeper.core.memory import Memory, View
from keeper.core.verdict import FAILING, OK, Verdict, unknown
from keeper.rules.rule import Rule

MOMENT = 0.001  # a deadline must never be due again at the moment it was answered
EARLY = 5.0  # verdicts whose time comes within so many seconds are asked along: fewer walks over all rules
FRESH = 1.0  # verdicts that hold no longer than this are asked again to keep their number fresh


class Judged(NamedTuple):
    """A rule's verdict on one subject and since when its state is that."""

    rule: Rule
    subject: str
    verdict: Verdict
    since: float


class Judge:
    """The verdicts on one subject.

    `due` is when the next of them must be asked for again, `now` the time they were brought to (None: nothing was asked
    yet), `wakes` the kinds of events some rule listens to.
    """

    def __init__(self, memory: Memory, rules: Sequence[Rule], now: float, former: Judge | None = None) -> None:
        """`former` is the judge this one takes the place of: its verdicts stand until the rules are asked."""
        self.memory = memory
        self.judged = {
            rule.name: Judged(rule, memory.subject.name, unknown("not judged yet", until=now), now) for rule in rules
        }
        self.due = now
        self.now: float | None = None
        if former is not None:
            self.now = former.now
            self.judged |= {
                name: former.judged[name]._replace(rule=judged.rule)
                for name, judged in self.judged.items()
                if name in former.judged
            }
        self.wakes = frozenset(kind for rule in rules for kind in rule.wakes)
        self._until = dict.fromkeys(self.judged, now)
        self._rested = dict.fromkeys(self.judged, 0.0)  # until when a rule is not woken, of those that rest
        self._listeners = {kind: [rule for rule in rules if kind in rule.wakes] for kind in self.wakes}
        self._heed_ours = [rule.name for rule in rules if rule.heeds_ours]
        self._holding = [(rule.name, rule.holds) for rule in rules if type(rule).holds is not Rule.holds]
        self._turns = memory.turns
        self._our_turns = memory.chain.our_turns
        self.unsettled: dict[str, float] = {}
        """Verdicts that only something heard can change, with the time from which they want to be asked then."""

    def heeding(self, event: Event, before: Event | None = None) -> list[Rule]:
        """The rules that are to be asked because of this event; `before` is the last one of its kind."""
        subject = self.memory.subject
        return [rule for rule in self._listeners.get(type(event), ()) if rule.heeds(event, before, subject)]

    def wake(self, rules: Iterable[Rule]) -> None:
        """Ask these at the next `ask`, or when they have rested."""
        for rule in rules:
            at = self._until[rule.name] = min(self._until[rule.name], self._rested[rule.name])
            self.due = min(self.due, at)

    def wake_all(self) -> None:
        self._until = dict.fromkeys(self._until, 0.0)
        self.due = 0.0

    def hear(self) -> None:
        """Something was heard, whatever it was: ask those that waited for it."""
        for name, at in self.unsettled.items():
            self._until[name] = min(self._until[name], at)
            self.due = min(self.due, at)
        self.unsettled.clear()

    def heed(self) -> None:
        """Ask every rule at the next `ask` if something happened that no event tells: see `Memory.turns`."""
        if self.memory.turns != self._turns:
            self._turns = self.memory.turns
            self.wake_all()
        elif self.memory.chain.our_turns != self._our_turns:
            self._our_turns = self.memory.chain.our_turns
            for name in self._heed_ours:
                self._until[name] = self.due = 0.0

    def ask(self, now: float, pause: float = MOMENT) -> list[Judged]:
        """Ask every rule whose verdict no longer holds; return those whose state or reason is new.

        Verdicts that want to be asked again soon, just to stay fresh, are left alone for `pause` seconds.
        """
        self.now = now
        if now < self.due:
            return []
        view = View(self.memory, now)
        soon = now + EARLY
        distrust = self.memory.distrust_until if self.memory.subject.kind != "keeper" else 0.0
        changed: list[Judged] = []
        for name in [name for name, until in self._until.items() if until <= soon]:
            before = self.judged[name]
            if before.rule.rests:
                self._rested[name] = now + before.rule.rests
            state = before.verdict.state
            if now < distrust:
                verdict = unknown(self.memory.distrust_reason, until=distrust)
            elif state is OK and (until := before.rule.holds(view)) > now:
                self._until[name] = until
                continue
            else:
                verdict = before.rule.judge(view)
            until = max(verdict.until, now + (pause if verdict.until <= now + FRESH else MOMENT))
            self.unsettled.pop(name, None)
            if verdict.quiet is not None and verdict.quiet > until:
                self.unsettled[name] = until
                until = verdict.quiet
            self._until[name] = until
            since = before.since if verdict.state is state else now
            self.judged[name] = fresh = Judged(before.rule, before.subject, verdict, since)
            if verdict.state is not state or verdict.reason != before.verdict.reason:
                changed.append(fresh)
        self.due = min(self._until.values(), default=float("inf"))
        return changed

    def put_off(self, now: float) -> float:
        """When the next verdict must be asked for, as things stand before the event of `now`.

        What is due by then is often only that a rule which is well makes sure that blocks still come, and they do. This
        asks for no verdict: it moves on the times of those that `hold`.
        """
        view = View(self.memory, now)
        soon = now + EARLY
        times, judged = self._until, self.judged
        for name, holds in self._holding:
            if times[name] <= soon and judged[name].verdict.state is OK and (until := holds(view)) > now:
                times[name] = until
        self.due = min(times.values(), default=float("inf"))
        return self.due

    def failing(self) -> frozenset[str]:
        return frozenset(name for name, judged in self.judged.items() if judged.verdict.state is FAILING)
