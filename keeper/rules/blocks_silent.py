"""The log goes on, but no block arrives from anybody."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH, log_look, stands_until, standstill
from keeper.rules.phrases import span
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class BlocksSilent(Rule):
    """No block received from a peer for `window`, although somebody else is in the schedule."""

    name = "blocks_silent"
    after = ("log_silent", "head_stalled", "head_lag")

    window: float = duration("30s", "how long no block may arrive", minimum=7)

    def judge(self, view: View) -> Verdict:
        look = log_look(view)
        if isinstance(look, Verdict):
            return look
        received = view.chain.received_at
        since = look.flat_from if received is None else received
        silent = standstill([look], since)
        if silent < self.window:
            return ok("blocks arrive", silent, until=stands_until([look], since, self.window, view.now))
        producers = view.chain.schedule.producers
        if producers and view.subject.producers.issuperset(producers):
            return ok("nobody but this node's own producers is in the schedule", until=view.now + FRESH)
        reason = f"no block has arrived from a peer for {span(silent)}"
        if received is None:
            reason = f"no block has arrived from a peer since keeper looks, for {span(silent)}"
        return failing(reason, silent, until=view.now + FRESH)
