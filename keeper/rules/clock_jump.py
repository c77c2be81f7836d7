"""Somebody set the clock."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import ClockJumped
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.phrases import clock
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class ClockJump(Rule):
    """The wall clock moved by more than `seconds` against the steady one within `window`."""

    name = "clock_jump"
    kinds = ("keeper",)
    wakes = (ClockJumped,)

    severity: str = routed_as("warning")
    seconds: float = duration("2s", "how far the clock may jump", minimum=0.1)
    window: float = duration("60s", "how long a jump counts", minimum=1)

    def judge(self, view: View) -> Verdict:
        jumps = [event for event in view.recent(ClockJumped, self.window) if abs(event.seconds) > self.seconds]
        if not jumps:
            return ok("the clock runs steadily")
        worst = max(jumps, key=lambda event: abs(event.seconds))
        where = "forward" if worst.seconds > 0 else "back"
        reason = f"the clock of this machine jumped {where} by {abs(worst.seconds):.1f} s at {clock(worst.at)}"
        return failing(f"{reason}; check NTP", worst.seconds, until=view.now + 1)
