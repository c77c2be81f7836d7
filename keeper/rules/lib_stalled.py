"""The last irreversible block does not get higher."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import ScheduleAnswer, ScheduleProposed
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.slots import WINDOW_SECONDS
from keeper.core.verdict import FOREVER, Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, head_looks, in_sight_until, moves_until, stands_until, standstill
from keeper.rules.phrases import clock, counted, span
from keeper.rules.rule import Rule

USUAL_PRODUCERS = 21  # counted with while the schedule is unknown
SETTLING_ROUNDS = 2.5  # a recorded change from 1 to 21 producers (nodeos 4.1) held LIB for 286 s, 2.3 rounds


@dataclass(frozen=True, kw_only=True)
class LibStalled(Rule):
    """LIB flat for `window`, and not because a new schedule settles: then it stands for over two rounds."""

    name = "lib_stalled"
    after = ("http_down", "head_stalled", "few_producers", "blocks_silent")
    wakes = (ScheduleAnswer, ScheduleProposed)

    window: float = duration("20s", "how long LIB may stay where it is", minimum=1)

    def holds(self, view: View) -> float:
        return 0.0 if view.chain.lib is None else moves_until(view, view.chain.lib_rose_at, self.window)

    def judge(self, view: View) -> Verdict:
        looks = head_looks(view)
        if isinstance(looks, Verdict):
            return looks
        lib, rose_at = view.chain.lib, view.chain.lib_rose_at
        if lib is None or rose_at is None:
            return unknown("no LIB has been seen yet", view.now + FRESH, quiet=FOREVER)
        flat = standstill(looks, rose_at)
        if flat < self.window:
            return ok("LIB moves", flat, until=stands_until(looks, rose_at, self.window, view.now))
        settled = _settled_at(view) + self.window
        if view.now < settled:
            reason = f"a new schedule settles until {clock(settled)}; LIB {lib:,} has stood for {span(flat)}"
            return ok(reason, flat, until=min(settled, max(look.lasts for look in looks)))
        reason = f"LIB {lib:,} has not moved for {span(flat)}"
        behind = (view.chain.head or lib) - lib
        reason += f"; it is {counted(behind, 'block')} behind the head"
        return failing(reason, flat, view.now + FRESH, quiet=in_sight_until(looks))


def _settled_at(view: View) -> float:
    """When the newest known change of schedule should be irreversible; minus infinity when none is known."""
    chain = view.chain
    changes = [chain.schedule_changed_at]
    proposed = view.last(ScheduleProposed)
    sizes = [len(chain.schedule.producers) or USUAL_PRODUCERS, len(chain.schedule.replaced)]
    if proposed is not None:
        changes.append(proposed.at)
        sizes.append(len(proposed.producers))
    answer = view.last(ScheduleAnswer)
    if answer is not None and answer.pending:
        changes.append(_pending_since(view, answer))
        sizes.append(len(answer.pending))
    known = [at for at in changes if at is not None]
    return max(known, default=float("-inf")) + SETTLING_ROUNDS * max(sizes) * WINDOW_SECONDS


def _pending_since(view: View, newest: ScheduleAnswer) -> float:
    """When this pending schedule was first answered: one that stays pending must not excuse a dead LIB for ever."""
    since = newest.at
    for answer in view.newest_first(ScheduleAnswer):
        if answer.pending != newest.pending:
            break
        since = answer.at
    return since
