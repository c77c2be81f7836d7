"""A store's SQLite file: making it, opening it, telling whose it is, and what its errors mean."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from keeper.errors import StateError
from keeper.receiver.packet import Poison
from keeper.receiver.stores.begun import Begun
from keeper.receiver.stores.store import StoreError
from keeper.runtime.schema import connect

BUSY_MS = 10_000  # how long a worker waits while others store
CACHE_KIB = 49_152
LOOKING_CACHE_KIB = 8192
WAL_PAGES = 4096  # 16 MiB: then what is in the log goes into the file
GONE = "was moved away; put it back, or start keeper again to begin a new one"
NOWHERE = (0, 0)  # the identity of a file that is not there
WAL_BYTES = 64 << 20  # so much of it, and the next worker waits until all of it is there


class Schema(NamedTuple):
    """What is in a file. `application` is what its header says about whose it is; it differs for each kind of store."""

    application: int
    version: int
    tables: str


class Writer:
    """A connection that stores, opened when it is first needed. For one thread. `begun` remembers that the file was
    there."""

    def __init__(self, path: Path, schema: Schema, begun: Begun | None = None) -> None:
        self.path = path
        self._schema = schema
        self._begun = begun
        self._db: sqlite3.Connection | None = None
        self._identity = NOWHERE

    def open(self) -> sqlite3.Connection:
        """The file is made when there is none. Raises StateError when it is another's or torn; then nothing was
        changed. StoreError when it may go well later."""
        if self._db is None:
            path = self.path
            try:
                if self._identity != NOWHERE and _identity(path) == NOWHERE:  # its disk may have been taken away
                    if self._begun is not None:
                        self._begun.allow(path)  # which says what else is needed
                    raise StoreError(f"{path} {GONE}")
                if not path.exists() or _is_empty(path):
                    if self._begun is not None:
                        self._begun.allow(path)
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    _make(path, self._schema)
                with closing(_connect(path, "mode=ro")) as db:
                    _identify(path, db, self._schema)
                db = _connect(path, "mode=rw")
                db.execute("PRAGMA synchronous = FULL")
                db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
                db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
                if self._begun is not None:
                    self._begun.note(path)
                self._identity = _identity(path)
                self._db = db
            except OSError as error:
                raise StoreError(f"{path} cannot be used: {error.strerror}") from error
            except sqlite3.Error as error:
                raise _refusal(path, error) from error
        return self._db

    def open_if_possible(self) -> None:
        """As `open`, but what may go well later is left to the first transaction. Raises StateError."""
        with suppress(StoreError):
            self.open()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and nobody else meanwhile. Raises StoreError, Poison."""
        try:
            db = self.open()
        except StateError as error:
            raise StoreError(str(error)) from error
        try:
            if _identity(self.path) != self._identity:  # what is written to it would be in nobody's store
                raise StoreError(f"{self.path} {GONE}")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except (sqlite3.DataError, sqlite3.ProgrammingError, OverflowError, UnicodeError) as error:
            raise Poison(f"SQLite cannot hold it: {error}") from error
        except sqlite3.Error as error:
            raise _trouble(self.path, error) from error
        except OSError as error:
            raise StoreError(f"{self.path} cannot be used: {error.strerror}") from error
        finally:
            if db.in_transaction:
                with suppress(sqlite3.Error):  # SQLite has done it itself
                    db.execute("ROLLBACK")
        self._keep_short(db)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _keep_short(self, db: sqlite3.Connection) -> None:
        """Where workers follow each other so closely that their log never comes to an end, have them wait for it."""
        with suppress(OSError, sqlite3.Error):  # what is stored is stored; the next one tries again
            if _beside(self.path, "-wal").stat().st_size > WAL_BYTES:
                db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()


class Looker:
    """A connection that only looks, opened when it is first needed. For one thread."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self.path = path
        self._schema = schema
        self._db: sqlite3.Connection | None = None
        self._identity = NOWHERE

    def ask(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """All rows of an answer. Raises StoreError."""
        with self.looking() as db:
            return db.execute(sql, values).fetchall()

    @contextmanager
    def looking(self) -> Iterator[sqlite3.Connection]:
        """At how all stands in one moment, and not for long: what is written meanwhile stays in the log. Raises
        StoreError."""
        try:
            db = self._open()
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")
        except StateError as error:
            raise StoreError(str(error)) from error
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error
        except OSError as error:  # a file server that is away, a folder that may not be entered any more
            raise StoreError(f"{self.path} cannot be looked at: {error.strerror}") from error

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _open(self) -> sqlite3.Connection:
        identity = _identity(self.path)
        if self._db is not None and identity == self._identity:
            return self._db
        self.close()
        if identity == NOWHERE or _is_empty(self.path):
            raise StoreError(f"{self.path} is not there: nothing has been stored yet, or its disk is not mounted")
        db = _connect(self.path, "mode=ro", LOOKING_CACHE_KIB)
        try:
            _identify(self.path, db, self._schema)
        except BaseException:
            db.close()
            raise
        self._db, self._identity = db, identity
        return db


def _trouble(path: Path, error: sqlite3.Error) -> StoreError | Poison:
    """What an error means to who stores."""
    if getattr(error, "sqlite_errorname", "") == "SQLITE_TOOBIG":
        return Poison(f"SQLite cannot hold it: {error}")
    return StoreError(f"{path}: {error}")


def _refusal(path: Path, error: sqlite3.Error) -> StoreError | StateError:
    """What an error means to who opens it."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_NOTADB":
        return StateError(f"{path} is not a database; move it away, or write another path in store")
    if name.startswith("SQLITE_CORRUPT"):
        return StateError(
            f"{path} is damaged ({error}); nothing was changed. Put a copy of it back, or move it away with "
            f"{path.name}-wal and {path.name}-shm and do what keeper says then: it begins a new one, which knows no "
            "packet that came before"
        )
    return StoreError(f"{path}: {error}")


def _connect(path: Path, query: str, cache_kib: int = CACHE_KIB) -> sqlite3.Connection:
    db = connect(path, query, BUSY_MS)
    db.execute(f"PRAGMA cache_size = -{cache_kib}")
    return db


def _make(path: Path, schema: Schema) -> None:
    """It appears whole, whoever is killed meanwhile: it is made under another name."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # other workers start at the same moment
        if path.exists() and not _is_empty(path):
            return
        log = _beside(path, "-wal")
        if log.exists() and log.stat().st_size > 0:  # SQLite would apply it to whatever file is there
            raise StateError(
                f"{path} is not there, but {log.name} is, which belongs to it; put the file back, or move its log away "
                "as well to begin a new one"
            )
        new = _beside(path, ".new")
        for left in (new, _beside(new, "-wal"), _beside(new, "-shm")):
            left.unlink(missing_ok=True)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(_connect(new, "mode=rw")) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {schema.application};"
                f"PRAGMA user_version = {schema.version}; {schema.tables} COMMIT;"
            )
        new.rename(path)
        os.fsync(folder)
    finally:
        os.close(folder)


def _identify(path: Path, db: sqlite3.Connection, schema: Schema) -> None:
    if _pragma(db, "application_id") != schema.application:
        raise StateError(f"{path} is the database of something else; move it away, or write another path in store")
    found = _pragma(db, "user_version")
    if found != schema.version:
        raise StateError(
            f"{path} is a store of version {found}, this keeper knows {schema.version}; start the keeper that wrote "
            "it, or write another path in store"
        )
    db.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _is_empty(path: Path) -> bool:
    """As a file is left where making it was interrupted."""
    found = path.stat()
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return NOWHERE
    return (found.st_dev, found.st_ino)


def _pragma(db: sqlite3.Connection, name: str) -> int:
    row: tuple[int] = db.execute(f"PRAGMA {name}").fetchone()
    return row[0]
