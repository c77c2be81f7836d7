"""Points of collectors do not get to OpenTSDB."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import ForwardingStands
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import counted, quoted, span
from keeper.rules.rule import Rule, routed_as

TOLD = 60.0  # seconds after which what was told last is too old to be believed


@dataclass(frozen=True, kw_only=True)
class OpentsdbBehind(Rule):
    """The oldest point that waits for OpenTSDB is older than `window`, or points fell out of the spool within it."""

    name = "opentsdb_behind"
    kinds = ("collectors",)
    wakes = (ForwardingStands,)

    severity: str = routed_as("warning")
    window: float = duration("5m", "how old a point that waits may be", minimum=10)

    def judge(self, view: View) -> Verdict:
        stands = view.last(ForwardingStands)
        if stands is None:
            return unknown("no OpenTSDB is configured, or nothing was told of it yet")
        if view.now - stands.at >= TOLD:
            return unknown(f"nothing was told of it for {span(view.now - stands.at)}", until=view.now + FRESH)
        told = view.recent(ForwardingStands, self.window)
        lost = stands.dropped - min(one.dropped for one in told)
        why = f": {quoted(stands.why)}" if stands.why else ""
        if lost:
            return failing(f"{counted(lost, 'point')} fell out of the full spool{why}", lost, until=view.now + FRESH)
        waiting = counted(stands.waiting, "point")
        age = 0.0 if stands.oldest is None else view.now - stands.oldest
        if age >= self.window:
            return failing(f"{waiting} wait, the oldest for {span(age)}{why}", age, until=view.now + FRESH)
        soonest = stands.at + TOLD if stands.oldest is None else min(stands.at + TOLD, stands.oldest + self.window)
        return ok(f"{waiting} wait{why}" if stands.waiting else "every point was taken", age, until=soonest)
