"""The state database as a file: making it, and telling one that can be trusted from one that cannot."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from keeper.errors import StateError

APPLICATION_ID = 0x6B656570  # "keep"; `file` and sqlite3 show it
VERSION = 2
BUSY_MS = 250  # how long the loop may wait for a `keeper silence` that writes at the same moment
# The writer checkpoints itself only if `keep_short` (checkpoint.py) did not for so long: 16 MiB.
WAL_PAGES = 4096

TABLES = """
CREATE TABLE seen (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL);
CREATE TABLE positions (source TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE alerts (
    rule TEXT NOT NULL, subject TEXT NOT NULL, phase TEXT NOT NULL, since REAL NOT NULL,
    started REAL, resolved_at REAL, counts_from REAL, blind_since REAL,
    reason TEXT NOT NULL, number REAL, cause TEXT, held TEXT, incident INTEGER NOT NULL,
    PRIMARY KEY (rule, subject)
) WITHOUT ROWID;
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (target, key)
);
CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    text TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE silences (
    id INTEGER PRIMARY KEY AUTOINCREMENT, since REAL NOT NULL, until REAL NOT NULL, why TEXT NOT NULL,
    who TEXT NOT NULL, rule TEXT, subject TEXT
);
CREATE TABLE parcels (
    agent TEXT NOT NULL, number INTEGER NOT NULL, id INTEGER NOT NULL, content TEXT NOT NULL, key TEXT NOT NULL,
    at REAL NOT NULL, events INTEGER NOT NULL, size INTEGER NOT NULL, stand TEXT NOT NULL, outcome TEXT, code INTEGER,
    why TEXT NOT NULL, tries INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (agent, number)
);
"""

# What SQLite says when there is no room for the file it shares with its readers, before it even looks at the data.
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN", "SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_WRITE")


def connect(path: Path, query: str, busy_ms: int) -> sqlite3.Connection:
    """Connect to an existing file; `query` is that of an SQLite URI, such as `mode=ro`."""
    db = sqlite3.connect(
        f"file:{quote(str(path))}?{query}",
        uri=True,
        timeout=busy_ms / 1000,
        isolation_level=None,
        check_same_thread=False,
    )
    db.execute(f"PRAGMA busy_timeout = {busy_ms}")
    return db


def open_existing(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open a database another keeper left; False with it when there is no room to write.

    Nothing is written before the file was found to be whole and ours. Raises StateError.
    """
    try:
        _check(path, "mode=ro")
        return open_writer(path), True
    except sqlite3.Error as error:
        if error_name(error) not in _NO_ROOM:
            raise StateError(damaged(path, str(error))) from error
        return _cramped(path), False


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection that can write when the disk can. Raises sqlite3.Error."""
    db = connect(path, "mode=rw", BUSY_MS)
    try:
        # A commit is then safe from a kill -9 without waiting for the disk; a power failure takes back the last
        # moments as a whole, positions and what they led to together.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    except sqlite3.Error:
        db.close()
        raise
    return db


def create(path: Path) -> None:
    """Make the tables in an empty file, all or none. Raises sqlite3.Error."""
    db = connect(path, "mode=rw", BUSY_MS)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
            f"{TABLES} COMMIT;"
        )
    finally:
        db.close()


def is_empty(path: Path) -> bool:
    """True for no file, an empty one, and one whose making was interrupted before it held anything."""
    if not path.exists() or path.stat().st_size == 0:
        return True
    try:
        db = connect(path, "mode=ro", BUSY_MS)
        try:
            row: tuple[int] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return row[0] == 0 and _pragma(db, "application_id") == 0 and _pragma(db, "user_version") == 0
        finally:
            db.close()
    except sqlite3.Error:
        return False


def identify(path: Path, db: sqlite3.Connection) -> None:
    """Raises StateError for a foreign or newer file, and sqlite3.Error when it could not be looked at."""
    try:
        application = _pragma(db, "application_id")
    except sqlite3.DatabaseError as error:
        if error_name(error) == "SQLITE_NOTADB":
            raise StateError(f"{path} is not a database; move it away and start keeper again") from error
        raise
    if application != APPLICATION_ID:
        raise StateError(f"{path} is the database of another program; give keeper a state_dir of its own")
    version = _pragma(db, "user_version")
    if version != VERSION:
        raise StateError(
            f"{path} was written by {'a newer' if version > VERSION else 'another'} keeper "
            f"(version {version} of the database, this one knows {VERSION}); "
            "start that keeper, or move the file away and lose its positions and alert states"
        )


def damaged(path: Path, detail: str) -> str:
    return (
        f"{path} is damaged ({' '.join(detail.split())}); nothing was changed. Move it away with {path.name}-wal and "
        f"{path.name}-shm and start again: keeper begins anew, without the positions, alert states and history in it"
    )


def _cramped(path: Path) -> sqlite3.Connection:
    """Read what is in the file itself on a disk without room for more. Raises StateError."""
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size > 0:
        raise StateError(f"the disk of {path} is full and what an earlier keeper wrote last cannot be read; make room")
    try:
        _check(path, "immutable=1")
        return connect(path, "immutable=1", BUSY_MS)
    except sqlite3.Error as error:
        raise StateError(damaged(path, str(error))) from error


def error_name(error: BaseException) -> str:
    """SQLite's own name of the error; empty for one that is not SQLite's."""
    return getattr(error, "sqlite_errorname", "")


def _check(path: Path, query: str) -> None:
    """As `identify`, and raises StateError for a torn file."""
    db = connect(path, query, BUSY_MS)
    try:
        identify(path, db)
        problem = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        if problem != "ok":
            raise StateError(damaged(path, problem))
    finally:
        db.close()


def _pragma(db: sqlite3.Connection, name: str) -> int:
    row: tuple[int] = db.execute(f"PRAGMA {name}").fetchone()
    return row[0]
