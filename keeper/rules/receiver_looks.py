"""What the rules about a receiver see of it, and the words they share."""

from __future__ import annotations

from keeper.core.memory import BLIND_AFTER, View
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.verdict import Verdict, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import counted, span


def stands_now(view: View) -> ReceiverAnswer | Verdict:
    """Its last answer, while it is young enough to speak of the present. What it does not say, nobody assumes: how long
    something lasts is counted up to the answer, not to now."""
    sight = view.sight("status")
    if sight is None:
        return unknown("no receiver is configured")
    answer = view.last(ReceiverAnswer)
    if answer is None:
        return unknown("the receiver has not answered yet", until=view.now + FRESH)
    if view.now >= lasts(answer):
        return unknown(f"the receiver has not answered for {span(view.now - answer.at)}", until=view.now + FRESH)
    return answer


def lasts(answer: ReceiverAnswer) -> float:
    """When the answer is too old to say anything."""
    return answer.at + BLIND_AFTER


def of_workers(some: int, answer: ReceiverAnswer) -> str:
    """`its worker`, `both workers`, `all 4 workers`, `2 of 4 workers`."""
    if some < answer.workers:
        return f"{some} of {answer.workers} workers"
    return {1: "its worker", 2: "both workers"}.get(some, f"all {counted(some, 'worker')}")


def who_run(answer: ReceiverAnswer) -> str:
    """`no worker runs`, `only 1 of 4 workers runs`, `all 4 workers run`."""
    if not answer.running:
        return "no worker runs"
    only = "only " if answer.running < answer.workers else ""
    return f"{only}{of_workers(answer.running, answer)} {'runs' if answer.running == 1 else 'run'}"


def megabytes(size: int) -> str:
    """`12 KiB`, `640 MiB`, `1.5 GiB`."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}" if size < 10 * unit else f"{size / unit:,.0f} {name}"
    return f"{size} bytes"
