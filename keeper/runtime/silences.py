"""Writing silences, from the process of a command, while keeper runs or not. Reading them is in records.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from keeper.core.notice import valid
from keeper.core.silence import Silence
from keeper.errors import StateError
from keeper.runtime.records import READER_BUSY_MS
from keeper.runtime.schema import connect, identify

MAX_SILENCES = 1000  # in force or to come at one time
KEPT_SECONDS = 30 * 86400.0  # after its end


def add_silence(path: Path, silence: Silence, now: float) -> int:
    """Store a silence and its journal entry, return its number. A running keeper sees it at its next turn.

    Raises StateError, also when there are 1,000 already.
    """
    text = f"silence for {silence.rule or 'every rule'} on {silence.subject or 'everything'}: {valid(silence.why)}"
    with _writing(path) as db:
        db.execute("DELETE FROM silences WHERE until < ?", (now - KEPT_SECONDS,))
        there: tuple[int] = db.execute("SELECT count(*) FROM silences WHERE until > ?", (now,)).fetchone()
        if there[0] >= MAX_SILENCES:
            raise StateError(f"there are {there[0]} silences already; end one first")
        row = db.execute(
            "INSERT INTO silences (since, until, why, who, rule, subject) VALUES (?, ?, ?, ?, ?, ?)",
            (silence.since, silence.until, valid(silence.why), valid(silence.who), silence.rule, silence.subject),
        )
        number = int(row.lastrowid or 0)
        _note(db, now, silence.subject or "keeper", text, f'{{"id": {number}, "until": {silence.until}}}')
        return number


def end_silence(path: Path, number: int, now: float) -> bool:
    """End a silence now; False when none of that number is in force or to come. Raises StateError."""
    with _writing(path) as db:
        changed = db.execute("UPDATE silences SET until = ? WHERE id = ? AND until > ?", (now, number, now)).rowcount
        if changed:
            _note(db, now, "keeper", f"silence {number} ended", f'{{"id": {number}}}')
        return bool(changed)


def _note(db: sqlite3.Connection, now: float, subject: str, text: str, detail: str) -> None:
    db.execute(
        "INSERT INTO journal (at, kind, subject, text, detail) VALUES (?, 'silence', ?, ?, ?)",
        (now, subject, text, detail),
    )


@contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction that waits for keeper's own, which take a millisecond."""
    if not path.exists():
        raise StateError(f"there is no {path}: no keeper has run with this state_dir yet")
    try:
        with closing(connect(path, "mode=rw", READER_BUSY_MS)) as db:
            identify(path, db)
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
    except sqlite3.Error as error:
        raise StateError(f"{path} cannot be written: {error}; run this as the user keeper runs as") from error
