"""What the state database is still owed: everything the loop committed and the disk has not taken yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from keeper.core.alert import Alert
from keeper.core.notice import Owed, Receipt
from keeper.runtime.records import Entry

MAX_ENTRIES = 10_000
MAX_OWED = 10_000  # over all targets; their outboxes hold 1,000 each


class Pending:
    """Of positions and alerts the newest of each; of the rest all, up to a bound. What went over it is counted: the
    oldest go."""

    def __init__(self) -> None:
        self.positions: dict[str, str] = {}
        self.alerts: dict[tuple[str, str], Alert] = {}
        self.owed: dict[Receipt, Owed] = {}
        self.delivered: dict[Receipt, None] = {}
        self.entries: list[Entry] = []
        self.dropped_entries = 0
        self.dropped_owed = 0

    def __bool__(self) -> bool:
        return bool(self.positions or self.alerts or self.owed or self.delivered or self.entries)

    def add(
        self,
        positions: Mapping[str, str],
        alerts: Iterable[Alert],
        owed: Iterable[Owed],
        delivered: Iterable[Receipt],
        entries: Iterable[Entry],
    ) -> None:
        self.positions.update(positions)
        self.alerts.update(((alert.rule, alert.subject), alert) for alert in alerts)
        self.owed.update((one.receipt, one) for one in owed)
        for receipt in delivered:
            # What was never stored need not be deleted: a full disk and a live webhook would pile these up.
            if self.owed.pop(receipt, None) is None:
                self.delivered[receipt] = None
        self.entries.extend(entries)
        self._bound()

    def clear(self) -> None:
        for part in (self.positions, self.alerts, self.owed, self.delivered, self.entries):
            part.clear()

    def _bound(self) -> None:
        if (over := len(self.entries) - MAX_ENTRIES) > 0:
            del self.entries[:over]
            self.dropped_entries += over
        if (over := len(self.owed) - MAX_OWED) > 0:
            for receipt in list(islice(self.owed, over)):
                del self.owed[receipt]
            self.dropped_owed += over
