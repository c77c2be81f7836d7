"""Plain files PROD_DATE.dat, as log servers have always kept them, and beside them a database that knows what is there.

Lines PROD DATE DATA are appended as DATA, events of other packets as a line of JSON to the file of their type and their
day (UTC). A batch is appended and on the disk before the database commits its names and the new lengths of the files:
what a worker that was killed left behind these lengths is cut off, so that each packet is there once. The folder
belongs to keeper alone: a line that another program appends is cut off, too. Files may be taken away at any time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from keeper.receiver.packet import Packet
from keeper.receiver.stores import files_folder, sqlite_keys
from keeper.receiver.stores.begun import Begun
from keeper.receiver.stores.files_folder import CURRENT, Folder, Place
from keeper.receiver.stores.files_lines import Line, fields_of, line_of
from keeper.receiver.stores.rule import Numbered, time_of
from keeper.receiver.stores.sqlite_contents import Contents
from keeper.receiver.stores.sqlite_file import Looker, Schema, Writer
from keeper.receiver.stores.sqlite_keys import Keys
from keeper.receiver.stores.sqlite_reader import KeysReader, walk
from keeper.receiver.stores.sqlite_rows import insert
from keeper.receiver.stores.store import Row, Stored, StoreError

DATABASE = "packets.db"
ROTATE_AT = 400_000_000  # bytes, as log servers did; but nothing is removed
STEPS = 5  # towards a file that may be appended to, with other workers in between
SCHEMA = Schema(
    application=0x6B707366,  # "kpsf"
    version=1,
    tables=sqlite_keys.TABLES
    + files_folder.TABLES
    + """
CREATE TABLE events (
    number INTEGER PRIMARY KEY, time REAL NOT NULL, source INTEGER NOT NULL, type INTEGER NOT NULL,
    packet INTEGER NOT NULL, file INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
    raw INTEGER NOT NULL
);
CREATE INDEX events_time ON events (time);
CREATE INDEX events_type_time ON events (type, time);
""",
)
COLUMNS = ("time", "source", "type", "packet", "file", "start", "length", "raw")


class Unprepared(Exception):  # noqa: N818  # it only leaves a transaction
    """These files cannot be appended to as they are."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(*names)
        self.names = names


class FilesStore:
    def __init__(self, database: Writer, keys: Keys, folder: Folder) -> None:
        self._database = database
        self._keys = keys
        self._folder = folder

    def open(self) -> None:
        """Raises StateError when the folder can never be one; one without room for now is opened by the first batch."""
        self._database.open_if_possible()
        with suppress(StoreError), self._database.transaction() as db:
            self._folder.cut(db)

    def store(self, packets: Sequence[Packet]) -> Stored:
        for _ in range(STEPS):
            try:
                with self._database.transaction() as db:
                    stored, new = self._keys.remember(db, packets)
                    self._write(db, new)
                return stored
            except Unprepared as unprepared:
                self._keys.forget()
                with self._database.transaction() as db:
                    self._folder.prepare(db, unprepared.names)
            except BaseException:
                self._keys.forget()
                raise
        raise StoreError(f"{self._folder.path}: files in it are taken away all the time")

    def close(self) -> None:
        self._folder.close()
        self._database.close()

    def _write(self, db: sqlite3.Connection, new: Sequence[Numbered]) -> None:
        lines: dict[str, list[tuple[Numbered, float, Line]]] = {}
        for one in new:
            for time, fields in one.packet.events:
                line = line_of(one.packet, time, fields)
                lines.setdefault(line.name, []).append((one, time_of(time, one.packet.at), line))
        places = self._folder.places(db, lines)
        if places is None:
            raise Unprepared(list(lines))
        for name, found in lines.items():
            _index(db, places[name], found)
            self._folder.append(db, name, places[name], b"".join(map(_bytes_of, found)))


class FilesReader(KeysReader):
    def __init__(self, path: Path, file: Looker, contents: Contents) -> None:
        super().__init__(file, contents)
        self._path = path

    def rows(self, since: float, until: float, source: str | None = None, type: str | None = None) -> Iterator[Row]:
        """Without events whose file was taken away."""
        for time, of_source, of_type, file, start, length, raw, id, at in walk(
            self._file, "e.file, e.start, e.length, e.raw", since, until, source, type
        ):
            where = self._where(file)
            fields = self._read(*where, start, length, raw)
            while where != (where := self._where(file)):  # it was renamed meanwhile
                fields = self._read(*where, start, length, raw)
            if fields is not None:
                yield Row(time, of_source, of_type, fields, id, at)

    def _where(self, number: int) -> tuple[str, str]:
        """A file's name, and that under which it is found now."""
        [(name, part, renamed)] = self._file.ask("SELECT name, part, renamed FROM files WHERE number = ?", (number,))
        return name, name if part == CURRENT or not renamed else f"{name}.{part}"

    def _read(self, name: str, now: str, start: int, length: int, raw: int) -> str | None:
        place = self._path / now
        try:
            with place.open("rb") as file:
                body = os.pread(file.fileno(), length, start)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{place} cannot be read: {error.strerror}") from error
        return fields_of(name, body, bool(raw)) if len(body) == length else None


def _bytes_of(found: tuple[Numbered, float, Line]) -> bytes:
    line = found[2]
    return line.before + line.body + line.after


def _index(db: sqlite3.Connection, place: Place, lines: Sequence[tuple[Numbered, float, Line]]) -> None:
    """Where in the file the fields of each event will be."""
    values: list[object] = []
    offset = place.length
    for one, time, line in lines:
        start = offset + len(line.before)
        values += (time, one.source, one.type, one.number, place.number, start, len(line.body), line.raw)
        offset = start + len(line.body) + len(line.after)
    insert(db, "events", COLUMNS, values)


def open_store(path: Path, rotate_at: int = ROTATE_AT, begun: Begun | None = None) -> FilesStore:
    """Raises StateError."""
    store = FilesStore(Writer(path / DATABASE, SCHEMA, begun), Keys(Contents()), Folder(path, rotate_at))
    store.open()
    return store


def open_reader(path: Path) -> FilesReader:
    return FilesReader(path, Looker(path / DATABASE, SCHEMA), Contents())
