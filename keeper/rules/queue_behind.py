"""What the receiver took in does not get into the store in time."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import count, duration, share
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH
from keeper.rules.phrases import counted, quoted, span
from keeper.rules.receiver_looks import lasts, megabytes, of_workers, stands_now, who_run
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class QueueBehind(Rule):
    """The oldest record in the receiver's queue waits for `age`, or the queue is `full` to that part, or `records`
    wait."""

    name = "queue_behind"
    kinds = ("receiver",)
    after = ("receiver_refusing", "store_failing", "worker_failing")
    wakes = (ReceiverAnswer,)

    severity: str = routed_as("warning")
    age: float = duration("2m", "how old the oldest record that waits may be", minimum=1)
    full: float = share("50%", "how full the queue may be, of queue_bytes")
    records: int = count("0", "how many records may wait; 0: any number", maximum=999_999_999)

    def judge(self, view: View) -> Verdict:
        answer = stands_now(view)
        if isinstance(answer, Verdict):
            return answer
        age = 0.0 if answer.oldest is None else answer.at - answer.oldest
        waits = _waits(answer, age)
        if answer.oldest is not None and age >= self.age:
            return failing(f"{waits}: {_why(answer)}", age, until=view.now + FRESH)
        filled = answer.size / answer.limit if answer.limit else 0.0
        if filled and filled >= self.full:
            said = f"the queue is full to {filled:.0%}, {waits}: {_why(answer)}"
            return failing(said, answer.records, until=view.now + FRESH)
        if self.records and answer.records >= self.records:
            return failing(f"{waits}: {_why(answer)}", answer.records, until=view.now + FRESH)
        return ok(waits, age, until=lasts(answer))


def _waits(answer: ReceiverAnswer, age: float) -> str:
    if not answer.records:
        return "nothing waits"
    waits = f"{counted(answer.records, 'record')} ({megabytes(answer.size)}) "
    waits += "waits" if answer.records == 1 else "wait"
    return waits if answer.oldest is None else f"{waits}, the oldest for {span(age)}"


def _why(answer: ReceiverAnswer) -> str:
    if answer.trouble:
        return quoted(answer.trouble)
    if not answer.workers:
        return "this receiver has no workers of its own"
    if answer.hindered:
        return f"{of_workers(answer.hindered, answer)} cannot store ({quoted(answer.hindrance)})"
    if answer.running < answer.workers:
        return f"{who_run(answer)} ({quoted(answer.death)})"
    return f"{who_run(answer)}, and not fast enough"
