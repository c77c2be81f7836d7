"""What an agent still owes its server: every packet whose arrival no answer has confirmed. Pure.

The agent's log is the only witness. A send opens a parcel, a 200 closes it; any other answer, or none in time, leaves
it due to be sent again, or held where the server may have it and the policy says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from heapq import heappop, heappush
from typing import NamedTuple

from keeper.core.event import PacketAnswered, PacketSent, PacketUnanswered
from keeper.delivery.outcome import TIMED_OUT, Result
from keeper.delivery.packet import Outcome
from keeper.delivery.parcel import Change, Parcel, Stand
from keeper.delivery.plan import why_hold

ACCEPTED = 200


class Terms(NamedTuple):
    """What is agreed with an agent. `skip` are types that are never sent again; `repeat`: may a packet be sent that the
    server may have; `answer_within` seconds an answer may take; `packets` and `size` bytes are the most that is kept;
    `tries` how often keeper sends one before a person must look at it."""

    skip: frozenset[str] = frozenset()
    repeat: bool = True
    answer_within: float = 120.0
    packets: int = 100_000
    size: int = 64 << 20
    tries: int = 5


class Totals(NamedTuple):
    """Of the parcels of one stand."""

    packets: int = 0
    events: int = 0


def outcome_of(code: int | None) -> Outcome:
    """What an answer that is not 200 says: 599 is the agent's own word for having heard nothing."""
    return "unknown" if code in (None, TIMED_OUT) else "rejected"


class Arrears:
    """One agent's parcels in order of sending. Nothing here reads a clock: times come with the events.

    `unpaired` counts answers to no packet known here, `without_id` sends that nothing can pair, `skipped` packets of
    types that are not sent again, `forgotten` those that fell out because too many, or too large ones, were kept:
    `keeper collect` finds them in the agent's logs.
    """

    def __init__(self, agent: str, terms: Terms, kept: Iterable[Parcel] = ()) -> None:
        self.agent = agent
        self.terms = terms
        self.unpaired = 0
        self.without_id = 0
        self.skipped = 0
        self.forgotten = 0
        self._parcels: dict[int, Parcel] = {}
        self._totals = dict.fromkeys(Stand, Totals())
        self._size = 0
        self._waiting: dict[int, int] = {}  # id → number of the newest parcel of it that no answer was seen of
        self._open: dict[int, None] = {}  # numbers, in order of sending
        self._owed: list[int] = []  # a heap of numbers: of all that are due or held, and of some that were
        self._next = 1
        self._changed: dict[int, bytes | None] = {}  # number → its text if that was never handed out
        for parcel in kept:
            self._put(parcel)
            self._next = parcel.number + 1
            if parcel.stand is Stand.OPEN or parcel.outcome == "unanswered":
                self._waiting[parcel.id] = parcel.number
            else:
                self._waiting.pop(parcel.id, None)
        self._changed.clear()
        self.replan(terms)

    def __len__(self) -> int:
        return len(self._parcels)

    def __getitem__(self, number: int) -> Parcel:
        return self._parcels[number]

    def __contains__(self, number: int) -> bool:
        return number in self._parcels

    def __iter__(self) -> Iterator[Parcel]:
        return iter(self._parcels.values())

    def totals(self, stand: Stand) -> Totals:
        return self._totals[stand]

    def oldest(self) -> Parcel | None:
        """The first that is due or held."""
        while self._owed and not self._owes(self._owed[0]):
            heappop(self._owed)
        return self._parcels[self._owed[0]] if self._owed else None

    def due(self) -> list[Parcel]:
        """What is to be sent again, in order of sending; but what was sent in vain comes behind what was not, so that a
        packet on which the server fails each time does not keep the others waiting."""
        return sorted((parcel for parcel in self if parcel.stand is Stand.DUE), key=lambda parcel: parcel.tries)

    def next_timeout(self) -> float:
        """When the first open parcel will have waited too long for its answer; infinity without one."""
        first = next(iter(self._open), None)
        return float("inf") if first is None else self._parcels[first].at + self.terms.answer_within

    # -- what the log says -----------------------------------------------------------------------------------------

    def sent(self, event: PacketSent, data: bytes) -> list[PacketUnanswered]:
        """A packet left the agent; `data` is the text of its list. An id that comes again says that the agent started
        anew and waits no more for an answer to the earlier packet of that id."""
        if event.id is None:
            self.without_id += 1
            return []
        given_up = self._give_up(event.id, event.at)
        if event.key in self.terms.skip:
            self.skipped += 1
            return given_up
        content = sha256(event.key.encode("utf-8", "surrogateescape") + b"\0" + data).hexdigest()[:32]
        number, self._next = self._next, self._next + 1
        self._changed[number] = data
        self._put(Parcel(number, event.id, content, event.key, event.at, event.events, len(data)))
        self._waiting[event.id] = number
        self._bound()
        return given_up

    def answered(self, event: PacketAnswered) -> None:
        """The agent logged an answer, maybe a late one."""
        number = self._waiting.get(event.id)
        parcel = self._parcels.get(number) if number is not None else None
        if parcel is None or parcel.key != event.key:
            self.unpaired += event.key not in self.terms.skip
            return
        del self._waiting[event.id]
        if event.code == ACCEPTED:
            self._drop(parcel.number)
            return
        outcome = outcome_of(event.code)
        said = f"the server answered {event.code}" if outcome == "rejected" else event.why or "no answer in time"
        if parcel.stand is Stand.REFUSED or parcel.tries >= self.terms.tries:
            self._put(parcel._replace(outcome=outcome, code=event.code))  # what keeper's own sending said weighs more
        else:
            self._stand(parcel, outcome, event.code, said)

    def expire(self, seen: float) -> list[PacketUnanswered]:
        """The log is known up to `seen`: what was sent too long before has no answer."""
        if self.next_timeout() > seen:
            return []
        late = [n for n in self._open if self._parcels[n].at + self.terms.answer_within <= seen]
        return [self._unanswered(self._parcels[number], seen) for number in late]

    def _give_up(self, id: int, at: float) -> list[PacketUnanswered]:
        number = self._waiting.pop(id, None)
        parcel = self._parcels.get(number) if number is not None else None
        return [self._unanswered(parcel, at)] if parcel is not None and parcel.stand is Stand.OPEN else []

    def _unanswered(self, parcel: Parcel, at: float) -> PacketUnanswered:
        self._stand(parcel, "unanswered", None, "no answer was logged")
        return PacketUnanswered(at, parcel.id, parcel.key, parcel.events, parcel.at)

    # -- what keeper's own sending says ----------------------------------------------------------------------------

    def resent(self, number: int, result: Result, detail: str) -> None:
        """keeper sent a packet again, and this came of it."""
        parcel = self._parcels.get(number)
        if parcel is None:
            return
        if result is Result.ACCEPTED:
            self._drop(number)
        elif result is Result.REFUSED:
            self._put(parcel._replace(stand=Stand.REFUSED, why=detail))
        elif result is Result.UNKNOWN and not self.terms.repeat:
            self._put(parcel._replace(stand=Stand.HELD, why=f"{detail}; the server may have it"))
        else:
            # That the server is away or busy says nothing of the packet.
            tries = parcel.tries + (result in (Result.FAILED, Result.UNKNOWN))
            stand = Stand.HELD if tries >= self.terms.tries else Stand.DUE
            why = f"sent {tries} times in vain: {detail}" if stand is Stand.HELD else detail
            self._put(parcel._replace(stand=stand, why=why, tries=tries))

    def lost(self, number: int, why: str) -> None:
        """The receiver was asked and has not got it: that is as good as an answer that refused it."""
        parcel = self._parcels.get(number)
        if parcel is not None and parcel.stand is Stand.HELD and parcel.tries < self.terms.tries:
            self._put(parcel._replace(stand=Stand.DUE, outcome="rejected", why=why))

    def hold(self, number: int, why: str) -> None:
        parcel = self._parcels.get(number)
        if parcel is not None:
            self._put(parcel._replace(stand=Stand.HELD, why=why))

    def replan(self, terms: Terms) -> None:
        """Take other terms: what is held for the policy alone may be due now, and the other way round. What keeper
        itself sent without an answer stays held until the policy allows to repeat it."""
        self.terms = terms
        for parcel in list(self):
            if parcel.key in terms.skip:
                self._drop(parcel.number)
                self.skipped += 1
            elif parcel.outcome is None or parcel.tries >= terms.tries:
                continue
            elif parcel.stand is Stand.DUE or (parcel.stand is Stand.HELD and terms.repeat):
                self._stand(parcel, parcel.outcome, parcel.code, parcel.why)
        self._bound()

    # -- keeping ---------------------------------------------------------------------------------------------------

    def changes(self) -> list[Change]:
        """What is to be stored since the last call, each text once."""
        changed = [Change(self.agent, n, self._parcels.get(n), data) for n, data in self._changed.items()]
        self._changed.clear()
        # What came and went between two calls was never stored, and need not be.
        return [change for change in changed if change.parcel is not None or change.data is None]

    def _stand(self, parcel: Parcel, outcome: Outcome, code: int | None, said: str) -> None:
        why = why_hold(outcome, None, self.terms.repeat)
        stand = Stand.DUE if why is None else Stand.HELD
        self._put(parcel._replace(stand=stand, outcome=outcome, code=code, why=said if why is None else why))

    def _owes(self, number: int) -> bool:
        parcel = self._parcels.get(number)
        return parcel is not None and parcel.stand in (Stand.DUE, Stand.HELD)

    def _put(self, parcel: Parcel) -> None:
        before = self._parcels.get(parcel.number)
        if before == parcel:
            return
        owed = self._owes(parcel.number)
        self._count(before, -1)
        self._count(parcel, 1)
        self._parcels[parcel.number] = parcel
        if self._owes(parcel.number) and not owed:
            heappush(self._owed, parcel.number)
            if len(self._owed) > 2 * len(self._parcels) + 100:
                self._owed = [number for number in self._parcels if self._owes(number)]
        if parcel.stand is Stand.OPEN:
            self._open[parcel.number] = None
        else:
            self._open.pop(parcel.number, None)
        self._changed.setdefault(parcel.number, None)

    def _drop(self, number: int) -> None:
        parcel = self._parcels.pop(number)
        self._count(parcel, -1)
        self._open.pop(number, None)
        if self._waiting.get(parcel.id) == number:
            del self._waiting[parcel.id]
        self._changed.setdefault(number, None)

    def _count(self, parcel: Parcel | None, by: int) -> None:
        if parcel is not None:
            packets, events = self._totals[parcel.stand]
            self._totals[parcel.stand] = Totals(packets + by, events + by * parcel.events)
            self._size += by * parcel.size

    def _bound(self) -> None:
        while len(self._parcels) > self.terms.packets or (self._size > self.terms.size and len(self._parcels) > 1):
            self._drop(next(iter(self._parcels)))
            self.forgotten += 1
