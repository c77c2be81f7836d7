"""The node is, or was, on another branch than the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keeper.core.chain import same_id, short_id
from keeper.core.event import BlockRejected, ForkSwitched, InfoAnswer, ReferenceAnswer
from keeper.core.memory import View
from keeper.core.options import count, duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, SOON, Look, answer_now, log_look
from keeper.rules.phrases import clock, counted, of_references, quoted, span
from keeper.rules.references import heads, is_majority
from keeper.rules.rule import Rule, routed_as

INFORMATION = "not_applied"  # nodeos up to Leap 5 says so of ordinary little forks


@dataclass(frozen=True, kw_only=True)
class Fork(Rule):
    """Within `window` the node switched branches `switches` times or refused a block; or most reference nodes have
    another block than this node at the same height."""

    name = "fork"
    after = ("http_down", "head_stalled", "head_lag")
    wakes = (ForkSwitched, BlockRejected, ReferenceAnswer)

    severity: str = routed_as("warning")
    window: float = duration("120s", "how long a switch or a refused block counts", minimum=6)
    switches: int = count("1", "how many switches are too many", minimum=1)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        if (apart := _apart(view)) is not None:
            return apart
        switched = view.recent(ForkSwitched, self.window)
        if len(switched) >= self.switches:
            last = switched[-1]
            reason = f"this node switched branches {counted(len(switched), 'time')} in {span(self.window)}"
            reason += f", last at {clock(last.at)}: {quoted(last.text)}"
            return failing(reason, len(switched), view.now + FRESH, happened=last.at)
        refused = [event for event in view.recent(BlockRejected, self.window) if event.reason != INFORMATION]
        if refused:
            last_refused = refused[-1]
            reason = f"this node refused {counted(len(refused), 'block')} in {span(self.window)}"
            reason += f", last at {clock(last_refused.at)} ({last_refused.reason}): {quoted(last_refused.text)}"
            return failing(reason, len(refused), view.now + FRESH, happened=last_refused.at)
        return self._none(view)

    @staticmethod
    def _none(view: View) -> Verdict:
        look = log_look(view)
        answers = heads(view)
        if isinstance(look, Look):
            until = look.lasts
        elif answer_now(view) is not None and answers:
            until = view.now + FRESH
        elif view.sight("log") is None and view.sight("api") is not None and view.subject.references:
            return unknown("neither this node nor the reference nodes answer", until=view.now + FRESH)
        else:
            return look
        if answers:
            # Our block at their height may be yet to come, and is no event this rule wakes for.
            until = min(until, view.now + SOON)
        return ok("no fork is known", until=until)


def _apart(view: View) -> Verdict | None:
    """FAILING if most reference nodes have another block than ours where both are known."""
    answers = heads(view)
    if not answers:
        return None
    ours = _ids(view, (answer.head for answer in answers))
    other = [a for a in answers if a.head in ours and not same_id(ours[a.head], short_id(a.head, a.head_id))]
    if not is_majority(other, answers):
        return None
    first = other[-1]
    theirs = short_id(first.head, first.head_id)
    reason = f"{of_references(len(other), len(answers))} on another branch: block #{first.head:,} is {theirs} there"
    return failing(f"{reason} and {ours[first.head]} here", first.head, until=view.now + FRESH)


def _ids(view: View, numbers: Iterable[int]) -> dict[int, str]:
    """Our ids of these blocks: what the API answered, else what the log showed."""
    wanted = set(numbers)
    known = {n: short_id(n, view.chain.ids[n]) for n in wanted if n in view.chain.ids}
    lowest = min(wanted, default=0)
    for answer in view.newest_first(InfoAnswer):
        if answer.head in wanted:
            known[answer.head] = short_id(answer.head, answer.head_id)
            wanted.discard(answer.head)
        if answer.head < lowest:
            break
    return known
