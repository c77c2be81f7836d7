"""A connection to PostgreSQL: made when it is needed, made again after it broke, and what its errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from keeper.errors import StateError
from keeper.receiver.packet import Poison
from keeper.receiver.stores.store import StoreError

Connection = psycopg.Connection[Any]

VERSION = 1
# A host that is gone is noticed in half a minute, also by who only waits for an answer. In seconds, but for the last.
TIMEOUTS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
SETTINGS = """
SET search_path = keeper, pg_catalog; SET statement_timeout = '60s'; SET lock_timeout = '30s';
SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning;
"""
# What is stored is on the disk when COMMIT answers, whatever is usual there. Statistics that lag behind a table that
# grows must not lead to reading all of it.
STORING = """
SET synchronous_commit = on; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET plan_cache_mode = force_generic_plan;
"""
LOOKING = "SET default_transaction_read_only = on"

TABLES = """
CREATE SCHEMA keeper;
CREATE TABLE keeper.about (keeper_store integer NOT NULL);
CREATE TABLE keeper.sources (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE,
    bare boolean NOT NULL DEFAULT false
);
CREATE TABLE keeper.types (number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE SEQUENCE keeper.batches;
CREATE TABLE keeper.packets (
    number bigint PRIMARY KEY, source integer NOT NULL, id bigint, type integer NOT NULL, at double precision NOT NULL,
    content bytea NOT NULL
);
CREATE UNIQUE INDEX names ON keeper.packets (source, id, content) WHERE id IS NOT NULL;
CREATE TABLE keeper.contents (
    source integer NOT NULL, content bytea NOT NULL, number bigint NOT NULL, PRIMARY KEY (source, content)
);
CREATE TABLE keeper.events (
    time double precision NOT NULL, packet bigint NOT NULL, place integer NOT NULL, source integer NOT NULL,
    type integer NOT NULL, fields jsonb NOT NULL
);
CREATE INDEX events_time ON keeper.events (time, packet, place);
CREATE INDEX events_type_time ON keeper.events (type, time, packet, place);
CREATE TABLE keeper.counts (
    hour bigint NOT NULL, source integer NOT NULL, type integer NOT NULL, packets bigint NOT NULL,
    events bigint NOT NULL, PRIMARY KEY (hour, source, type)
);
"""
MAKING = 0x6B707374  # the lock of who makes the tables


class Link:
    """For one thread. `url` has no password and may be shown. `settings` are for STORING or LOOKING."""

    def __init__(self, url: str, password: str, settings: str) -> None:
        self._url = url
        self._password = password
        self._settings = settings
        self._db: Connection | None = None

    def open(self) -> Connection:
        """Connect; who stores makes the tables where nothing is. Raises StateError when what is there is not keeper's,
        StoreError when it may go well later."""
        if self._db is not None and not self._db.closed:
            return self._db
        # psycopg and libpq have options of all types, by name.
        options: dict[str, Any] = {**TIMEOUTS, "application_name": "keeper", "client_encoding": "utf8"}
        if self._password:
            options["password"] = self._password
        try:
            db: Connection = psycopg.connect(self._url, autocommit=True, **options)
            try:
                db.execute(SETTINGS)
                if self._settings is STORING:
                    _make(db)
                _identify(db)
                db.execute(self._settings)
            except BaseException:
                db.close()
                raise
        except (psycopg.Error, OSError, UnicodeError) as error:
            raise StoreError(self._said(error)) from error
        self._db = db
        return db

    def open_if_possible(self) -> None:
        """As `open`, but what may go well later is left to the first question. Raises StateError."""
        with suppress(StoreError):
            self.open()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing. Raises StoreError, Poison."""
        with self.asking() as db, db.transaction():
            yield db

    @contextmanager
    def asking(self) -> Iterator[Connection]:
        """Each statement by itself. Raises StoreError, Poison."""
        try:
            yield self.open()
        except StateError as error:
            raise StoreError(str(error)) from error
        except (psycopg.DataError, UnicodeError) as error:
            raise Poison(f"PostgreSQL cannot hold it: {self._said(error)}") from error
        except psycopg.Error as error:
            if (error.sqlstate or "").startswith("54"):  # more than PostgreSQL can do, as nested too deeply
                raise Poison(f"PostgreSQL cannot hold it: {self._said(error)}") from error
            self.close()  # whatever state it is in
            raise StoreError(self._said(error)) from error

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _said(self, error: Exception) -> str:
        """An error in one line, without secrets."""
        text = " ".join(str(error).split()) or type(error).__name__
        return text.replace(self._password, "***") if self._password else text


def _make(db: Connection) -> None:
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))  # other workers start at the same moment
        if db.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'keeper'").fetchone() is None:
            db.execute(TABLES)
            db.execute("INSERT INTO keeper.about VALUES (%s)", (VERSION,))


def _identify(db: Connection) -> None:
    place = f"the schema keeper in the database {db.info.dbname}"
    if db.execute("SELECT to_regnamespace('keeper') IS NULL").fetchone() == (True,):
        raise StoreError(f"{place} is not there: nothing has been stored yet")
    try:
        row = db.execute("SELECT keeper_store FROM keeper.about").fetchone()
    except psycopg.ProgrammingError as error:  # no such table, no such column, or not for this user
        raise StateError(
            f"{place} is not a store of keeper's, or of another user: {' '.join(str(error).split())}; write another "
            "database in store, or rename the schema"
        ) from error
    found = row[0] if row else None
    if found != VERSION:
        raise StateError(
            f"{place} is a store of version {found}, this keeper knows {VERSION}; start the keeper that made it, or "
            "write another database in store"
        )
