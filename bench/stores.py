"""How fast packets become rows: SQLite with no key and with ten million, PostgreSQL, plain files, and what one would
write first: a transaction a packet, and `INSERT OR IGNORE` with the content's hash as primary key.

Packets have one event of some 200 bytes each, the costliest case, unless a line says otherwise. Rates are the median of
batches of 2,000, through `Store.store`; keys that are to be there are written by SQL, which is faster.
"""

from __future__ import annotations

import itertools
import os
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from bench.cost import peak
from bench.figures import Figure, at_least, below
from keeper.receiver.packet import CONTENT_BYTES, Event, Packet, canonical
from keeper.receiver.stores import files, postgresql, sqlite
from keeper.receiver.stores.sqlite_contents import RUN, Contents
from tests.peers.postgresql import PASSWORD, PostgreSQL

AT = 1_790_000_000.0
BATCH = 2000
NUMBERS = itertools.count(1)  # ids; those that are there beforehand are below
FIELDS = {
    "auid": 123_456_789, "nick": "Дарья Ж.", "server": "s17.example.net", "cluster": "eu", "timestamp": 1_422_020_878,
    "ip": "10.1.2.3", "faction": "League", "isdeveloper": False, "locale": "ru", "guildid": 5512, "leaverpoints": 2,
}  # fmt: skip


def figures(directory: Path, quick: bool) -> Iterator[Figure]:
    keys, batches = (20_000, 5) if quick else (10_000_000, 60)
    for named in (True, False):
        yield from _flat(directory, named, keys, batches)
    with closing(sqlite.open_store(directory / "eight.db")) as store:
        eight = _rate(store.store, batches // 2, events=8)
    yield at_least("SQLite, packets of 8 events", eight, 100_000, "rows/s")
    with closing(files.open_store(directory / "files")) as plain:
        yield Figure("plain files, lines of JSON", f"{_rate(plain.store, batches // 2):,.0f} rows/s")
    yield from _peers(directory, keys, batches // 2)
    with PostgreSQL() as server, closing(postgresql.open_store(server.address(), PASSWORD)) as other:
        yield at_least("PostgreSQL", _rate(other.store, batches // 2), 30_000, "rows/s")
        yield at_least("PostgreSQL, packets of 8 events", _rate(other.store, batches // 4, events=8), 30_000, "rows/s")


def _flat(directory: Path, named: bool, keys: int, batches: int) -> Iterator[Figure]:
    """In turns, as others may work on the machine."""
    kind = "with ids" if named else "without ids"
    path = directory / f"many-{named}.db"
    with closing(sqlite.open_store(path)) as store:
        store.store(_packets(named, 1)[:1])
    _fill(path, keys, named)
    with closing(sqlite.open_store(path)) as full, closing(sqlite.open_store(directory / f"{named}.db")) as empty:
        rates = [(_rate(empty.store, 2, named), _rate(full.store, 2, named)) for _ in range(batches // 2)]
    memory = _memory(path, named)
    path.unlink()
    none, many = (median(column) for column in zip(*rates, strict=True))
    yield at_least(f"SQLite, packets {kind}, no key there", none, 100_000, "rows/s")
    yield Figure(f"SQLite, packets {kind}, {keys:,} keys there", f"{many:,.0f} rows/s")
    yield at_least(f"rate {kind} with {keys:,} keys to rate with none", many / none, 0.8, "times")
    yield below(f"memory of a process that stores {kind}, {keys:,} keys there", memory, 200, "MiB")


def _memory(path: Path, named: bool) -> float:
    """The most that a process of its own needs, in MiB, to store some batches where all these keys are."""
    argv = [sys.executable, "-m", "bench.stores", str(path), *(["named"] if named else [])]
    return float(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def _peers(directory: Path, keys: int, batches: int) -> Iterator[Figure]:
    with closing(_hashed(directory / "hashed.db")) as db:
        none = _rate(lambda packets: _insert(db, packets), batches)
        _fill_hashed(db, keys)
        many = _rate(lambda packets: _insert(db, packets), batches)
        yield Figure("INSERT OR IGNORE by hash, no key there", f"{none:,.0f} rows/s")
        yield Figure(f"the same, {keys:,} keys there, and its ratio", f"{many:,.0f} rows/s, {many / none:.2f} times")
        single = _rate(lambda packets: _each(db, packets[: BATCH // 10]), 3) / 10
    yield Figure("the same, a transaction a packet", f"{single:,.0f} rows/s")


def _packets(named: bool, events: int) -> list[Packet]:
    found = []
    for number in itertools.islice(NUMBERS, BATCH):
        at = AT + number / 1000
        rows = [Event(at + n, canonical({**FIELDS, "auid": number})) for n in range(events)]
        found.append(Packet("s", number if named else None, "LoginUsers", at, secrets.token_bytes(CONTENT_BYTES), rows))
    return found


def _rate(store: Callable[[list[Packet]], object], batches: int, named: bool = True, events: int = 1) -> float:
    took = []
    for _ in range(max(batches, 2)):
        packets = _packets(named, events)
        began = time.perf_counter()
        store(packets)
        took.append(time.perf_counter() - began)
    return BATCH * events / median(took)


def _fill(path: Path, keys: int, named: bool) -> None:
    """As workers would have left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        contents = Contents()
        for first in range(0, keys, RUN):
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "INSERT INTO packets (source, id, type, at, content) WITH RECURSIVE n (i) AS"
                " (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " SELECT 1, iif(?, i, NULL), 1, ?, randomblob(16) FROM n",
                (first - keys, min(first + RUN, keys) - keys - 1, named, AT),
            )
            if not named:
                contents.update(db)
                contents.press(db)
            db.execute("COMMIT")


def _hashed(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_size = -65536")
    db.executescript(
        "CREATE TABLE IF NOT EXISTS packets (content BLOB PRIMARY KEY, source TEXT, id INTEGER, type TEXT, at REAL)"
        " WITHOUT ROWID; CREATE TABLE IF NOT EXISTS events (time REAL, source TEXT, type TEXT, fields TEXT);"
        " CREATE INDEX IF NOT EXISTS events_time ON events (time);"
        " CREATE INDEX IF NOT EXISTS events_type_time ON events (type, time)"
    )
    return db


def _fill_hashed(db: sqlite3.Connection, keys: int) -> None:
    db.execute(
        "INSERT INTO packets WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " SELECT randomblob(16), 's', i, 'LoginUsers', ? FROM n ORDER BY 1",
        (keys, AT),
    )


def _insert(db: sqlite3.Connection, packets: list[Packet]) -> None:
    db.execute("BEGIN IMMEDIATE")
    rows = []
    for p in packets:
        done = db.execute(
            "INSERT OR IGNORE INTO packets VALUES (?, ?, ?, ?, ?)", (p.content, p.source, p.id, p.type, p.at)
        )
        if done.rowcount:
            rows += [(time, p.source, p.type, fields.decode()) for time, fields in p.events]
    db.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
    db.execute("COMMIT")


def _each(db: sqlite3.Connection, packets: list[Packet]) -> None:
    for packet in packets:
        _insert(db, [packet])


if __name__ == "__main__":
    with closing(sqlite.open_store(Path(sys.argv[1]))) as stored:
        _rate(stored.store, 100, named="named" in sys.argv)
    print(peak(os.getpid()))
