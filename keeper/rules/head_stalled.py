"""The head block does not get higher."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import FOREVER, Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, Look, head_looks, in_sight_until, log_look, moves_until, stands_until, standstill
from keeper.rules.phrases import span
from keeper.rules.references import blame
from keeper.rules.rule import Rule, resolved_after


@dataclass(frozen=True, kw_only=True)
class HeadStalled(Rule):
    """No higher head for `window`, neither in the log nor in the API's answers."""

    name = "head_stalled"
    after = ("http_down", "few_producers", "blocks_silent")  # a node alone on its island moves, in its own turns only

    # A node that is alone moves for the six seconds of its own turn, and is well for a window longer: no recovery.
    recover: float = resolved_after("20s")
    window: float = duration("10s", "how long the head may stay where it is", minimum=1)

    def holds(self, view: View) -> float:
        return 0.0 if view.chain.head is None else moves_until(view, view.chain.head_rose_at, self.window)

    def judge(self, view: View) -> Verdict:
        looks = head_looks(view)
        if isinstance(looks, Verdict):
            return looks
        head, rose_at = view.chain.head, view.chain.head_rose_at
        if head is None or rose_at is None:
            return unknown("no block has been seen yet", view.now + FRESH, quiet=FOREVER)
        stalled = standstill(looks, rose_at)
        if stalled < self.window:
            return ok("the head moves", stalled, until=stands_until(looks, rose_at, self.window, view.now))
        reason = f"head {head:,} has not moved for {span(stalled)}{blame(view, head)}"
        if _log_is_silent(view, rose_at):
            reason += "; the log is silent too"
        return failing(reason, stalled, view.now + FRESH, quiet=in_sight_until(looks))


def _log_is_silent(view: View, since: float) -> bool:
    """Whether the log, seen now, has had no line either: then the node hangs or is dead."""
    look = log_look(view)
    last = view.memory.last_line_at
    return isinstance(look, Look) and last is not None and last <= since + 1
