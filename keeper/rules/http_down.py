"""The node's HTTP API gives no valid answer."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import AnswerFailed, InfoAnswer
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class HttpDown(Rule):
    """No valid JSON from /v1/chain/get_info for `window`."""

    name = "http_down"

    window: float = duration("5s", "how long get_info may go without a valid answer", minimum=1)

    def judge(self, view: View) -> Verdict:
        sight = view.sight("api")
        if sight is None:
            return unknown("no api is configured")
        answer = view.last(InfoAnswer)
        silent_since = max(answer.at, sight.known_from) if answer is not None else sight.known_from
        silent = view.now - silent_since
        if silent < self.window:
            if answer is None:
                return unknown("no answer yet", until=min(silent_since + self.window, view.now + FRESH))
            return ok(f"get_info answered in {answer.took * 1000:.0f} ms", silent, until=silent_since + self.window)
        if blind := sight.blind(view.now):
            return unknown(f"the api is not being asked: {blind}", until=view.now + FRESH)
        failed = next((f for f in view.newest_first(AnswerFailed) if f.question == "info"), None)
        why = f": {failed.reason}" if failed is not None and failed.at > silent_since else ""
        return failing(f"get_info has given no valid answer for {silent:.0f} s{why}", silent, until=view.now + FRESH)
