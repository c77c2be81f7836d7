"""Collector scripts that do not work."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import CollectorStands
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import counted, listed
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class CollectorFailing(Rule):
    """A collector script fails again and again for `window`, cannot be killed, or is refused as others can write it."""

    name = "collector_failing"
    kinds = ("collectors",)
    wakes = (CollectorStands,)
    rests = 0.25

    severity: str = routed_as("warning")
    window: float = duration("2m", "how long a collector may fail", minimum=0)

    def judge(self, view: View) -> Verdict:
        sight = view.sight("collectors")
        if sight is None:
            return unknown("no collectors are configured")
        if blind := sight.blind(view.now):
            return unknown(f"the collectors cannot be heard: {blind}", until=view.now + FRESH)
        stands = view.memory.collectors.values()
        ill = sorted((one for one in stands if one.failing), key=lambda one: one.at)
        long = [one for one in ill if view.now - one.at >= self.window]
        if long:
            return failing(_said(long), len(long), until=view.now + FRESH)
        until = min((one.at + self.window for one in ill), default=sight.blind_from)
        words = counted(len(stands), "collector")
        if ill:
            return ok(f"{words}; {listed(one.collector for one in ill)} just failed", len(ill), until=until)
        return ok(f"{words}, all well" if stands else "there are no collectors", 0, until=sight.blind_from)


def _said(ill: list[CollectorStands]) -> str:
    first = ill[0]
    how = first.why if first.worked or first.stage in ("refused", "stuck") else f"has never worked: {first.why}"
    if len(ill) == 1:
        return f"{first.collector}: {how}"
    names = listed(one.collector for one in ill)
    return f"{counted(len(ill), 'collector')} fail, {first.collector} first: {how}; {names}"
