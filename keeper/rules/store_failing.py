"""Workers of the receiver cannot store."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import counted, quoted, span
from keeper.rules.receiver_looks import lasts, of_workers, stands_now
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class StoreFailing(Rule):
    """Workers of the receiver run, and could not store for `window`."""

    name = "store_failing"
    kinds = ("receiver",)
    after = ("receiver_refusing",)
    wakes = (ReceiverAnswer,)

    window: float = duration("30s", "how long workers may be unable to store", minimum=1)

    def judge(self, view: View) -> Verdict:
        answer = stands_now(view)
        if isinstance(answer, Verdict):
            return answer
        if not answer.running:
            words = "no worker runs that could try" if answer.workers else "this receiver has no workers of its own"
            return unknown(words, until=lasts(answer))
        since = view.memory.receiver.hindered_since
        if since is None:
            return ok(f"{counted(answer.running, 'worker')} can store", 0, until=lasts(answer))
        lasted = answer.at - since
        who = of_workers(answer.hindered, answer)
        if lasted < self.window:
            return ok(f"{who} cannot store just now: {quoted(answer.hindrance)}", lasted, until=lasts(answer))
        waits = f"; {counted(answer.records, 'record')} waiting" if answer.records else ""
        said = f"{who} could not store for {span(lasted)}: {quoted(answer.hindrance)}{waits}"
        return failing(said, lasted, until=view.now + FRESH)
