"""keeper cannot write its own database."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import StateFailed
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class StateUnwritable(Rule):
    """The state database refused a write within `window`. keeper goes on from memory; a restart would repeat lines."""

    name = "state_unwritable"
    kinds = ("keeper",)
    wakes = (StateFailed,)

    window: float = duration("15s", "how long after the last failed write the database counts as bad", minimum=2)

    def judge(self, view: View) -> Verdict:
        failed = view.last(StateFailed)
        if failed is None or view.now - failed.at >= self.window:
            return ok("positions and alert states are saved")
        return failing(
            f"the state database cannot be written: {failed.reason}; positions and alerts are kept in memory only",
            until=failed.at + self.window,
        )
