"""A sender sends nothing to the receiver any more."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import counted, listed, span
from keeper.rules.receiver_looks import lasts, stands_now
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class SenderSilent(Rule):
    """The receiver has taken nothing from a sender for longer than the `silent_after` of its [source:NAME]."""

    name = "sender_silent"
    kinds = ("receiver",)
    after = ("receiver_down", "receiver_refusing")
    wakes = (ReceiverAnswer,)

    severity: str = routed_as("warning")

    def judge(self, view: View) -> Verdict:
        answer = stands_now(view)
        if isinstance(answer, Verdict):
            return answer
        if answer.watched is None:
            return unknown("the receiver is of a version that does not watch its senders", until=lasts(answer))
        if answer.quiet:
            return failing(_said(answer), answer.quiet[0].seconds, until=view.now + FRESH)
        if doubted := view.memory.receiver.doubted:
            has = "has" if len(doubted) == 1 else "have"
            said = f"{listed(sorted(doubted))} {has} not been heard since the receiver began to count anew"
            return unknown(said, until=lasts(answer))
        if not answer.watched:
            return ok("no sender has a silent_after", 0, until=lasts(answer))
        waits = f", {answer.awaiting:,} of them not heard yet" if answer.awaiting else ""
        return ok(f"{counted(answer.watched, 'sender')} watched{waits}", 0, until=lasts(answer))


def _said(answer: ReceiverAnswer) -> str:
    first, *others = answer.quiet
    said = f"nothing was taken from {first.name} for {span(first.seconds)}"
    if not others:
        return said
    more = answer.silent - 1
    named = [one.name for one in others[:4]]
    named += [counted(more - len(named), "other")] if more > len(named) else []
    return f"{said}; {more:,} more {'is' if more == 1 else 'are'} silent for too long: {listed(named)}"
