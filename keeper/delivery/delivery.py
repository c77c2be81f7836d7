"""One agent's delivery: what its log says goes in, and what follows from it comes out as events. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.core.event import BacklogChanged, Event, PacketAnswered, PacketResent, PacketSent, PacketUnanswered
from keeper.delivery.arrears import ACCEPTED, Arrears
from keeper.delivery.outcome import Result
from keeper.delivery.parcel import Change, Report, Stand
from keeper.delivery.recovery import Around, Recovery

TELL_EVERY = 1.0  # seconds between two words on the backlog
BEHIND = 5.0  # seconds between the last event of a chunk and its arrival: more of the log waits to be read


class Delivery:
    """Belongs to the agent's pipeline, and so to the loop. `running` while packets are being sent again; `around` is
    what the rest of keeper last said."""

    def __init__(self, arrears: Arrears, recovery: Recovery) -> None:
        self.arrears = arrears
        self.recovery = recovery
        self.running = False
        self.around = Around(blind="the log has not been seen yet")
        self._known = float("-inf")  # up to when the log is known at most, while it is being caught up with
        self._told: BacklogChanged | None = None
        self._given_up: list[PacketUnanswered] = []
        self._resent: list[PacketResent] = []

    def read(self, events: Sequence[Event], data: bytes, seen: float) -> None:
        """Take the events of one chunk of the log, which came at `seen`; texts stand in `data`.

        A chunk that ends long before it came is followed by more: until then nothing is known behind its end, and no
        answer is missing there. An agent whose clock is ahead has sent nothing later than it was read.
        """
        for event in events:
            at = min(event.at, seen)
            if isinstance(event, PacketSent):
                text = data[event.offset : event.offset + event.length]
                self._unanswered(self.arrears.sent(event._replace(at=at), text))
            elif isinstance(event, PacketAnswered):
                self.arrears.answered(event)
                if event.code == ACCEPTED:
                    self.recovery.live_accepted(at, event.took)
                else:
                    self.recovery.live_failed(event.why or f"the answer {event.code}")
        if events:
            last = events[-1].at
            self._known = last if seen - last > BEHIND else float("inf")

    def lost_sight(self) -> None:
        """What the log holds when it comes back is yet to be read."""
        self._known = float("-inf")

    def caught_up(self) -> None:
        """The log says that all it holds has been handed over."""
        self._known = float("inf")

    def resent(self, report: Report, now: float) -> None:
        """A run says what became of a packet. One that is settled meanwhile was sent all the same."""
        number, result = report.number, report.result
        if report.sent:
            self.recovery.sent_again(now)
        if number not in self.arrears:
            return
        parcel = self.arrears[number]
        if report.sent:
            self.arrears.resent(number, result, report.detail)
            again = PacketResent(now, parcel.id, parcel.key, parcel.events, result.value, report.code, report.took)
            self._resent.append(again)
        elif result is Result.UNKNOWN:
            self.arrears.hold(number, report.detail)
        elif result is Result.FAILED:
            self.arrears.lost(number, report.detail)
        else:
            self.arrears.resent(number, result, report.detail)

    def derive(self, seen: float, now: float) -> list[Event]:
        """What follows by now, the log being known up to `seen`: packets without an answer, and how the backlog is."""
        self._unanswered(self.arrears.expire(min(seen, self._known)))
        found: list[Event] = [*(e._replace(at=now) for e in self._given_up), *self._resent]
        self._given_up.clear()
        self._resent.clear()
        told = self.backlog(now)
        before = self._told
        if before is None or (told[1:] != before[1:] and (now - before.at >= TELL_EVERY or told[1:4] != before[1:4])):
            self._told = told
            found.append(told)
        return found

    def backlog(self, now: float) -> BacklogChanged:
        due, held, refused = (self.arrears.totals(stand) for stand in (Stand.DUE, Stand.HELD, Stand.REFUSED))
        oldest = self.arrears.oldest()
        return BacklogChanged(
            now,
            due.packets,
            held.packets,
            refused.packets,
            due.events + held.events,
            None if oldest is None else oldest.at,
            self.why_not(now) or "",
        )

    def why_not(self, now: float) -> str | None:
        """Why nothing is being sent again now, in one sentence; None while it is, or may be."""
        if self.running:
            return None
        if not self.arrears.totals(Stand.DUE).packets:
            held = self.arrears.totals(Stand.HELD).packets
            return "what is left waits for a person: see `keeper undelivered`" if held else "nothing is owed"
        return self.recovery.why_not(self.around, now)

    def changes(self) -> list[Change]:
        return self.arrears.changes()

    def _unanswered(self, events: Sequence[PacketUnanswered]) -> None:
        self._given_up += events
        for event in events:
            self.recovery.live_unanswered(event.sent)
