"""nodeos printed an exception nothing else explains."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import BlockRejected, LogException, NodeStopped, ResourceWarned
from keeper.core.memory import View
from keeper.core.options import duration, flag
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH, Look, log_look
from keeper.rules.phrases import clock, counted, quoted, span
from keeper.rules.rule import Rule, routed_as

SAME_TROUBLE = 1.0  # seconds between an exception and the event that tells the same story


@dataclass(frozen=True, kw_only=True)
class ExceptionLogged(Rule):
    """Within `window` nodeos printed an exception that is not about a refused block, a resource or its own end."""

    name = "exception_logged"
    wakes = (LogException,)

    enabled: bool = flag("no", "yes switches the rule on; many nodes print harmless exceptions every day")
    severity: str = routed_as("info")
    window: float = duration("1m", "how long an exception counts", minimum=1)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        told = [
            event.at
            for kind in (BlockRejected, NodeStopped, ResourceWarned)
            for event in view.recent(kind, self.window + SAME_TROUBLE)
        ]
        new = [
            event
            for event in view.recent(LogException, self.window)
            if not any(abs(event.at - at) <= SAME_TROUBLE for at in told)
        ]
        if new:
            reason = f"nodeos printed {counted(len(new), 'exception')} in {span(self.window)}"
            reason += f", last at {clock(new[-1].at)}: {quoted(new[-1].text)}"
            return failing(reason, len(new), until=view.now + FRESH)
        look = log_look(view)
        if not isinstance(look, Look):
            return look
        return ok("no unexplained exception", until=look.lasts)
