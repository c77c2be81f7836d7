"""The metrics of one statistics agent: counters as events pass, gauges once a second."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from keeper.core.event import Event, PacketAnswered, PacketResent, PacketSent, PacketUnanswered
from keeper.delivery.arrears import ACCEPTED, outcome_of
from keeper.delivery.delivery import Delivery
from keeper.delivery.outcome import Result
from keeper.delivery.packet import Outcome
from keeper.delivery.parcel import Stand
from keeper.metrics import Metrics


class MeasureAgent:
    """All series of the agent are there from the start: their labels are closed sets."""

    def __init__(self, metrics: Metrics, agent: str) -> None:
        m = metrics
        self._sent = m.packets_sent.labels(agent)
        self._delivered = m.packets_delivered.labels(agent)
        self._seconds = m.packet_seconds.labels(agent)
        self._failed = {outcome: m.packets_failed.labels(agent, outcome) for outcome in get_args(Outcome)}
        self._resent = {result.value: m.resend_packets.labels(agent, result.value) for result in Result}
        self._resent_events = m.resend_events.labels(agent)
        self._stands = {stand: m.undelivered.labels(agent, stand.value) for stand in Stand}
        self._oldest = m.oldest_undelivered.labels(agent)
        self._active = m.resend_active.labels(agent)
        self._counted = [
            counter.labels(agent) for counter in (m.packets_unpairable, m.packets_skipped, m.packets_forgotten)
        ]
        self._told = (0, 0, 0)  # what those counters have of the arrears' own counts

    def events(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, PacketSent):
                self._sent.inc()
            elif isinstance(event, PacketUnanswered):
                self._failed["unanswered"].inc()
            elif isinstance(event, PacketAnswered):
                self._answered(event)
            elif isinstance(event, PacketResent):
                self._resent[event.result].inc()
                if event.result == Result.ACCEPTED.value:
                    self._resent_events.inc(event.events)

    def levels(self, delivery: Delivery) -> None:
        arrears = delivery.arrears
        for stand, gauge in self._stands.items():
            gauge.set(arrears.totals(stand).packets)
        oldest = arrears.oldest()
        self._oldest.set(0.0 if oldest is None else oldest.at)
        self._active.set(delivery.running)
        now = (arrears.unpaired + arrears.without_id, arrears.skipped, arrears.forgotten)
        for counter, number, before in zip(self._counted, now, self._told, strict=True):
            counter.inc(max(0, number - before))
        self._told = now

    def _answered(self, event: PacketAnswered) -> None:
        if event.code != ACCEPTED:
            self._failed[outcome_of(event.code)].inc()
            return
        self._delivered.inc()
        if event.took is not None:
            self._seconds.observe(event.took)
