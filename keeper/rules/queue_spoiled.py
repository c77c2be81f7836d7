"""Something in the receiver's queue was spoiled."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH
from keeper.rules.phrases import clock
from keeper.rules.receiver_looks import lasts, megabytes, stands_now
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class QueueSpoiled(Rule):
    """Within `window` the receiver found something in its queue that a crash or a bad disk had spoiled."""

    name = "queue_spoiled"
    kinds = ("receiver",)
    wakes = (ReceiverAnswer,)

    severity: str = routed_as("warning")
    window: float = duration("1h", "for how long it counts", minimum=60)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        answer = stands_now(view)
        if isinstance(answer, Verdict):
            return answer
        lost = view.memory.receiver.lost.since(view.now - self.window)
        if not lost.number:
            return ok("nothing in the queue was spoiled", 0, until=lasts(answer))
        spoiled = f"{megabytes(lost.number)} of the queue were spoiled by a crash or a bad disk"
        said = f"{spoiled}, found at {clock(lost.at)}; what of it was confirmed does not come again by itself"
        return failing(said, lost.number, until=view.now + FRESH, happened=lost.at)
