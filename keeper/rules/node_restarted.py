"""The node went down, or came back."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import NodeStarted, NodeStopped
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import Look, log_look
from keeper.rules.phrases import clock, quoted, span
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class NodeRestarted(Rule):
    """nodeos said within `window` that it starts or stops."""

    name = "node_restarted"
    wakes = (NodeStarted, NodeStopped)

    severity: str = routed_as("info")
    window: float = duration("5m", "how long a start or stop counts", minimum=1)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        started = view.recent(NodeStarted, self.window)
        stopped = view.recent(NodeStopped, self.window)
        if stopped and (not started or started[-1].at < stopped[-1].at):
            last = stopped[-1]
            reason = f"nodeos stopped at {clock(last.at)}: {quoted(last.text)}"
            return failing(reason, view.now - last.at, until=last.at + self.window)
        if started:
            begun = started[-1]
            version = f" ({quoted(begun.version)})" if begun.version else ""
            times = f", {len(started)} times in {span(self.window)}" if len(started) > 1 else ""
            reason = f"nodeos started at {clock(begun.at)}{version}{times}"
            return failing(reason, view.now - begun.at, until=begun.at + self.window)
        look = log_look(view)
        if not isinstance(look, Look):
            return look
        return ok("nodeos neither started nor stopped", until=look.lasts)
