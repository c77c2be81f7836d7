"""Packets of a statistics agent have not arrived for long."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import BacklogChanged, Event
from keeper.core.memory import Subject, View
from keeper.core.options import duration
from keeper.core.verdict import FOREVER, Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import counted, quoted, span
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class DeliveryBacklog(Rule):
    """The oldest packet that has not arrived was sent longer than `age` ago, be it that it waits for its turn or for a
    person.
    """

    name = "delivery_backlog"
    kinds = ("agent",)
    after = ("source_down", "delivery_outage")
    wakes = (BacklogChanged,)

    severity: str = routed_as("warning")
    age: float = duration("15m", "how old the oldest undelivered packet may be", minimum=1)

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        """Packets that were sent again behind the oldest, or came to it, change no answer."""
        if not isinstance(event, BacklogChanged) or not isinstance(before, BacklogChanged):
            return True
        return (event.oldest, event.refused) != (before.oldest, before.refused)

    def judge(self, view: View) -> Verdict:
        backlog = view.last(BacklogChanged)
        if backlog is None:
            return unknown("what has not arrived is not known yet")
        refused = f"; {counted(backlog.refused, 'packet')} the server will never take" if backlog.refused else ""
        if backlog.oldest is None:
            return ok(f"nothing is owed{refused}")
        age = view.now - backlog.oldest
        reason = self._said(backlog, age)
        if age < self.age:
            return ok(reason + refused, age, until=min(backlog.oldest + self.age, view.now + FRESH))
        return failing(reason + refused, age, view.now + FRESH, quiet=FOREVER)

    def _said(self, backlog: BacklogChanged, age: float) -> str:
        number = backlog.due + backlog.held
        reason = f"{counted(number, 'packet')} ({counted(backlog.events, 'event')}) "
        reason += f"{'has' if number == 1 else 'have'} not arrived, the oldest since {span(max(age, 0.0))}"
        if not backlog.due:
            return f"{reason}: {_for_a_person(number, 'it', 'they')}"
        reason += f": {quoted(backlog.why)}" if backlog.why else ": they are being sent again"
        if backlog.held:
            reason += f"; {_for_a_person(backlog.held, 'one of them', f'{backlog.held:,} of them')}"
        return reason


def _for_a_person(held: int, one: str, many: str) -> str:
    waits, them = (f"{one} waits", "it") if held == 1 else (f"{many} wait", "them")
    return f"{waits} for a person; `keeper undelivered` shows {them}"
