"""Something about the handing over of the role is wrong, and a person must look."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import Event, RoleStands
from keeper.core.memory import Subject, View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.phrases import quoted, span
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class FailoverTrouble(Rule):
    """The failover of this host says that something must be looked at: a node that cannot be stopped, a fuse that is
    blown, a store, a guard or a configuration that is not right; or it has said nothing for `window`."""

    name = "failover_trouble"
    wakes = (RoleStands,)

    window: float = duration("30s", "how long the failover may say nothing", minimum=15)

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        if not isinstance(event, RoleStands) or not isinstance(before, RoleStands):
            return True
        return event.troubles != before.troubles or event.at - before.at >= self.window

    def judge(self, view: View) -> Verdict:
        stands = view.last(RoleStands)
        if stands is None:
            return unknown("no failover is configured")
        silent_at = stands.at + self.window
        if view.now >= silent_at:
            return failing(f"the failover has said nothing for {span(view.now - stands.at)}: restart keeper")
        if not stands.troubles:
            return ok(f"nothing to look at; this host is {stands.state}", until=silent_at)
        more = f"; and {len(stands.troubles) - 1} more, see keeper failover status" if len(stands.troubles) > 1 else ""
        return failing(f"{quoted(stands.troubles[0])}{more}", len(stands.troubles), until=silent_at)
