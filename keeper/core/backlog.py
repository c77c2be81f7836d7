"""What one receiver is still to be told: two ways of keeping it, without threads or clocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from keeper.core.alert import RESOLVED_FOR
from keeper.core.notice import Notice, Receipt
from keeper.core.verdict import FOREVER

REFUSED_FOR = 300.0  # seconds in which what was refused is not offered again unless it changes

Identity: TypeAlias = tuple[tuple[str, str], ...]


class Piece(NamedTuple):
    """What is to be sent now. When it was accepted, `receipts` are no longer owed."""

    notices: list[Notice]
    receipts: list[Receipt]
    version: int


class Backlog(Protocol):
    """Kept by an outbox, under its lock."""

    def __len__(self) -> int:
        """How many notices are owed."""

    def put(self, receipt: Receipt, notice: Notice) -> None:
        """Owe one more."""

    def level(self, notices: Sequence[Notice]) -> bool:
        """Take what stands now. True when the receiver does not know all of it yet."""

    def piece(self, now: float) -> Piece | None:
        """What to send now, None for nothing."""

    def due(self, now: float) -> float:
        """When there will be a piece if nothing is added."""

    def accepted(self, piece: Piece, now: float) -> None:
        """The piece was sent: nothing in it is owed any more, but for what was forgotten or added meanwhile."""

    def refused(self, notice: Notice, now: float) -> list[Receipt]:
        """Give one notice up. Returns what of it was owed."""

    def drop_oldest(self) -> Receipt:
        """Owe one less."""


class Changes:
    """For a receiver that is told each change once: one by one, in order."""

    def __init__(self) -> None:
        self._owed: deque[tuple[Receipt, Notice]] = deque()

    def __len__(self) -> int:
        return len(self._owed)

    def put(self, receipt: Receipt, notice: Notice) -> None:
        self._owed.append((receipt, notice))

    def level(self, notices: Sequence[Notice]) -> bool:
        return False

    def piece(self, now: float) -> Piece | None:
        if not self._owed:
            return None
        receipt, notice = self._owed[0]
        return Piece([notice], [receipt], 0)

    def due(self, now: float) -> float:
        return now if self._owed else FOREVER

    def accepted(self, piece: Piece, now: float) -> None:
        # It may have been dropped meanwhile, because too many came behind it.
        if self._owed and self._owed[0][0] == piece.receipts[0]:
            self._owed.popleft()

    def refused(self, notice: Notice, now: float) -> list[Receipt]:
        if self._owed and self._owed[0][1].id == notice.id:
            return [self._owed.popleft()[0]]
        return []

    def drop_oldest(self) -> Receipt:
        return self._owed.popleft()[0]


class Standing:
    """For a receiver that is told what stands: all of it when something changed, and again every `resend` seconds.

    What is owed is in it, the newest of each alert: a failure that came and went while the receiver was dead is only
    its end.
    """

    def __init__(self, resend: float) -> None:
        self.resend = resend
        self._resend_at = FOREVER
        self._owed: dict[Receipt, Notice] = {}
        self._standing: dict[Identity, Notice] = {}
        self._refused_until: dict[Identity, float] = {}
        self._version = 0
        self._told = 0

    def __len__(self) -> int:
        return len(self._owed)

    def put(self, receipt: Receipt, notice: Notice) -> None:
        self._owed[receipt] = notice
        self._standing[identity(notice)] = notice
        self._refused_until.pop(identity(notice), None)
        self._version += 1

    def level(self, notices: Sequence[Notice]) -> bool:
        standing = _by_identity(self._owed.values())
        standing.update(_by_identity(notices))
        news = any(not _same(self._standing.get(key), notice) for key, notice in standing.items())
        self._standing = standing
        self._refused_until = {key: until for key, until in self._refused_until.items() if key in standing}
        self._version += news
        return news

    def piece(self, now: float) -> Piece | None:
        if self._told == self._version and now < self._resend_at:
            return None
        still_owed = _by_identity(self._owed.values())
        notices = [
            notice
            for key, notice in self._standing.items()
            if self._refused_until.get(key, now) <= now
            and (notice.ends_at is None or now - notice.ends_at < RESOLVED_FOR or key in still_owed)
        ]
        return Piece(notices, list(self._owed), self._version)

    def due(self, now: float) -> float:
        return now if self._told != self._version else self._resend_at

    def accepted(self, piece: Piece, now: float) -> None:
        for receipt in piece.receipts:
            self._owed.pop(receipt, None)
        self._told = piece.version
        self._resend_at = now + self.resend

    def refused(self, notice: Notice, now: float) -> list[Receipt]:
        self._refused_until[identity(notice)] = now + REFUSED_FOR
        receipts = [receipt for receipt, owed in self._owed.items() if owed.id == notice.id]
        for receipt in receipts:
            del self._owed[receipt]
        return receipts

    def drop_oldest(self) -> Receipt:
        oldest = next(iter(self._owed))
        del self._owed[oldest]
        return oldest


def identity(notice: Notice) -> Identity:
    """What makes two notices speak of one alert."""
    return tuple(sorted(notice.labels.items()))


def _by_identity(notices: Collection[Notice] | Iterable[Notice]) -> dict[Identity, Notice]:
    return {identity(notice): notice for notice in notices}


def _same(before: Notice | None, after: Notice) -> bool:
    """Whether there is nothing new but words."""
    return before is not None and (before.starts_at, before.ends_at) == (after.starts_at, after.ends_at)
