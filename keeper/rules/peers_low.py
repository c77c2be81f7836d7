"""The node has few peers."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import Event, PeerCount
from keeper.core.memory import Subject, View
from keeper.core.options import count
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.phrases import counted
from keeper.rules.rule import Rule, routed_as

COUNT_LASTS = 300.0  # seconds a count speaks of the present; nodeos logs one every 30 s, the API is asked every ten


@dataclass(frozen=True, kw_only=True)
class PeersLow(Rule):
    """Fewer than `min` open connections, whoever opened them."""

    name = "peers_low"
    after = ("http_down",)  # a node that starts, or woke up, has no peers for a moment
    wakes = (PeerCount,)

    severity: str = routed_as("warning")
    min: int = count("5", "how many peers there must be", minimum=1)

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        """A number that was said lately is no news."""
        return before is None or event[1:] != before[1:] or event.at - before.at >= COUNT_LASTS / 3

    def judge(self, view: View) -> Verdict:
        if not view.subject.sources & {"log", "api"}:
            return unknown("neither a log nor an api is configured")
        last = view.last(PeerCount)
        until = (last.at if last is not None else view.now) + COUNT_LASTS
        if last is None or until <= view.now:
            return unknown("the number of peers is not known")
        peers = last.clients + last.peers
        if peers >= self.min:
            return ok(f"connected to {counted(peers, 'peer')}", peers, until=until)
        return failing(f"connected to {counted(peers, 'peer')}; {self.min} are expected", peers, until=until)
