"""The receiver takes nothing in: its queue is full, or does not work."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import count, duration
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH
from keeper.rules.phrases import counted, quoted, span
from keeper.rules.receiver_looks import lasts, megabytes, stands_now
from keeper.rules.rule import Rule

NEARLY = 0.9  # of its bound: that full was what refused


@dataclass(frozen=True, kw_only=True)
class ReceiverRefusing(Rule):
    """The receiver refused `requests` within `window` (429, 503), or its queue has not worked for `down`."""

    name = "receiver_refusing"
    kinds = ("receiver",)
    wakes = (ReceiverAnswer,)

    window: float = duration("1m", "for how long a refused request counts", minimum=1)
    requests: int = count("5", "how many must be refused", minimum=1, maximum=1_000_000)
    down: float = duration("10s", "how long its queue may not work, though nobody sends", minimum=1)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        answer = stands_now(view)
        if isinstance(answer, Verdict):
            return answer
        refused = view.memory.receiver.refused.since(view.now - self.window)
        since = view.memory.receiver.troubled_since
        down = 0.0 if since is None else answer.at - since
        if refused.number >= self.requests:
            reason = f"{counted(refused.number, 'request')} refused within {span(self.window)}: {_why(answer)}"
            happened = refused.at if down < self.down else None
            return failing(reason, refused.number, until=view.now + FRESH, happened=happened)
        if since is not None and down >= self.down:
            reason = f"nothing could be taken in for {span(down)}: {quoted(answer.trouble)}"
            return failing(reason, down, until=view.now + FRESH)
        words = "every request finds room" if not refused.number else f"{counted(refused.number, 'request')} refused"
        trouble = f"; {quoted(answer.trouble)}" if answer.trouble else ""
        return ok(words + trouble, refused.number, until=lasts(answer))


def _why(answer: ReceiverAnswer) -> str:
    if answer.trouble:
        return quoted(answer.trouble)
    if not answer.limit:
        return f"its queue holds {megabytes(answer.size)}"
    holds = f"its queue holds {megabytes(answer.size)} of {megabytes(answer.limit)}"
    return holds if answer.size >= NEARLY * answer.limit else f"{holds}, so it was another bound: its log says which"
