"""A configured pattern was found in the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from keeper.core.event import PatternMatched
from keeper.core.memory import View
from keeper.core.options import count, duration, names
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH, Look, log_look
from keeper.rules.phrases import clock, counted, quoted, span
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class PatternSeen(Rule):
    """One of the `patterns` matched `count` lines within `window`."""

    name = "pattern_seen"
    kinds = ("node", "log")
    wakes = (PatternMatched,)

    severity: str = routed_as("warning")
    patterns: tuple[str, ...] = names("", "names of the patterns that count; empty: all")
    count: int = count("1", "how many lines one pattern must match", minimum=1, maximum=4000)
    window: float = duration("5m", "how long a match counts", minimum=1)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        recent = view.recent(PatternMatched, self.window)
        matched = [event for event in recent if not self.patterns or event.pattern in self.patterns]
        often = Counter(event.pattern for event in matched)
        enough = [event for event in matched if often[event.pattern] >= self.count]
        if enough:
            last = enough[-1]
            times = counted(often[last.pattern], "line")
            reason = f"pattern {last.pattern} matched {times} in {span(self.window)}"
            reason += f", last at {clock(last.at)}: {quoted(last.text)}"
            return failing(reason, often[last.pattern], until=view.now + FRESH)
        look = log_look(view)
        if not isinstance(look, Look):
            return look
        return ok(f"no pattern matched often enough in {span(self.window)}", len(matched), until=look.lasts)
