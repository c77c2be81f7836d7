"""Times in which nothing was delivered, out of the undelivered packets alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from keeper.delivery.pairing import Undelivered

LEAST = 3  # packets in an outage: fewer are accidents
PAUSE = 60.0  # seconds: what is closer together is one outage, whatever got through in between
KEPT = 1000  # outages


@dataclass(slots=True)
class Outage:
    """Undelivered packets, one after the other: when the first and the last were sent, and how each was answered."""

    start: float
    end: float
    packets: int = 0
    events: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class Outages:
    """Collects outages from undelivered packets in order of sending. Beyond KEPT the smallest is let go and counted."""

    def __init__(self) -> None:
        self.found: list[Outage] = []
        self.let_go = 0
        self._current: Outage | None = None
        self._number = -1

    def add(self, packet: Undelivered) -> None:
        current = self._current
        if current is None or (packet.number != self._number + 1 and packet.at - current.end > PAUSE):
            self.finish()
            current = self._current = Outage(packet.at, packet.at)
        self._number = packet.number
        current.end = max(current.end, packet.at)
        current.packets += 1
        current.events += packet.events
        current.reasons["unanswered" if packet.outcome == "unanswered" else str(packet.code or "no code")] += 1

    def finish(self) -> None:
        """The last packet was added."""
        if self._current and self._current.packets >= LEAST:
            self.found.append(self._current)
        self._current = None
        if len(self.found) > KEPT:
            self.found.remove(min(self.found, key=lambda outage: outage.packets))
            self.let_go += 1
