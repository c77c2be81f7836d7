"""The default store: one SQLite file, with a row for each event."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keeper.receiver.packet import Packet
from keeper.receiver.stores import sqlite_keys
from keeper.receiver.stores.begun import Begun
from keeper.receiver.stores.rule import Numbered, time_of
from keeper.receiver.stores.sqlite_contents import Contents
from keeper.receiver.stores.sqlite_file import Looker, Schema, Writer
from keeper.receiver.stores.sqlite_keys import Keys
from keeper.receiver.stores.sqlite_reader import SqliteReader
from keeper.receiver.stores.sqlite_rows import insert
from keeper.receiver.stores.store import Stored

SCHEMA = Schema(
    application=0x6B707374,  # "kpst"
    version=1,
    tables=sqlite_keys.TABLES
    + """
CREATE TABLE events (
    number INTEGER PRIMARY KEY, time REAL NOT NULL, source INTEGER NOT NULL, type INTEGER NOT NULL,
    packet INTEGER NOT NULL, fields TEXT NOT NULL
);
CREATE INDEX events_time ON events (time);
CREATE INDEX events_type_time ON events (type, time);
""",
)
COLUMNS = ("time", "source", "type", "packet", "fields")


class SqliteStore:
    def __init__(self, file: Writer, keys: Keys) -> None:
        self._file = file
        self._keys = keys

    def store(self, packets: Sequence[Packet]) -> Stored:
        try:
            with self._file.transaction() as db:
                stored, new = self._keys.remember(db, packets)
                insert(db, "events", COLUMNS, _events(new))
        except BaseException:
            self._keys.forget()
            raise
        return stored

    def close(self) -> None:
        self._file.close()


def _events(new: Sequence[Numbered]) -> list[object]:
    """The values of all rows, as COLUMNS are. Raises UnicodeError."""
    values: list[object] = []
    for number, source, type, packet in new:
        for time, fields in packet.events:
            values += (time_of(time, packet.at), source, type, number, fields.decode())
    return values


def open_store(path: Path, begun: Begun | None = None) -> SqliteStore:
    """Raises StateError when the file can never be one; one that is locked or has no room yet is opened later."""
    file = Writer(path, SCHEMA, begun)
    file.open_if_possible()
    return SqliteStore(file, Keys(Contents()))


def open_reader(path: Path) -> SqliteReader:
    return SqliteReader(Looker(path, SCHEMA), Contents())
