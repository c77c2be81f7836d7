"""The log says nothing any more."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH, log_look, moves_until, stands_until, standstill
from keeper.rules.phrases import span
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class LogSilent(Rule):
    """No line for `window` of a node, or `window_log` of any other log, although it can be read."""

    name = "log_silent"
    kinds = ("node", "log")
    after = ("source_down", "http_down", "head_stalled")

    window: float = duration("20s", "how long a node's log may be silent", minimum=1)
    window_log: float = duration("0s", "how long a [log:NAME] may be silent; 0s: for ever, as most logs are")

    def holds(self, view: View) -> float:
        last = view.memory.last_line_at
        if last is None or view.subject.kind != "node":
            return 0.0
        # Where the log alone tells of blocks, a block is a line, of which the chain hears before the rest of memory.
        return moves_until(view, max(last, view.chain.head_rose_at or 0.0), self.window)

    def judge(self, view: View) -> Verdict:
        look = log_look(view)
        if isinstance(look, Verdict):
            return look
        window = self.window if view.subject.kind == "node" else self.window_log
        if not window:
            return ok("this log may be silent")
        last = view.memory.last_line_at
        since = look.flat_from if last is None else last
        silent = standstill([look], since)
        if silent < window:
            return ok("lines arrive", silent, until=stands_until([look], since, window, view.now))
        reason = f"the log has had no line for {span(silent)}"
        if last is None:
            reason = f"the log has had no line since keeper looks, for {span(silent)}"
        return failing(reason, silent, view.now + FRESH, quiet=look.lasts)
