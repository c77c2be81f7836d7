"""This host took the producing role over, or gave it up."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core import event
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.phrases import clock, quoted
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class RoleChanged(Rule):
    """Within `window` this host took the producing role over, or gave it up."""

    name = "role_changed"
    wakes = (event.RoleChanged, event.RoleStands)

    severity: str = routed_as("warning")
    window: float = duration("5m", "how long a change of the role counts", minimum=1)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        changes = view.recent(event.RoleChanged, self.window)
        if changes:
            last = changes[-1]
            what = "this host took over" if last.produces else "this host produces no more"
            times = f", {len(changes)} changes of late" if len(changes) > 1 else ""
            reason = f"{what} at {clock(last.at)}: {quoted(last.why)}{times}"
            return failing(reason, view.now - last.at, until=last.at + self.window, happened=last.at)
        if view.last(event.RoleStands) is None:
            return unknown("no failover is configured")
        return ok("the role has not changed")
