"""The state database: the one place that writes what must outlive a restart.

What a piece of log led to is stored in one transaction with the position behind it, so that after a kill -9 both are
there or neither is.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, Self

from keeper.core.alert import Alert
from keeper.core.notice import Owed, Receipt, valid
from keeper.core.silence import Silence
from keeper.delivery.parcel import Change, Parcel
from keeper.errors import StateError
from keeper.runtime.pending import Pending
from keeper.runtime.records import Entry, Records, read_beside
from keeper.runtime.schema import create, is_empty, open_existing, open_writer

__all__ = ["FILE", "Entry", "Store"]

FILE = "keeper.db"
JOURNAL_ENTRIES = 100_000
PRUNED_AT_ONCE = 1000  # entries: a journal that got a lower bound shrinks over many commits, none of them long
RETRY_SECONDS = 1.0  # a full disk is asked once a second whether it is still full
MAX_TEXT = 4096  # characters
MAX_DETAIL = 65_536


class Store(Records):
    """Used by one thread. `commit` never raises: what cannot be written is kept and written later, and is part of what
    `positions`, `alerts` and `outbox` say.

    `failing_since` (None while all is well) and `last_error` say how it stands, `dropped_entries` and `dropped_owed`
    what was lost because it stood like that for too long.
    """

    def __init__(
        self, path: Path, db: sqlite3.Connection, writable: bool, lock: FileIO, wall: Callable[[], float]
    ) -> None:
        super().__init__(path, db)
        self.failing_since: float | None = None
        self.last_error = ""
        self._writable = writable
        self._lock = lock
        self._wall = wall
        self._pending = Pending()
        self._retry_at = 0.0
        self._silences: list[Silence] = []
        self._silences_of = -1

    @classmethod
    def open(cls, path: Path, wall: Callable[[], float]) -> Self:
        """Open or make the database. `wall` gives seconds on keeper's steady clock.

        Raises StateError when the file is foreign, newer, torn, not writable, or held by another keeper; then nothing
        was changed. A full disk is no reason not to watch: what is stored can be read, what comes is kept in memory.
        """
        lock = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _locked(path.with_suffix(".lock"))
            _check_writable(path)
            if is_empty(path):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
                create(path)
            db, writable = open_existing(path)
            return cls(path, db, writable=writable, lock=lock, wall=wall)
        except (OSError, sqlite3.Error, StateError) as error:
            if lock is not None:
                lock.close()
            if isinstance(error, StateError):
                raise
            detail = error.strerror if isinstance(error, OSError) else str(error)
            raise StateError(f"{path} cannot be used: {detail}; state_dir must be writable by keeper") from error

    @staticmethod
    def read(path: Path) -> Records:
        """Read the database beside a running keeper, without ever blocking it. Raises StateError."""
        return read_beside(path)

    def positions(self) -> dict[str, str]:
        return {**super().positions(), **self._pending.positions}

    def alerts(self) -> list[Alert]:
        stored = {(alert.rule, alert.subject): alert for alert in super().alerts()}
        return list({**stored, **self._pending.alerts}.values())

    def outbox(self, target: str) -> list[Owed]:
        owed = {one.receipt: one for one in super().outbox(target)}
        owed.update((receipt, one) for receipt, one in self._pending.owed.items() if receipt.target == target)
        return [one for receipt, one in owed.items() if receipt not in self._pending.delivered]

    def parcels(self, agent: str) -> list[Parcel]:
        known = {parcel.number: parcel for parcel in super().parcels(agent)}
        for change in self._pending.parcels.values():
            if change.agent == agent and change.parcel is not None:
                known[change.number] = change.parcel
            elif change.agent == agent:
                known.pop(change.number, None)
        return [known[number] for number in sorted(known)]

    @property
    def dropped_entries(self) -> int:
        return self._pending.dropped_entries

    @property
    def dropped_owed(self) -> int:
        return self._pending.dropped_owed

    def commit(
        self,
        positions: Mapping[str, str],
        alerts: Sequence[Alert],
        owed: Sequence[Owed],
        delivered: Iterable[Receipt],
        entries: Sequence[Entry],
        parcels: Iterable[Change] = (),
    ) -> bool:
        """Store all of it, with all that could not be stored before, in one transaction.

        False when the disk did not take it: it is kept, and tried again by a commit a second later or more.
        """
        self._pending.add(positions, alerts, owed, delivered, entries, parcels)
        now = self._wall()
        if self.failing_since is not None and now < self._retry_at:
            return False
        if not self._pending:
            return self.failing_since is None
        try:
            self._write(now)
        except sqlite3.Error as error:
            self.failing_since = now if self.failing_since is None else self.failing_since
            self.last_error = str(error)
            self._retry_at = now + RETRY_SECONDS
            return False
        self._pending.clear()
        self.failing_since = None
        return True

    def silences_now(self) -> Sequence[Silence]:
        """The silences not over. Reads them only when another process has written since the last time."""
        try:
            version: tuple[int] = self._db.execute("PRAGMA data_version").fetchone()
            if version[0] != self._silences_of:
                self._silences = self.silences_at(self._wall())
                self._silences_of = version[0]
        except (sqlite3.Error, StateError) as error:
            self.last_error = str(error)  # those known stay in force; commit says whether the file is well
        return self._silences

    def forget_targets(self, configured: Collection[str]) -> dict[str, int]:
        """Delete what is owed to targets that are no longer configured, and return how much that was of each."""
        known = {*self.targets(), *(receipt.target for receipt in self._pending.owed)}
        gone = {target: self.outbox(target) for target in sorted(known) if target not in configured}
        self.commit({}, (), (), [one.receipt for owed in gone.values() for one in owed], ())
        return {target: len(owed) for target, owed in gone.items()}

    def close(self) -> None:
        super().close()
        self._lock.close()

    def _write(self, now: float) -> None:
        if self._writable:
            try:
                self._fill(self._db, now)
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return
        roomy = open_writer(self.path)
        try:
            self._fill(roomy, now)
        except sqlite3.Error:
            roomy.close()
            raise
        self._db.close()
        self._db, self._writable, self._silences_of = roomy, True, -1

    def _fill(self, db: sqlite3.Connection, now: float) -> None:
        pending = self._pending
        entries = pending.entries
        if self.failing_since is not None:
            entries = [*entries, _outage(self.failing_since, now, self.last_error, pending)]
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT OR REPLACE INTO seen VALUES (1, ?)", (now,))
        db.executemany(
            "INSERT OR REPLACE INTO positions VALUES (?, ?)",
            [(valid(source), valid(position)) for source, position in pending.positions.items()],
        )
        db.executemany(
            "INSERT OR REPLACE INTO alerts (rule, subject, phase, since, started, resolved_at, counts_from,"
            " blind_since, reason, number, cause, held, incident) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_alert_row(alert) for alert in pending.alerts.values()],
        )
        db.executemany(
            "INSERT OR IGNORE INTO outbox (target, key, body) VALUES (?, ?, ?)",
            [(one.target, valid(one.key), valid(one.body)) for one in pending.owed.values()],
        )
        db.executemany(
            "DELETE FROM outbox WHERE target = ? AND key = ?",
            [(receipt.target, valid(receipt.key)) for receipt in pending.delivered],
        )
        _write_parcels(db, pending.parcels.values())
        if entries:
            db.executemany(
                "INSERT INTO journal (at, kind, subject, text, detail) VALUES (?, ?, ?, ?, ?)", map(_entry_row, entries)
            )
            db.execute(
                "DELETE FROM journal WHERE id IN (SELECT id FROM journal"
                " WHERE id <= (SELECT max(id) FROM journal) - ? ORDER BY id LIMIT ?)",
                (JOURNAL_ENTRIES, PRUNED_AT_ONCE + len(entries)),
            )
        db.execute("COMMIT")


def _write_parcels(db: sqlite3.Connection, changes: Collection[Change]) -> None:
    """Texts are written once; what changes afterwards is how a packet stands."""
    db.executemany(
        "DELETE FROM parcels WHERE agent = ? AND number = ?",
        [(change.agent, change.number) for change in changes if change.parcel is None],
    )
    kept = [(change.agent, change.parcel, change.data) for change in changes if change.parcel is not None]
    db.executemany(
        "INSERT OR REPLACE INTO parcels (agent, number, id, content, key, at, events, size, stand, outcome, code, why,"
        " tries, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (agent, p.number, p.id, p.content, valid(p.key), p.at, p.events, p.size, p.stand.value, p.outcome, p.code,
             valid(p.why), p.tries, data)
            for agent, p, data in kept if data is not None
        ],
    )  # fmt: skip
    db.executemany(
        "UPDATE parcels SET stand = ?, outcome = ?, code = ?, why = ?, tries = ? WHERE agent = ? AND number = ?",
        [
            (p.stand.value, p.outcome, p.code, valid(p.why), p.tries, agent, p.number)
            for agent, p, data in kept if data is None
        ],
    )  # fmt: skip


def _alert_row(alert: Alert) -> tuple[Any, ...]:
    return (
        valid(alert.rule),
        valid(alert.subject),
        alert.phase.value,
        alert.since,
        alert.started,
        alert.resolved_at,
        alert.counts_from,
        alert.blind_since,
        valid(alert.reason),
        alert.number,
        None if alert.cause is None else valid(alert.cause),
        None if alert.held is None else valid(alert.held),
        alert.incident,
    )


def _entry_row(entry: Entry) -> tuple[Any, ...]:
    detail = json.dumps(dict(entry.detail), default=str)
    if len(detail) > MAX_DETAIL:
        detail = json.dumps({"cut": len(detail)})
    return (entry.at, valid(entry.kind), valid(entry.subject), valid(entry.text[:MAX_TEXT]), detail)


def _outage(since: float, now: float, error: str, pending: Pending) -> Entry:
    """The journal's own line on the time it could not be written. The counts are those since keeper's start."""
    return Entry(
        now,
        "state",
        "keeper",
        f"the state database could not be written for {now - since:.0f} s: {error}",
        {"since": since, "dropped_entries": pending.dropped_entries, "dropped_owed": pending.dropped_owed},
    )


def _check_writable(path: Path) -> None:
    """Raises StateError. SQLite itself would open what it cannot write, and say so at the first commit only."""
    for place, wanted in ((path.parent, os.R_OK | os.W_OK | os.X_OK), (path, os.R_OK | os.W_OK)):
        if place.exists() and not os.access(place, wanted):
            raise StateError(f"{place} is not writable by user {os.geteuid()}; give it to the user keeper runs as")


def _locked(path: Path) -> FileIO:
    """Take the lock for as long as the file is open. Raises StateError, naming the holder."""
    lock = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = lock.read(20).decode("ascii", "replace").strip() or "unknown"
        lock.close()
        raise StateError(
            f"{path.parent} is in use by another keeper (pid {holder}); stop it, or give this one its own state_dir"
        ) from error
    with suppress(OSError):  # a full disk: the lock holds without a number in it
        lock.truncate(0)
        lock.write(b"%d\n" % os.getpid())
    return lock
