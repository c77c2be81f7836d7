"""Slots stay empty in the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.core.event import BlocksMissed, WindowClosed
from keeper.core.memory import View
from keeper.core.options import count, duration
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH, Look, log_look
from keeper.rules.phrases import counted, listed, span
from keeper.rules.rule import Rule, routed_as

SAME_GAP = 2.0  # Dawn reports a gap in its log and the times of its blocks show it too, at most so many seconds apart


@dataclass(frozen=True, kw_only=True)
class MissedBlocks(Rule):
    """Within `window`: `reports` gaps of `small` and more empty slots, or one of `large`."""

    name = "missed_blocks"
    after = ("head_stalled", "head_lag", "few_producers", "blocks_silent")
    wakes = (BlocksMissed,)

    severity: str = routed_as("warning")
    window: float = duration("300s", "over how much time gaps are counted", minimum=6)
    reports: int = count("4", "how many smaller gaps are too many", minimum=1)
    small: int = count("24", "empty slots that make a smaller gap", minimum=1)
    large: int = count("48", "empty slots of which one gap is too many", minimum=1)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        gaps = _once(view.recent(BlocksMissed, self.window))
        largest = max((gap.slots for gap in gaps), default=0)
        counts = [gap for gap in gaps if gap.slots >= min(self.small, self.large)]
        if largest >= self.large or sum(gap.slots >= self.small for gap in counts) >= self.reports:
            reason = f"{counted(largest, 'slot')} in a row stayed empty"
            if len(counts) > 1:
                least = min(gap.slots for gap in counts)
                sizes = f"{least} to {largest}" if least < largest else f"{least}"
                reason = f"{len(counts)} gaps of {sizes} empty slots in {span(self.window)}"
            return failing(reason + self._absent(view), largest, view.now + FRESH, happened=counts[-1].at)
        look = log_look(view)
        if not isinstance(look, Look):
            return look
        return ok(f"no large gaps in {span(self.window)}", largest, until=look.lasts)

    def _absent(self, view: View) -> str:
        """Whose windows were empty, as far as the schedule tells."""
        names = dict.fromkeys(w.producer for w in view.recent(WindowClosed, self.window) if not w.signed)
        return f": {listed(names)} signed nothing" if names else ""


def _once(gaps: Sequence[BlocksMissed]) -> list[BlocksMissed]:
    """Without the second report of the same gap."""
    kept: list[BlocksMissed] = []
    for gap in gaps:
        if not any(gap.slots == other.slots and abs(gap.at - other.at) <= SAME_GAP for other in kept[-2:]):
            kept.append(gap)
    return kept
