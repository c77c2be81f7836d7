"""A statistics agent sends nothing any more."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import PacketSent
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, Look, log_look, stands_until, standstill
from keeper.rules.phrases import span
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class AgentSilent(Rule):
    """The agent has sent no packet for `window`, although its log can be read."""

    name = "agent_silent"
    kinds = ("agent",)
    after = ("source_down",)

    severity: str = routed_as("warning")
    window: float = duration("10m", "how long the agent may send no packet", minimum=1)

    def judge(self, view: View) -> Verdict:
        look = log_look(view)
        if isinstance(look, Verdict):
            return look
        sent = view.last(PacketSent)
        since = look.flat_from if sent is None else sent.at
        silent = standstill([look], since)
        if silent >= self.window:
            return failing(self._said(view, look, silent), silent, view.now + FRESH, quiet=look.lasts)
        until = stands_until([look], since, self.window, view.now)
        if sent is None:
            reason = f"the agent has sent no packet in the {span(max(silent, 0.0))} since keeper looks"
            return unknown(reason, min(until, view.now + FRESH), quiet=until)
        return ok("the agent sends packets", silent, until)

    def _said(self, view: View, look: Look, silent: float) -> str:
        """What is logged after the last packet is its answer at least, so other lines are those of the last half."""
        line = view.memory.last_line_at
        mute = silent if line is None else min(silent, standstill([look], line))
        if mute < self.window / 2:
            return f"the agent logs other lines, but has sent no packet for {span(silent)}"
        if span(mute) == span(silent):
            return f"the agent has logged nothing for {span(mute)}"
        return f"the agent has logged nothing for {span(mute)}, and has sent no packet for {span(silent)}"
