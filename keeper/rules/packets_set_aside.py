"""The receiver set packets aside that no store takes."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import count
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH
from keeper.rules.phrases import counted
from keeper.rules.receiver_looks import lasts, stands_now
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class PacketsSetAside(Rule):
    """More than `most` records stand in the receiver's dead-letter file: somebody must look at them."""

    name = "packets_set_aside"
    kinds = ("receiver",)
    wakes = (ReceiverAnswer,)

    severity: str = routed_as("warning")
    most: int = count("0", "how many may stand there", maximum=999_999_999)

    def judge(self, view: View) -> Verdict:
        answer = stands_now(view)
        if isinstance(answer, Verdict):
            return answer
        if not answer.set_aside:
            return ok("every record could be stored", 0, until=lasts(answer))
        said = f"{counted(answer.set_aside, 'record')} could never be stored, each with its reason in {answer.aside}"
        if answer.set_aside > self.most:
            return failing(said, answer.set_aside, until=view.now + FRESH)
        return ok(said, answer.set_aside, until=lasts(answer))
