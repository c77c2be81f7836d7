"""failover.db: what a handing over of the role must not forget, and the only file that is written before it acts.

A file of its own, written by the failover thread alone (orders and drills of a person's come in beside it): what is
about to be done is on the disk before it is done, without waiting for the loop, and a full state database does not
keep the node from being paused.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from keeper.core.notice import valid
from keeper.errors import StateError
from keeper.failover.lease import Grant
from keeper.failover.state import Kept, Resumed

FILE = "failover.db"
APPLICATION_ID = 0x6B66616F
VERSION = 1
DEEDS = 20_000  # entries kept
ORDERS = 1000
BUSY_MS = 250  # how long the thread may wait for a person's order that is written at the same moment
ORDER_LASTS = 60.0  # seconds after which an order that nobody took is too old to be carried out
MAX_TEXT = 2000  # characters
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

TABLES = """
CREATE TABLE host (one INTEGER PRIMARY KEY CHECK (one = 1), instance TEXT NOT NULL, boot TEXT NOT NULL,
    kept TEXT NOT NULL, paused TEXT NOT NULL, fuse_from REAL NOT NULL);
CREATE TABLE deeds (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL,
    why TEXT NOT NULL, answer TEXT);
CREATE TABLE drills (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, good INTEGER NOT NULL,
    took REAL NOT NULL, text TEXT NOT NULL);
"""


class Deed(NamedTuple):
    """One line of the history: seconds since the Unix epoch, what kind, in words."""

    at: float
    kind: str
    text: str


class Order(NamedTuple):
    """What a person wants of this host. `answer` is None until it is known what came of it."""

    id: int
    at: float
    what: str
    who: str
    why: str
    answer: str | None = None


class Drill(NamedTuple):
    """`kind`: rehearsal, switch (there and back), or takeover (a planned one). `took` in seconds; `text` tells the
    steps, or what failed."""

    at: float
    kind: str
    good: bool
    took: float
    text: str


class Book:
    """For the failover thread. `write` never raises: `why` says what is wrong with the disk, empty while it is well."""

    def __init__(self, path: Path, db: sqlite3.Connection, boot: str) -> None:
        self.path = path
        self.why = ""
        self._db = db
        self._version = -1
        self._orders: list[Order] = []
        instance, last_boot, kept, self.paused, self.fuse_from = db.execute(
            "SELECT instance, boot, kept, paused, fuse_from FROM host"
        ).fetchone()
        self.instance = f"{instance}-{boot}"
        self._boot = boot
        self.kept = _kept(kept)
        if last_boot != boot:
            self.kept = self.kept._replace(grant=None)  # its end was on the clock of the last boot
        self._stored: Kept | None = None

    @classmethod
    def open(cls, state_dir: Path) -> Book:
        """Raises StateError."""
        path = state_dir / FILE
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            db = _connect(path)
            _create(db)
            return cls(path, db, boot_id())
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            raise StateError(
                f"{path} cannot be used: {error}; move it away and start again: what was done before is forgotten, and "
                "a node that runs is paused"
            ) from error

    def write(self, kept: Kept, deeds: Sequence[Deed]) -> bool:
        """Store both in one transaction, on the disk when it returns. False when they could not be."""
        if kept == self._stored and not deeds and not self.why:
            return True
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("UPDATE host SET kept = ?, boot = ?", (_text(kept), self._boot))
                self._db.executemany(
                    "INSERT INTO deeds (at, kind, text) VALUES (?, ?, ?)",
                    [(deed.at, deed.kind, valid(deed.text[:MAX_TEXT])) for deed in deeds],
                )
                if deeds:
                    self._db.execute("DELETE FROM deeds WHERE id <= (SELECT max(id) FROM deeds) - ?", (DEEDS,))
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self.why = f"{self.path} cannot be written: {error}"
            return False
        self.why, self._stored = "", kept
        return True

    def orders(self, now: float) -> list[Order]:
        """Those not answered yet, oldest first; read only when somebody wrote. Too old ones are answered here. It also
        brings `paused` and `fuse_from` to now."""
        try:
            version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self.paused, self.fuse_from = self._db.execute("SELECT paused, fuse_from FROM host").fetchone()
                self._orders = _open_orders(self._db)
                self._version = version
        except sqlite3.Error as error:
            self.why = f"{self.path} cannot be read: {error}"
        for order in [order for order in self._orders if not 0 <= now - order.at + 5.0 <= ORDER_LASTS + 5.0]:
            self.answer(order, "nobody carried it out in time, and now it is too old")
        return list(self._orders)

    def answer(self, order: Order, text: str) -> None:
        self._orders = [other for other in self._orders if other.id != order.id]
        try:
            self._db.execute("UPDATE orders SET answer = ? WHERE id = ?", (valid(text[:MAX_TEXT]), order.id))
        except sqlite3.Error as error:
            self.why = f"{self.path} cannot be written: {error}"

    def count(self, kind: str, since: float) -> int:
        """How many deeds of a kind there were after `since`, and after a person last looked. Raises nothing: 0 when it
        cannot be read, and then `why` says so and nothing is begun."""
        try:
            found: int = self._db.execute(
                "SELECT count(*) FROM deeds WHERE kind = ? AND at > ?", (kind, max(since, self.fuse_from))
            ).fetchone()[0]
        except sqlite3.Error as error:
            self.why = f"{self.path} cannot be read: {error}"
            return 0
        return found

    def last_deed(self, kinds: Sequence[str]) -> Deed | None:
        marks = ", ".join("?" * len(kinds))
        row = self._db.execute(
            f"SELECT at, kind, text FROM deeds WHERE kind IN ({marks}) ORDER BY id DESC LIMIT 1",  # noqa: S608  # ? only
            tuple(kinds),
        ).fetchone()
        return None if row is None else Deed(*row)

    def drills(self) -> list[Drill]:
        """The newest, newest last; none when they cannot be read."""
        try:
            return _drills(self._db)
        except sqlite3.Error as error:
            self.why = f"{self.path} cannot be read: {error}"
            return []

    def drilled(self, drill: Drill) -> None:
        """Remember it, if the disk takes it: that it is missing only makes a person drill once more."""
        with suppress(sqlite3.Error):
            _add_drill(self._db, drill)

    def close(self) -> None:
        self._db.close()


# -- beside a running keeper ---------------------------------------------------------------------------------------


@contextmanager
def beside(state_dir: Path) -> Iterator[sqlite3.Connection]:
    """The file of a keeper that may be running. Raises StateError."""
    path = state_dir / FILE
    if not path.exists():
        raise StateError(f"there is no {path}: no keeper with a [failover] section has run with this state_dir yet")
    try:
        with closing(_connect(path, busy=5000)) as db:
            yield db
    except sqlite3.Error as error:
        raise StateError(f"{path} cannot be used: {error}; run this as the user keeper runs as") from error


def give_order(state_dir: Path, what: str, who: str, why: str, at: float) -> int:
    """Its number. Raises StateError."""
    with beside(state_dir) as db:
        cursor = db.execute(
            "INSERT INTO orders (at, what, who, why) VALUES (?, ?, ?, ?)", (at, what, who, valid(why[:MAX_TEXT]))
        )
        db.execute("DELETE FROM orders WHERE id <= ?", ((cursor.lastrowid or 0) - ORDERS,))
        return cursor.lastrowid or 0


def answer_to(state_dir: Path, order: int) -> str | None:
    with beside(state_dir) as db:
        row = db.execute("SELECT answer FROM orders WHERE id = ?", (order,)).fetchone()
        return None if row is None else row[0]


def pause_here(state_dir: Path, why: str) -> None:
    """Pause automation on this host; an empty `why` ends it."""
    with beside(state_dir) as db:
        db.execute("UPDATE host SET paused = ?", (valid(why[:MAX_TEXT]),))


def mend_fuse(state_dir: Path, at: float) -> None:
    """A person looked: takeovers before do not count any more."""
    with beside(state_dir) as db:
        db.execute("UPDATE host SET fuse_from = ?", (at,))


def add_drill(state_dir: Path, drill: Drill) -> None:
    with beside(state_dir) as db:
        _add_drill(db, drill)


def history(state_dir: Path, limit: int) -> list[Deed]:
    """The newest, oldest first."""
    with beside(state_dir) as db:
        rows = db.execute("SELECT at, kind, text FROM deeds ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
        return [Deed(*row) for row in rows][::-1]


def drills(state_dir: Path) -> list[Drill]:
    with beside(state_dir) as db:
        return _drills(db)


def boot_id() -> str:
    return BOOT_ID.read_text().strip()[:8]


def _add_drill(db: sqlite3.Connection, drill: Drill) -> None:
    db.execute("INSERT INTO drills (at, kind, good, took, text) VALUES (?, ?, ?, ?, ?)", drill)
    db.execute("DELETE FROM drills WHERE id <= (SELECT max(id) FROM drills) - ?", (ORDERS,))


def _drills(db: sqlite3.Connection) -> list[Drill]:
    rows = db.execute("SELECT at, kind, good, took, text FROM drills ORDER BY id DESC LIMIT 50").fetchall()
    return [Drill(at, kind, bool(good), took, text) for at, kind, good, took, text in rows][::-1]


def _open_orders(db: sqlite3.Connection) -> list[Order]:
    rows = db.execute("SELECT id, at, what, who, why, answer FROM orders WHERE answer IS NULL ORDER BY id LIMIT 16")
    return [Order(*row) for row in rows]


def _connect(path: Path, busy: int = BUSY_MS) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=busy / 1000, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def _create(db: sqlite3.Connection) -> None:
    """Make the tables in an empty file. Raises ValueError for the file of another program or another version."""
    application: int = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if (application, version) == (APPLICATION_ID, VERSION):
        return
    if application or version or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ValueError(f"it is not keeper's, or of another version of keeper ({version}, this one knows {VERSION})")
    db.execute("BEGIN IMMEDIATE")
    for statement in TABLES.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("INSERT INTO host VALUES (1, ?, '', ?, '', 0.0)", (uuid4().hex[:12], _text(Kept())))
    db.execute("COMMIT")


def _text(kept: Kept) -> str:
    grant = None if kept.grant is None else list(kept.grant)
    return json.dumps([kept.epoch, grant, kept.resume.value, sorted(kept.hooks)])


def _kept(text: str) -> Kept:
    """Raises ValueError and TypeError."""
    epoch, grant, resume, hooks = json.loads(text)
    return Kept(epoch, None if grant is None else Grant(*grant), Resumed(resume), frozenset(hooks))
