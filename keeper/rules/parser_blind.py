"""Lines arrive, but keeper does not understand them: the log looks different now."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import LinesSeen
from keeper.core.memory import View
from keeper.core.options import duration, share
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, log_look
from keeper.rules.phrases import counted, span
from keeper.rules.rule import Rule

ENOUGH_LINES = 20  # fewer make no share worth the name


@dataclass(frozen=True, kw_only=True)
class ParserBlind(Rule):
    """Of the lines of the last `window` none was recognised, or of 20 and more only a smaller part than `share`."""

    name = "parser_blind"
    after = ("source_down",)
    wakes = (LinesSeen,)

    window: float = duration("60s", "over how much time lines are counted", minimum=5)
    share: float = share("50%", "the part of the lines that must be recognised")

    def judge(self, view: View) -> Verdict:
        look = log_look(view)
        if isinstance(look, Verdict):
            return look
        seen = view.recent(LinesSeen, self.window)
        lines = sum(event.lines for event in seen)
        known = sum(event.recognized for event in seen)
        if not lines:
            return ok("no lines to understand", until=look.lasts)
        if known and (lines < ENOUGH_LINES or known >= self.share * lines):
            # Time alone changes the share too: what was recognised leaves the window first.
            until = min(look.lasts, seen[0].at + self.window) if known < lines else look.lasts
            return ok(f"{known / lines:.0%} of the lines are understood", known / lines, until=until)
        if lines < ENOUGH_LINES and view.now < (talks := seen[0].at + self.window / 2):
            return ok("too few lines to tell whether they are understood", until=min(look.lasts, talks))
        if view.now < look.flat_from + self.window:
            return unknown(f"lines have not been seen for {span(self.window)} yet", until=view.now + FRESH)
        reason = f"none of the {counted(lines, 'line')} of the last {span(self.window)} was understood"
        if known:
            reason = f"only {known:,} of the {lines:,} lines of the last {span(self.window)} were understood"
        reason += "; `keeper parse nodeos` shows which"
        return failing(reason, known / lines, until=view.now + FRESH)
