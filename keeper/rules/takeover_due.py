"""The evidence says that this standby should produce now."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import Event, PausedAnswer, ProducerPaused, ProducerResumed, WindowClosed
from keeper.core.memory import Subject, View
from keeper.core.options import count
from keeper.core.verdict import Verdict, failing, ok
from keeper.failover.evidence import why_not_take_over
from keeper.failover.facts import Facts, OfCluster, OfKeeper, OfNode, fit_until, for_takeover
from keeper.failover.terms import Terms
from keeper.rules.looks import FRESH, Look, log_look
from keeper.rules.phrases import counted, whose
from keeper.rules.rule import Rule

STANDBYS = ("B", "C")
# What only a producer API, a store of leases and an operator know is taken for granted: this asks the chain.
GRANTED = Facts(
    node=OfNode(paused=True, key=True, api=True),
    cluster=OfCluster("", "", True),
    keeper=OfKeeper(distrust="", journal=True),
)


@dataclass(frozen=True, kw_only=True)
class TakeoverDue(Rule):
    """A standby (role B or C) has seen our producer miss `windows_b` or `windows_c` windows in a row, is itself fit to
    produce, and sees the network live: somebody should make it the producer. Until that is so, the reason says what is
    missing. It only says so: who resumes the node is [failover], or a person."""

    name = "takeover_due"
    wakes = (WindowClosed, PausedAnswer, ProducerPaused, ProducerResumed)
    heeds_ours = True

    windows_b: int = count("2", "windows of ours missed in a row until B should produce", minimum=1, maximum=100)
    windows_c: int = count("6", "windows of ours missed in a row until C should produce", minimum=1, maximum=100)

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        if subject.role not in STANDBYS:
            return False
        if isinstance(event, WindowClosed):
            return event.producer in subject.producers
        if isinstance(event, PausedAnswer) and isinstance(before, PausedAnswer):
            return event.paused != before.paused
        return True

    def judge(self, view: View) -> Verdict:
        subject = view.subject
        if subject.role not in STANDBYS:
            return ok(f"role {subject.role} does not stand by")
        if not subject.producers:
            return ok("no producer is configured")
        look = log_look(view)
        if not isinstance(look, Look):
            return look
        if paused_by_log(view) is False:
            return ok("not yet: this node is not paused", until=look.lasts)
        windows = self.windows_b if subject.role == "B" else self.windows_c
        terms = Terms(subject.name, subject.role, lease=False, windows=windows)
        facts = GRANTED._replace(chain=for_takeover(view))
        why = why_not_take_over(facts, terms)
        missed = facts.chain.missed
        if why is not None:
            # Windows of ours end with an event, and one of ours that is signed is one; the rest comes with any block.
            until = look.lasts if missed is None or missed < windows else min(look.lasts, view.now + FRESH)
            return ok(f"not yet: {why}", missed, until)._replace(quiet=look.lasts)
        reason = f"{whose(subject.producers)} missed {counted(missed or 0, 'window')} in a row"
        until = min(look.lasts, fit_until(view, terms))
        return failing(f"{reason}, and this node is fit to produce", missed, until)


def paused_by_log(view: View) -> bool | None:
    """What the node, or its log, last said; None where neither did."""
    answer = view.last(PausedAnswer)
    said = [(answer.at, answer.paused)] if answer is not None else []
    said += [(event.at, True) for event in (view.last(ProducerPaused),) if event is not None]
    said += [(event.at, False) for event in (view.last(ProducerResumed),) if event is not None]
    return max(said)[1] if said else None
