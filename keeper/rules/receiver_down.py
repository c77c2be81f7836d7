"""The receiver does not answer."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import AnswerFailed
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import span
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class ReceiverDown(Rule):
    """The receiver has not said how it stands for `window`."""

    name = "receiver_down"
    kinds = ("receiver",)
    wakes = (ReceiverAnswer,)

    window: float = duration("5s", "how long the receiver may give no good answer", minimum=2)

    def judge(self, view: View) -> Verdict:
        sight = view.sight("status")
        if sight is None:
            return unknown("no receiver is configured")
        answer = view.last(ReceiverAnswer)
        since = sight.known_from if answer is None else max(answer.at, sight.known_from)
        silent = view.now - since
        if silent < self.window:
            if answer is None:
                return unknown("no answer yet", until=min(since + self.window, view.now + FRESH))
            said = f"it answered in {answer.took * 1000:.0f} ms, and runs for {span(answer.up)}"
            return ok(said, silent, until=since + self.window)
        if blind := sight.blind(view.now):
            return unknown(f"the receiver is not being asked: {blind}", until=view.now + FRESH)
        failed = view.last(AnswerFailed)
        why = f": {failed.reason}" if failed is not None and failed.at > since else ""
        return failing(f"the receiver has not answered for {span(silent)}{why}", silent, until=view.now + FRESH)
