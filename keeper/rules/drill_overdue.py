"""Nobody has tried for long whether the role can be handed over."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import Drilled, RoleStands
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.phrases import quoted, span
from keeper.rules.rule import Rule, routed_as

CURE = "`keeper failover drill --not-a-drill` hands the role over and back"


@dataclass(frozen=True, kw_only=True)
class DrillOverdue(Rule):
    """The last drill of the failover is older than `every`, was bad, or there never was one on this host."""

    name = "drill_overdue"
    wakes = (Drilled, RoleStands)

    severity: str = routed_as("warning")
    every: float = duration("30d", "how old the last good drill may be", minimum=60)

    def judge(self, view: View) -> Verdict:
        if view.last(RoleStands) is None:
            return unknown("no failover is configured")
        drill = view.last(Drilled)
        if drill is None:
            return failing(f"the failover of this host was never tried; {CURE}")
        age = view.now - drill.at
        if not drill.good:
            return failing(f"the last drill, {span(age)} ago, was bad: {quoted(drill.why)}", age)
        if age < self.every:
            return ok(f"the last drill, {span(age)} ago, was good", age, until=drill.at + self.every)
        return failing(f"the last good drill was {span(age)} ago; {CURE}", age)
