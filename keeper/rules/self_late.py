"""keeper itself was late."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import LoopLate
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.phrases import clock, span
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class SelfLate(Rule):
    """keeper's own loop stood still for more than `seconds` within `window`."""

    name = "self_late"
    kinds = ("keeper",)
    wakes = (LoopLate,)

    severity: str = routed_as("warning")
    seconds: float = duration("2s", "how long the loop may stand still", minimum=0.1)
    window: float = duration("60s", "how long that counts", minimum=1)

    def judge(self, view: View) -> Verdict:
        late = [event for event in view.recent(LoopLate, self.window) if event.seconds > self.seconds]
        if not late:
            return ok("keeper is in time")
        worst = max(late, key=lambda event: event.seconds)
        reason = f"keeper itself stood still for {worst.seconds:.1f} s until {clock(worst.at)}"
        times = f", {len(late)} times in {span(self.window)}" if len(late) > 1 else ""
        return failing(f"{reason}{times}; its machine is overloaded or was suspended", worst.seconds, view.now + 1)
