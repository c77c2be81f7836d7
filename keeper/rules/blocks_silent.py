"""The log goes on, but no block arrives from anybody."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.slots import WINDOW_SECONDS, window_start
from keeper.core.verdict import FOREVER, Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, Look, log_look, moves_until, stands_until, standstill
from keeper.rules.phrases import span
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class BlocksSilent(Rule):
    """No block received from a peer for `window`, although somebody else was to sign one."""

    name = "blocks_silent"
    after = ("http_down", "log_silent", "head_stalled", "head_lag", "few_producers")

    window: float = duration("30s", "how long no block may arrive", minimum=7)

    def holds(self, view: View) -> float:
        return moves_until(view, view.chain.received_at, self.window)

    def judge(self, view: View) -> Verdict:
        look = log_look(view)
        if isinstance(look, Verdict):
            return look
        received = view.chain.received_at
        since = _since(view, look)
        silent = standstill([look], since)
        if silent < self.window:
            return ok("blocks arrive", silent, until=stands_until([look], since, self.window, view.now))
        if received is None and view.chain.produced and not view.chain.schedule.producers:
            return unknown("this node signs, and whether anybody else should is not known yet", view.now + FRESH)
        allowed = self._allowed(view)
        if silent < allowed:
            return ok("only this node itself was to sign", silent, stands_until([look], since, allowed, view.now))
        reason = f"no block has arrived from a peer for {span(silent)}"
        if received is None:
            reason = f"no block has arrived from a peer since keeper looks, for {span(silent)}"
        return failing(reason, silent, view.now + FRESH, quiet=look.lasts)

    def _allowed(self, view: View) -> float:
        """Longer than `window` where this node signs so many turns in a row itself that nobody else could."""
        producers = view.chain.schedule.producers
        here = view.subject.producers.union(view.chain.produced)
        longest = run = 0
        for producer in producers * 2:
            run = run + 1 if producer in here else 0
            longest = max(longest, run)
        if longest > len(producers):
            return FOREVER
        return max(self.window, (longest + 1) * WINDOW_SECONDS)


def _since(view: View, look: Look) -> float:
    """From when on silence counts: the last block of a peer, or the schedule in which others have a place."""
    schedule, received = view.chain.schedule, view.chain.received_at
    since = look.flat_from if received is None else received
    return max(since, window_start(schedule.since)) if schedule.took_over and schedule.producers else since
