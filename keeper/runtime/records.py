"""Reading the state database: the loop at its start, and other processes at any time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keeper.core.alert import Alert, Phase
from keeper.core.notice import Owed
from keeper.core.silence import Silence
from keeper.delivery.parcel import Parcel, Stand
from keeper.errors import StateError
from keeper.runtime.schema import connect, damaged, identify

READER_BUSY_MS = 5000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal. `id` is 0 until it is stored. `detail` is anything JSON can say."""

    at: float
    kind: str
    subject: str
    text: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


class Records:
    """What the state database holds, read at once: no reader keeps the file open for the writer to wait for.

    Every method raises StateError when the file cannot be read.
    """

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db

    def close(self) -> None:
        self._db.close()

    def last_seen(self) -> float | None:
        """When a keeper last committed, on its steady clock; None for a new database."""
        with self._readable():
            row: tuple[float] | None = self._db.execute("SELECT at FROM seen").fetchone()
            return None if row is None else row[0]

    def positions(self) -> dict[str, str]:
        """Where each source shall go on, by its name."""
        with self._readable():
            return dict(self._db.execute("SELECT source, position FROM positions"))

    def alerts(self) -> list[Alert]:
        with self._readable():
            rows = self._db.execute(
                "SELECT rule, subject, phase, since, started, resolved_at, counts_from, blind_since,"
                " reason, number, cause, held, incident FROM alerts ORDER BY rule, subject"
            )
            return [Alert(rule, subject, Phase(phase), *rest) for rule, subject, phase, *rest in rows]

    def outbox(self, target: str) -> list[Owed]:
        """What the target has not accepted yet, oldest first."""
        with self._readable():
            rows = self._db.execute("SELECT target, key, body FROM outbox WHERE target = ? ORDER BY id", (target,))
            return [Owed(*row) for row in rows]

    def targets(self) -> list[str]:
        """Whoever is owed something, configured still or not."""
        with self._readable():
            return [target for (target,) in self._db.execute("SELECT DISTINCT target FROM outbox ORDER BY target")]

    def history(
        self,
        limit: int = 1000,
        since: float = float("-inf"),
        until: float = float("inf"),
        subject: str | None = None,
        kinds: Collection[str] = (),
    ) -> list[Entry]:
        """The newest `limit` entries of the journal that fit, oldest first; no `kinds` means all of them."""
        conditions = ["at >= ?", "at < ?"]
        values: list[float | str] = [since, until]
        if subject is not None:
            conditions.append("subject = ?")
            values.append(subject)
        if kinds:
            conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
            values.extend(kinds)
        with self._readable():
            rows = self._db.execute(
                "SELECT at, kind, subject, text, detail, id FROM journal"  # noqa: S608  # literals and ? only
                f" WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?",
                (*values, limit),
            )
            newest = [Entry(at, kind, about, text, json.loads(detail), n) for at, kind, about, text, detail, n in rows]
        return newest[::-1]

    def silences_at(self, now: float) -> list[Silence]:
        """Those not over at `now`, oldest first."""
        with self._readable():
            rows = self._db.execute(
                "SELECT id, since, until, why, who, rule, subject FROM silences WHERE until > ? ORDER BY id", (now,)
            )
            return [Silence(*row) for row in rows]

    def parcels(self, agent: str) -> list[Parcel]:
        """What has not arrived of an agent, in order of sending, without the texts."""
        with self._readable():
            rows = self._db.execute(
                "SELECT number, id, content, key, at, events, size, stand, outcome, code, why, tries FROM parcels"
                " WHERE agent = ? ORDER BY number",
                (agent,),
            )
            return [Parcel._make(row)._replace(stand=Stand(row[7])) for row in rows]

    def parcel_text(self, agent: str, number: int) -> bytes | None:
        """A packet's list as the agent logged it; None when it is no longer kept."""
        with self._readable():
            row: tuple[bytes] | None = self._db.execute(
                "SELECT data FROM parcels WHERE agent = ? AND number = ?", (agent, number)
            ).fetchone()
            return None if row is None else row[0]

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StateError(f"{self.path} cannot be read: {error}") from error
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise StateError(damaged(self.path, str(error))) from error


def read_beside(path: Path) -> Records:
    """Read the database of a keeper that may be running. Raises StateError."""
    if not path.exists():
        raise StateError(f"there is no {path}: no keeper has run with this state_dir yet")
    db = None
    try:
        db = connect(path, "mode=ro", READER_BUSY_MS)
        identify(path, db)
    except (sqlite3.Error, StateError) as error:
        if db is not None:
            db.close()
        if isinstance(error, StateError):
            raise
        raise StateError(f"{path} cannot be read: {error}; run this as the user keeper runs as") from error
    return Records(path, db)
