"""This node signs as somebody else."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import BlockProduced, Event
from keeper.core.memory import Subject, View
from keeper.core.options import duration
from keeper.core.slots import slot_of, window_of
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import Look, log_look
from keeper.rules.phrases import clock, listed, whose
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class WrongProducer(Rule):
    """Within `window` this node signed a block as an account that is not configured as ours."""

    name = "wrong_producer"
    wakes = (BlockProduced,)

    window: float = duration("10m", "how long such a block counts", minimum=6)

    def remembers(self) -> float:
        return self.window

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        """The blocks of one window by the same producer are one piece of news."""
        if not isinstance(event, BlockProduced):
            return True
        if event.producer in subject.producers:
            return False
        return (
            not isinstance(before, BlockProduced)
            or before.producer != event.producer
            or window_of(slot_of(before.slot_time)) != window_of(slot_of(event.slot_time))
        )

    def judge(self, view: View) -> Verdict:
        ours = view.subject.producers
        if not ours:
            return unknown("no producer is configured")
        produced = view.chain.produced
        wrong = {n: s for n, s in produced.items() if n not in ours and s.at > view.now - self.window}
        if wrong:
            last = max(wrong.values(), key=lambda signed: signed.at)
            reason = f"this node signed block #{last.number:,} at {clock(last.at)} as {listed(sorted(wrong))}"
            reason += f"; only {whose(ours)} is configured as ours"
            return failing(reason, len(wrong), until=min(signed.at for signed in wrong.values()) + self.window)
        look = log_look(view)
        if not isinstance(look, Look):
            return look
        return ok("this node signs only as our producer", until=look.lasts)
