"""What came of an agent's packets, counted: a busy agent has a hundred answers a second, and an outage lasts hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from keeper.core.event import PacketAnswered, PacketsCounted, PacketUnanswered

ACCEPTED = 200
MOST_KINDS = 4  # different answers told apart within one second
MOST_KINDS_OF_OUTAGE = 32

Said: TypeAlias = tuple[int | None, str]
"""What an answer that is no acceptance says: its code and error."""
NOTHING: Said = (None, "")  # there was no answer
OTHER: Said = (0, "")  # the answers beyond the bound


def accepted(event: PacketAnswered | PacketUnanswered) -> bool:
    return isinstance(event, PacketAnswered) and event.code == ACCEPTED


def counts(
    last: PacketsCounted | None, events: Iterable[PacketAnswered | PacketUnanswered]
) -> Iterator[PacketsCounted]:
    """The counts of the events' seconds. The first includes `last` if that is of the same second."""
    second: int | None = None
    at, taken, failed, said = 0.0, 0, 0, dict[Said, int]()
    for event in events:
        if int(event.at) != second:
            if second is not None:
                yield PacketsCounted(at, taken, failed, said)
                last = None
            second, taken, failed, said = int(event.at), 0, 0, {}
            if last is not None and int(last.at) == second:
                taken, failed, said = last.accepted, last.failed, dict(last.said)
        at = event.at
        if accepted(event):
            taken += 1
        else:
            failed += 1
            _add(said, _said(event), MOST_KINDS)
    if second is not None:
        yield PacketsCounted(at, taken, failed, said)


class Outage(NamedTuple):
    """Packets sent since the last acceptance, none of which was accepted: `since` is when the first of them was sent,
    `packets` how many have failed by now and `said` with which answers."""

    since: float
    packets: int
    said: Mapping[Said, int]


class Acceptance:
    """When a packet was last accepted, and how many were sent since and not accepted.

    A packet that was sent before that says nothing of the time since, however late it fails. `accepted_at` is None as
    long as no acceptance is known.
    """

    def __init__(self) -> None:
        self.accepted_at: float | None = None
        self._since = 0.0
        self._packets = 0
        self._said: Counter[Said] = Counter()

    @property
    def outage(self) -> Outage | None:
        return Outage(self._since, self._packets, self._said) if self._packets else None

    def take(self, event: PacketAnswered | PacketUnanswered) -> None:
        if accepted(event):
            self.accepted_at = event.at
            self._end()
            return
        sent = event.sent if isinstance(event, PacketUnanswered) else event.at - (event.took or 0.0)
        if self.accepted_at is not None and sent <= self.accepted_at:
            return
        self._since = min(self._since, sent) if self._packets else sent
        self._packets += 1
        _add(self._said, _said(event), MOST_KINDS_OF_OUTAGE)

    def forget(self) -> None:
        """Something was lost: perhaps an acceptance."""
        self.accepted_at = None
        self._end()

    def _end(self) -> None:
        if self._packets:
            self._packets = 0
            self._said = Counter()


def _said(event: PacketAnswered | PacketUnanswered) -> Said:
    return (event.code, event.why) if isinstance(event, PacketAnswered) else NOTHING


def _add(said: dict[Said, int], what: Said, most: int) -> None:
    if what not in said and len(said) >= most:
        what = OTHER
    said[what] = said.get(what, 0) + 1
