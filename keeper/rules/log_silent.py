"""The log says nothing any more."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class LogSilent(Rule):
    """No line for `window`, although the log can be read."""

    name = "log_silent"
    kinds = ("node", "log")
    after = ("source_down", "http_down")

    window: float = duration("20s", "how long the log may be silent", minimum=1)

    def judge(self, view: View) -> Verdict:
        sight = view.sight("log")
        if sight is None:
            return unknown("no log is configured")
        if blind := sight.blind(view.now):
            return unknown(f"the log cannot be seen: {blind}", until=view.now + 1)
        last = view.memory.last_line_at
        since = sight.known_from if last is None else last
        silent = sight.known_until - since
        if silent < self.window:
            return ok("lines arrive", silent, until=max(since + self.window, view.now + 0.25))
        said = "ever since keeper looks" if last is None else f"for {silent:.0f} s"
        return failing(f"the log has had no line {said}", silent, until=view.now + 1)
