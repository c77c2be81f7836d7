"""Finding packets by their content in SQLite, for sources that send packets without ids (*bare* ones).

Contents are random. In one index each new one would touch a page of its own, and cost five times as much with ten
million there as with none. So the newest are looked up in memory and nowhere else; when there are RUN of them they
are written down sorted, as a *run* that never changes. Filters say of nearly everything that is not in any run that
it is not, and of the rest in which runs it may be.

    packets ──newest, in memory of each worker──► run, filter ──► run, filter ──► ...

What is in memory is a copy of what stands in `packets` behind the last run, and of the filters: a worker reads there
what others stored, and forgets its copy when something goes wrong.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from keeper.receiver.stores.sqlite_rows import insert

if TYPE_CHECKING:
    from keeper.receiver.stores.sqlite_filters import Filters

RUN = 1 << 17  # contents: some 18 MiB of memory while they are the newest
FAR = 32 * RUN  # packets, of whatever source, behind the last run: a worker reads through them when it starts
EARLY = -1  # the run of what bare sources sent before they were

TABLES = """
CREATE TABLE runs (run INTEGER PRIMARY KEY, covered INTEGER NOT NULL);
CREATE TABLE planes (plane INTEGER PRIMARY KEY, bits BLOB NOT NULL);
CREATE TABLE contents (
    run INTEGER NOT NULL, source INTEGER NOT NULL, content BLOB NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (run, source, content)
) WITHOUT ROWID;
"""
NEWEST = """
SELECT p.number, p.source, p.content FROM packets AS p CROSS JOIN sources ON sources.number = p.source
WHERE p.number > ? AND p.number > sources.bare
"""
FIND = "SELECT number FROM contents WHERE run = ? AND source = ? AND content = ?"


class Contents:
    """All methods belong into a transaction of the caller's, who calls `forget` when it was not committed."""

    def __init__(self) -> None:
        self._newest: dict[int, dict[bytes, int]] = {}  # source → content → number of one packet that has it
        self._size = 0
        self._seen = 0  # packets up to this number are in memory or in runs
        self._covered = 0  # and up to this one in runs
        self._runs = 0
        self._filters: Filters | None = None  # None before the first run

    def forget(self) -> None:
        self.__init__()  # type: ignore[misc]  # as new

    def update(self, db: sqlite3.Connection) -> None:
        """Learn what was stored meanwhile, here or elsewhere."""
        known = self._runs
        for run, covered in db.execute("SELECT run, covered FROM runs WHERE run >= ? ORDER BY run", (known,)):
            self._runs = run + 1
            self._seen = self._covered = covered
        if self._runs > known:
            self._newest.clear()
            self._size = 0
            self._load(db, known)
        last = _last(db)
        for number, source, content in db.execute(NEWEST, (self._seen,)):
            self._newest.setdefault(source, {})[content] = number
            self._size += 1
        self._seen = last

    def learn(self, source: int, first: int, contents: Sequence[bytes]) -> None:
        """What the caller stored of this bare source after `update`, as packets from the number `first` on: so it need
        not be read again."""
        self._newest.setdefault(source, {}).update(zip(contents, itertools.count(first)))
        self._size += len(contents)
        self._seen += len(contents)

    def find(self, db: sqlite3.Connection, source: int, early: bool, contents: Collection[bytes]) -> dict[bytes, int]:
        """The numbers of packets of this bare source that have one of these contents, one for each content. `early`: it
        sent packets before it was bare."""
        newest = self._newest.get(source, {})
        found = {content: newest[content] for content in contents if content in newest}
        others = [content for content in contents if content not in found]
        maybe = [(content, EARLY) for content in others] if early else []
        if self._filters is not None:
            maybe += self._filters.ask(others)
        for content, run in maybe:
            if content not in found:
                row = db.execute(FIND, (run, source, content)).fetchone()
                if row is not None:
                    found[content] = row[0]
        return found

    def begin(self, db: sqlite3.Connection, source: int) -> bool:
        """A source that is bare from now on: what it sent before is looked for, too; False when that is nothing. Takes
        two seconds a million."""
        db.execute(
            "INSERT INTO contents SELECT ?, source, content, max(number) FROM packets WHERE source = ?"
            " AND id IS NOT NULL GROUP BY content",
            (EARLY, source),
        )
        early = bool(db.execute("SELECT changes()").fetchone()[0])
        db.execute("UPDATE sources SET bare = ?, early = ? WHERE number = ?", (_last(db), early, source))
        return early

    def press(self, db: sqlite3.Connection) -> None:
        """Write the newest down as a run when they are many, or spread over many packets."""
        if self._size < RUN and self._seen - self._covered < FAR:
            return
        run, last = self._runs, self._seen
        db.execute("INSERT INTO runs VALUES (?, ?)", (run, last))
        values: list[object] = []
        for source, newest in sorted(self._newest.items()):
            for content in sorted(newest):
                values += (run, source, content, newest[content])
        insert(db, "contents", ("run", "source", "content", "number"), values)
        from keeper.receiver.stores.sqlite_filters import plane_of, widened  # noqa: PLC0415  # see _load

        plane = plane_of(run)
        row = db.execute("SELECT bits FROM planes WHERE plane = ?", (plane,)).fetchone()
        contents = [content for newest in self._newest.values() for content in newest]
        bits = widened(row and row[0], run, contents)
        db.execute("INSERT OR REPLACE INTO planes VALUES (?, ?)", (plane, bits))
        self.update(db)

    def _load(self, db: sqlite3.Connection, known: int) -> None:
        """The planes of the runs from this one on."""
        # They bring numpy, 16 MiB, which need not be where all sources send ids.
        from keeper.receiver.stores.sqlite_filters import Filters, plane_of  # noqa: PLC0415

        self._filters = self._filters or Filters()
        planes = db.execute("SELECT plane, bits FROM planes WHERE plane >= ? ORDER BY plane", (plane_of(known),))
        for plane, bits in planes:
            self._filters.load(plane, bits)


def _last(db: sqlite3.Connection) -> int:
    """The number of the last packet."""
    (last,) = db.execute("SELECT coalesce(max(number), 0) FROM packets").fetchone()
    return int(last)
