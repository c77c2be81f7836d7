"""The head moves, but far behind the present or behind everybody else."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import BlockReceived, InfoAnswer, ReferenceAnswer
from keeper.core.memory import View
from keeper.core.options import count, duration
from keeper.core.slots import SLOT_SECONDS
from keeper.core.verdict import FOREVER, Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, SOON, head_looks, in_sight_until, moves_until, standstill
from keeper.rules.phrases import counted, of_references, span
from keeper.rules.references import REFERENCE_LASTS, ahead_of, heads, is_majority
from keeper.rules.rule import Rule

RATE_SECONDS = 30.0  # the speed of a syncing node is taken over so long
STALL_FIRST = 2.0  # seconds head_stalled gets to say that the head stands still, before its age counts


@dataclass(frozen=True, kw_only=True)
class HeadLag(Rule):
    """The newest block was older than `behind` when it came (or none has come for longer than that), or most reference
    nodes are more than `blocks` ahead."""

    name = "head_lag"
    after = ("http_down", "head_stalled", "few_producers", "blocks_silent")
    wakes = (ReferenceAnswer,)

    behind: float = duration("10s", "how old the head block may be", minimum=1)
    blocks: int = count("10", "how many blocks most reference nodes may be ahead", minimum=1)

    def holds(self, view: View) -> float:
        chain = view.chain
        if chain.head is None or chain.head_rose_at is None or chain.head_rose_at - chain.head_time >= self.behind:
            return 0.0
        # The next block cannot be too old before this, as below.
        return moves_until(view, chain.head_time + SLOT_SECONDS, self.behind)

    def judge(self, view: View) -> Verdict:
        looks = head_looks(view)
        if isinstance(looks, Verdict):
            return looks
        head, time, rose_at = view.chain.head, view.chain.head_time, view.chain.head_rose_at
        if head is None or rose_at is None:
            return unknown("no block has been seen yet", view.now + FRESH, quiet=FOREVER)
        answers = heads(view)
        ahead = ahead_of(answers, head, self.blocks)
        stalled = standstill(looks, rose_at)
        if is_majority(ahead, answers):
            if STALL_FIRST <= stalled < self.behind + STALL_FIRST:
                reason = f"head {head:,} has stood still for {span(stalled)} while others went on: stalled, or late"
                return unknown(reason, until=view.now + FRESH)
            most = ahead[len(ahead) // 2].head
            reason = f"head {head:,} is {counted(most - head, 'block')} behind"
            reason += f": {of_references(len(ahead), len(answers))} at {most:,}"
            return failing(reason, most - head, until=view.now + FRESH)
        age = max(look.seen for look in looks) - time
        if rose_at - time >= self.behind or stalled >= self.behind + STALL_FIRST:
            reason = f"head {head:,} is {span(age)} old{_pace(view, age)}"
            return failing(reason, age, view.now + FRESH, quiet=None if answers else in_sight_until(looks))
        # The next block cannot be too old before this; from then on any may be.
        soonest = max(time + SLOT_SECONDS + self.behind, view.now + SOON)
        if answers:
            soonest = min(soonest, min(answer.at for answer in answers) + REFERENCE_LASTS)
        return ok("the head is fresh", age, until=min(soonest, max(look.lasts for look in looks)))


def _pace(view: View, age: float) -> str:
    """How fast a node that is syncing comes nearer, from its own answers or its log."""
    samples = [(event.at, event.number) for event in view.recent(BlockReceived, RATE_SECONDS)]
    samples = [(event.at, event.head) for event in view.recent(InfoAnswer, RATE_SECONDS)] or samples
    if len(samples) < 2 or samples[-1][0] - samples[0][0] < 1:
        return ""
    pace = (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])
    if pace <= 0:
        return ""
    gain = pace * SLOT_SECONDS - 1  # seconds of the chain won in a second
    left = f", in step in about {span(age / gain)}" if gain > 0.05 else ", too slow to catch up"
    return f": syncing at {pace:,.0f} blocks a second{left}"
