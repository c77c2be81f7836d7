"""Too many packets of a statistics agent are not accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.core.event import Event, PacketAnswered, PacketsCounted, PacketUnanswered
from keeper.core.memory import Subject, View
from keeper.core.options import count, duration, share
from keeper.core.verdict import FOREVER, Verdict, failing, ok, unknown
from keeper.rules.answers import REST, all_said, answers_said, falls_out, not_accepted, remembered
from keeper.rules.looks import FRESH, SOON, log_look
from keeper.rules.phrases import counted, span
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class DeliveryFailing(Rule):
    """Of the packets answered within `window`, or left without an answer, at least `share` and at least `packets` were
    not accepted, or at least `count` were not.
    """

    name = "delivery_failing"
    kinds = ("agent",)
    after = ("source_down", "delivery_outage")
    wakes = (PacketAnswered, PacketUnanswered)
    rests = REST

    severity: str = routed_as("warning")
    # A little more than delivery_outage takes: of an outage that explains it nobody is told twice.
    for_: float = duration("75s", "how long it must fail before it fires", key="for")
    window: float = duration("5m", "over how much time answers are counted", minimum=1)
    share: float = share("20%", "the part of the packets that may not be refused or lost")
    packets: int = count("5", "fewer packets that are not accepted make no share", minimum=1)
    count: int = count("0", "so many packets that are not accepted are too many, whatever their share; 0: off")

    def remembers(self) -> float:
        return self.window

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        return not_accepted(event)

    def judge(self, view: View) -> Verdict:
        look = log_look(view)
        if isinstance(look, Verdict):
            return look
        counts = view.recent(PacketsCounted, self.window)
        failed = sum(one.failed for one in counts)
        total = failed + sum(one.accepted for one in counts)
        over = remembered(view, PacketsCounted, self.window)
        reason = f"{failed:,} of {counted(total, 'packet')} in {span(over)} were not accepted"
        if self._too_many(failed, total):
            last = next(one.at for one in reversed(counts) if one.failed)
            reason += f": {answers_said(all_said(counts))}"
            return failing(reason, failed / total, view.now + FRESH, happened=last)
        until = min(look.lasts, self._turns(counts, failed, total))
        covered = look.flat_from + self.window
        if failed or view.now < covered:
            until = min(until, falls_out(view, counts[0] if counts else None, self.window), _pushed_out(view))
        if total < self.packets and view.now < covered:
            until = min(until, covered)
            return unknown(f"{reason}: too few to tell", min(until, view.now + FRESH), quiet=until)
        return ok(reason, failed / total if total else None, until)

    def _too_many(self, failed: int, total: int) -> bool:
        enough = failed >= self.packets and failed / total >= self.share
        return enough or 0 < self.count <= failed

    def _turns(self, counts: Sequence[PacketsCounted], failed: int, total: int) -> float:
        """When time alone makes them too many, as the accepted ones leave the window."""
        for one in counts if failed else ():
            failed -= one.failed
            total -= one.failed + one.accepted
            if self._too_many(failed, total):
                return one.at + self.window
        return FOREVER


def _pushed_out(view: View) -> float:
    """Until when accepted packets, which do not wake this rule, cannot push an older second out of what is remembered:
    each second with answers takes one place."""
    last = view.last(PacketsCounted)
    full = FOREVER if last is None else int(last.at) + view.memory.ring(PacketsCounted).room + 1
    return max(full, view.now + SOON)
