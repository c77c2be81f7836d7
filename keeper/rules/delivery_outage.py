"""The server accepts nothing of a statistics agent any more."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import Event, PacketAnswered, PacketUnanswered
from keeper.core.memory import Subject, View
from keeper.core.options import count, duration
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.answers import REST, answers_said, not_accepted
from keeper.rules.looks import FRESH, log_look, stands_until, standstill
from keeper.rules.phrases import counted, span
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class DeliveryOutage(Rule):
    """Packets were sent, `packets` or more of them were not accepted and none was for `window`, counted from the first
    that was sent after the last acceptance. It ends with the first packet that is accepted, and not before.
    """

    name = "delivery_outage"
    kinds = ("agent",)
    after = ("source_down",)
    wakes = (PacketAnswered, PacketUnanswered)
    rests = REST

    window: float = duration("60s", "how long no packet may be accepted while some are sent", minimum=1)
    packets: int = count("3", "how many packets must have failed", minimum=1)

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        return not_accepted(event)

    def judge(self, view: View) -> Verdict:
        look = log_look(view)
        if isinstance(look, Verdict):
            return look
        acceptance = view.memory.acceptance
        outage = acceptance.outage
        if outage is None:
            if acceptance.accepted_at is None:
                return unknown("no packet has been answered since keeper looks", view.now + FRESH, quiet=look.lasts)
            return ok("packets are accepted", until=look.lasts)
        lasted = standstill([look], outage.since)
        enough = outage.packets >= self.packets
        answers = f"{outage.packets:,} failed, {answers_said(outage.said)}"
        if enough and lasted >= self.window:
            reason = f"no packet was accepted for {span(lasted)}: {answers}"
            return failing(reason, lasted, view.now + FRESH, quiet=look.lasts)
        until = stands_until([look], outage.since, self.window, view.now) if enough else look.lasts
        if acceptance.accepted_at is None:
            reason = f"no packet has been accepted since keeper looks: {answers}"
            return unknown(reason, min(until, view.now + FRESH), quiet=until)
        return ok(f"{counted(outage.packets, 'packet')} failed since one was last accepted", lasted, until)
