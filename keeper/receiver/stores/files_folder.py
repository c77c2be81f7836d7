"""The folder of plain files: which there are, how long each is as far as it is committed, and where its next line goes.

The database beside the files decides. What stands in a file behind the length that is committed was written by a worker
that was killed, and is cut off before anything is appended. A file is in the database before its first byte is
written, and has its new name there before it is renamed: whoever is killed in between, the next worker sees what was
meant, and does it.
"""

from __future__ import annotations

import os
import sqlite3
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

OPEN_FILES = 64
CURRENT = 0  # the part that is appended to

TABLES = """
CREATE TABLE files (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, part INTEGER NOT NULL, length INTEGER NOT NULL,
    renamed INTEGER NOT NULL DEFAULT 1, UNIQUE (name, part)
);
"""


class Place(NamedTuple):
    """A file that may be appended to, and how long it is."""

    number: int
    length: int


class Folder:
    """For one thread. All methods but `close` belong into a transaction of the caller's, which keeps others out. What
    is `rotate_at` bytes long or longer is renamed to NAME.1, NAME.2 and so on; nothing is ever removed."""

    def __init__(self, path: Path, rotate_at: int) -> None:
        self.path = path
        self._rotate_at = rotate_at
        self._open: OrderedDict[str, int] = OrderedDict()

    def places(self, db: sqlite3.Connection, names: Collection[str]) -> dict[str, Place] | None:
        """Where to append; None when `prepare` must come first, in a transaction of its own."""
        found = {name: self._current(db, name) for name in names}
        ready = {name: place for name, place in found.items() if place is not None}
        return ready if len(ready) == len(found) else None

    def prepare(self, db: sqlite3.Connection, names: Collection[str]) -> None:
        """One step for each name towards a file that may be appended to. Raises OSError."""
        for name in names:
            row = db.execute("SELECT number, length FROM files WHERE name = ? AND part = ?", (name, CURRENT)).fetchone()
            moved = db.execute("SELECT number, part FROM files WHERE name = ? AND NOT renamed", (name,)).fetchone()
            size = self._size(name)
            if moved is not None:
                self._rename(name, moved[1])
                db.execute("UPDATE files SET renamed = 1 WHERE number = ?", (moved[0],))
            elif row is None:  # what an older server left is gone on with
                db.execute("INSERT INTO files (name, part, length) VALUES (?, ?, ?)", (name, CURRENT, size))
            elif size < row[1]:  # somebody took it away
                db.execute("UPDATE files SET part = ? WHERE number = ?", (-row[0], row[0]))
                db.execute("INSERT INTO files (name, part, length) VALUES (?, ?, ?)", (name, CURRENT, size))
            elif row[1] >= self._rotate_at:
                db.execute(
                    "UPDATE files SET part = ?, renamed = 0 WHERE number = ?", (self._next_part(db, name), row[0])
                )
                db.execute("INSERT INTO files (name, part, length) VALUES (?, ?, 0)", (name, CURRENT))

    def append(self, db: sqlite3.Connection, name: str, place: Place, data: bytes) -> None:
        """It is on the disk when this returns, and counts when the transaction is committed. Raises OSError."""
        file = self._opened(name)
        if os.fstat(file).st_size > place.length:
            os.ftruncate(file, place.length)
        left, offset = memoryview(data), place.length
        while left:
            written = os.pwrite(file, left, offset)
            left, offset = left[written:], offset + written
        os.fdatasync(file)
        db.execute("UPDATE files SET length = ? WHERE number = ?", (offset, place.number))

    def cut(self, db: sqlite3.Connection) -> None:
        """Cut off all that is not committed, in all files. Raises OSError."""
        for name, length in db.execute("SELECT name, length FROM files WHERE part = ?", (CURRENT,)).fetchall():
            renaming = db.execute("SELECT 1 FROM files WHERE name = ? AND NOT renamed", (name,)).fetchone()
            if renaming is None and self._size(name) > length:
                os.truncate(self.path / name, length)

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def _current(self, db: sqlite3.Connection, name: str) -> Place | None:
        rows = db.execute(
            "SELECT number, length FROM files WHERE name = ? AND (part = ? OR NOT renamed)", (name, CURRENT)
        ).fetchall()
        if len(rows) != 1 or rows[0][1] >= self._rotate_at or self._size(name) < rows[0][1]:
            return None
        return Place(*rows[0])

    def _size(self, name: str) -> int:
        try:
            return (self.path / name).stat().st_size
        except FileNotFoundError:
            return 0

    def _next_part(self, db: sqlite3.Connection, name: str) -> int:
        (part,) = db.execute("SELECT max(part) + 1 FROM files WHERE name = ?", (name,)).fetchone()
        while (self.path / f"{name}.{part}").exists():  # an older server's
            part += 1
        return int(part)

    def _rename(self, name: str, part: int) -> None:
        path = self.path / name
        target = self.path / f"{name}.{part}"
        if path.exists() and not target.exists():
            path.rename(target)
            self._sync()

    def _opened(self, name: str) -> int:
        path = self.path / name
        file = self._open.pop(name, None)
        if file is not None and (not path.exists() or not os.path.samestat(os.fstat(file), path.stat())):
            os.close(file)  # another worker renamed it
            file = None
        if file is None:
            while len(self._open) >= OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
            new = not path.exists()
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if new:
                self._sync()
        self._open[name] = file
        return file

    def _sync(self) -> None:
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
