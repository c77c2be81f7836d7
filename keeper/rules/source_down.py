"""keeper cannot see the log."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import span
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class SourceDown(Rule):
    """The log or the container cannot be read for `window`, or its reader has said nothing for so long; the same of the
    process that runs collectors."""

    name = "source_down"
    kinds = ("node", "log", "agent", "collectors")

    window: float = duration("5s", "how long the log may be out of sight", minimum=1)

    def judge(self, view: View) -> Verdict:
        of_collectors = view.subject.kind == "collectors"
        what = "the runner of the collectors" if of_collectors else "the log"
        sight = view.sight("collectors" if of_collectors else "log")
        if sight is None:
            return unknown("no log is configured")
        blind = sight.blind(view.now)
        since = sight.known_until if sight.up else sight.since
        dark = view.now - since
        if blind and dark >= self.window:
            return failing(f"{what} has been out of sight for {span(dark)}: {blind}", dark, until=view.now + FRESH)
        until = max(since + self.window, sight.blind_from if sight.up else 0.0)
        if sight.known_until < 0:
            return unknown(f"{what} has not been seen yet: {sight.reason}", until=until)
        return ok(f"{what} can be read" if sight.up else f"{what} is out of sight: {sight.reason}", until=until)
