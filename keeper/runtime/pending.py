"""What the state database is still owed: everything the loop committed and the disk has not taken yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from keeper.core.alert import Alert
from keeper.core.notice import Owed, Receipt
from keeper.delivery.parcel import Change
from keeper.runtime.records import Entry

MAX_ENTRIES = 10_000
MAX_OWED = 10_000  # over all targets; their outboxes hold 1,000 each


class Pending:
    """Of positions, alerts and parcels the newest of each; of the rest all, up to a bound. What went over it is
    counted: the oldest go. (How many parcels there are, and how large, is bounded by who keeps them.)"""

    def __init__(self) -> None:
        self.positions: dict[str, str] = {}
        self.alerts: dict[tuple[str, str], Alert] = {}
        self.owed: dict[Receipt, Owed] = {}
        self.delivered: dict[Receipt, None] = {}
        self.entries: list[Entry] = []
        self.parcels: dict[tuple[str, int], Change] = {}
        self._stored: set[tuple[str, int]] = set()  # of those, the ones whose number has a row that was to be deleted
        self.dropped_entries = 0
        self.dropped_owed = 0

    def __bool__(self) -> bool:
        return bool(self.positions or self.alerts or self.owed or self.delivered or self.entries or self.parcels)

    def add(
        self,
        positions: Mapping[str, str],
        alerts: Iterable[Alert],
        owed: Iterable[Owed],
        delivered: Iterable[Receipt],
        entries: Iterable[Entry],
        parcels: Iterable[Change] = (),
    ) -> None:
        self.positions.update(positions)
        self.alerts.update(((alert.rule, alert.subject), alert) for alert in alerts)
        self.owed.update((one.receipt, one) for one in owed)
        for receipt in delivered:
            # What was never stored need not be deleted: a full disk and a live webhook would pile these up.
            if self.owed.pop(receipt, None) is None:
                self.delivered[receipt] = None
        self.entries.extend(entries)
        for change in parcels:
            self._parcel(change)
        self._bound()

    def _parcel(self, change: Change) -> None:
        """The text comes once, with the first change; what was never stored need not be deleted. (Where an agent left
        the configuration and came back, a number may be used again: the earlier one's row must go all the same.)"""
        place = change.agent, change.number
        before = self.parcels.get(place)
        if before is not None and before.parcel is None:
            self._stored.add(place)
        text = before.data if before is not None else None
        if change.parcel is not None:
            self.parcels[place] = change if text is None else change._replace(data=text)
        elif text is None or place in self._stored:
            self.parcels[place] = change
        else:
            del self.parcels[place]

    def clear(self) -> None:
        for part in (
            self.positions, self.alerts, self.owed, self.delivered, self.entries, self.parcels, self._stored
        ):  # fmt: skip
            part.clear()

    def _bound(self) -> None:
        if (over := len(self.entries) - MAX_ENTRIES) > 0:
            del self.entries[:over]
            self.dropped_entries += over
        if (over := len(self.owed) - MAX_OWED) > 0:
            for receipt in list(islice(self.owed, over)):
                del self.owed[receipt]
            self.dropped_owed += over
