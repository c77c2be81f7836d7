"""Somebody else produced as us, or we produced twice."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import DoubleProduced
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, Look, log_look
from keeper.rules.phrases import clock, quoted
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class DoubleProduction(Rule):
    """Within `window` two different blocks of our producer's were seen in one slot, or nodeos said so."""

    name = "double_production"
    wakes = (DoubleProduced,)

    window: float = duration("10m", "how long a double block counts", minimum=6)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        ours = view.subject.producers
        if not ours:
            return unknown("no producer is configured")
        twice = [event for event in view.recent(DoubleProduced, self.window) if event.producer in ours]
        if twice:
            last = twice[-1]
            slots = f" in {len(twice)} slots" if len(twice) > 1 else ""
            reason = f"{last.producer} was signed for twice{slots}, last at {clock(last.at)}: {quoted(last.text)}"
            return failing(reason, len(twice), until=view.now + FRESH)
        look = log_look(view)
        if not isinstance(look, Look):
            return look
        return ok("every slot of ours has one block", until=look.lasts)
