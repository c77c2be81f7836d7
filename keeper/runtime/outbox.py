"""The thread that tells one receiver, and the queue before it. A receiver that hangs holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from keeper.core.backlog import Backlog, Changes, Piece, Standing
from keeper.core.backoff import LONGEST, delay
from keeper.core.notice import Notice, Notifier, Owed, Receipt, from_json
from keeper.core.source import Now, Wait
from keeper.errors import Rejected, SendError

MAX_OWED = 1000
IDLE = 1.0  # seconds: the longest a thread that has nothing to do takes to see that it shall stop
HURRY = 1.0  # seconds between tries of a receiver that fails, when there is something new to tell


class Delivered(NamedTuple):
    """Accepted: what was owed of it can be forgotten."""

    target: str
    receipts: tuple[Receipt, ...]


class Refused(NamedTuple):
    """The receiver will never take this notice; `receipts` names what of it was owed, and can be forgotten."""

    target: str
    receipts: tuple[Receipt, ...]
    key: str
    reason: str


class Failing(NamedTuple):
    """The receiver takes nothing. Said when that begins and when the reason changes, not at every try."""

    target: str
    since: float
    reason: str


class Recovered(NamedTuple):
    """The receiver takes notices again; it did not since `since`."""

    target: str
    since: float


Report: TypeAlias = Delivered | Refused | Failing | Recovered


class Outbox:
    """One receiver. `put` and `level` are called by the loop and return at once; `run` is the body of a thread, which
    calls `report` in that thread. `chance` gives numbers in [0, 1).

    Numbers for people and metrics: `sent` and `refused` notices, `failed` tries, `dropped` notices (over `limit`
    owed), `queued` notices owed now, `last_sent_at`, `failing_since` (None while all is well) and `last_error`.
    """

    def __init__(
        self,
        target: str,
        notifier: Notifier,
        now: Now,
        report: Callable[[Report], None],
        chance: Callable[[], float],
        *,
        limit: int = MAX_OWED,
    ) -> None:
        self.target = target
        self.sent = self.failed = self.refused = self.dropped = 0
        self.last_sent_at: float | None = None
        self.failing_since: float | None = None
        self.last_error = ""
        self._notifier = notifier
        self._now = now
        self._report = report
        self._chance = chance
        self._limit = limit
        self._backlog: Backlog = Changes() if notifier.resend is None else Standing(notifier.resend)
        self._longest = LONGEST if notifier.resend is None else min(LONGEST, notifier.resend)
        self._changed = threading.Condition()  # guards the backlog and the three below
        self._woken = False
        self._not_before = float("-inf")
        self._asked_to_wait = False
        self._failures = 0
        self._tried_at = float("-inf")

    def adopt(self, notifier: Notifier) -> None:
        """Send to the receiver with other settings from now on. What is under way with the old ones is finished first:
        it is neither lost nor sent twice. `notifier` is of the same kind."""
        with self._changed:
            self._notifier = notifier
            if notifier.resend is not None and isinstance(self._backlog, Standing):
                self._backlog.resend = notifier.resend
                self._longest = min(LONGEST, notifier.resend)
            self._not_before = float("-inf")
            self._asked_to_wait = False
            self._wake()

    @property
    def queued(self) -> int:
        return len(self._backlog)

    def put(self, owed: Iterable[Owed]) -> list[Receipt]:
        """Take what is owed to this receiver, in order. Returns what will never be sent, to be forgotten: the oldest
        beyond the bound, and what another version of keeper stored."""
        lost: list[Receipt] = []
        with self._changed:
            for one in owed:
                try:
                    self._backlog.put(one.receipt, from_json(one.body))
                except ValueError:
                    lost.append(one.receipt)
            while len(self._backlog) > self._limit:
                lost.append(self._backlog.drop_oldest())
            self.dropped += len(lost)
            self._wake()
        return lost

    def level(self, notices: Sequence[Notice]) -> None:
        """Take what stands now: what fires, and what was resolved less than five minutes ago. What is owed, stays."""
        with self._changed:
            if self._backlog.level(notices):
                self._wake()

    def run(self, wait: Wait) -> None:
        """Send what there is, as soon as it is there, until `wait` says stop. What is owed is in the database."""
        while not wait(0):
            pause = self.turn()
            with self._changed:
                if not self._woken and pause > 0:
                    self._changed.wait(min(pause, IDLE))
                self._woken = False

    def turn(self) -> float:
        """Send what is due, if anything. Returns in how many seconds to look again if nothing new comes."""
        now = self._now()
        with self._changed:
            piece = self._backlog.piece(now) if now >= self._not_before else None
        if piece is not None:
            self._tried_at = now
            try:
                self._send(piece)
            except SendError as error:
                self._put_off(error)
        now = self._now()
        with self._changed:
            return max(self._not_before, self._backlog.due(now)) - now

    def _send(self, piece: Piece) -> None:
        """Raises SendError as soon as one is not taken; what is sent twice then does no harm."""
        given_up: set[Receipt] = set()
        for begin in range(0, len(piece.notices), self._notifier.batch):
            self._offer(piece.notices[begin : begin + self._notifier.batch], given_up)
        now = self._now()
        with self._changed:
            self._backlog.accepted(piece, now)
            self._failures = 0
            self._asked_to_wait = False
        done = tuple(receipt for receipt in piece.receipts if receipt not in given_up)
        if done:
            self._report(Delivered(self.target, done))
        if piece.notices:
            since, self.failing_since, self.last_error = self.failing_since, None, ""
            if since is not None:
                self._report(Recovered(self.target, since))

    def _offer(self, notices: list[Notice], given_up: set[Receipt]) -> None:
        """Send; of what is refused find the part that is at fault, so that the rest arrives."""
        try:
            self._notifier.send(notices)
        except Rejected as error:
            if len(notices) > 1:
                middle = len(notices) // 2
                self._offer(notices[:middle], given_up)
                self._offer(notices[middle:], given_up)
                return
            self.refused += 1
            with self._changed:
                receipts = self._backlog.refused(notices[0], self._now())
            given_up.update(receipts)
            self._report(Refused(self.target, tuple(receipts), notices[0].id, str(error)))
        else:
            self.sent += len(notices)
            self.last_sent_at = self._now()

    def _put_off(self, error: SendError) -> None:
        now = self._now()
        self.failed += 1
        with self._changed:
            self._failures += 1
            self._not_before = now + delay(self._failures, self._chance(), error.retry_after, self._longest)
            self._asked_to_wait = error.retry_after is not None
        if self.failing_since is None or str(error) != self.last_error:
            self.failing_since = now if self.failing_since is None else self.failing_since
            self.last_error = str(error)
            self._report(Failing(self.target, self.failing_since, self.last_error))

    def _wake(self) -> None:
        """Have the thread look now. A receiver that fails is tried at once for something new, once a second at most,
        unless it asked to be left alone."""
        if not self._asked_to_wait:
            self._not_before = min(self._not_before, self._tried_at + HURRY)
        self._woken = True
        self._changed.notify()
