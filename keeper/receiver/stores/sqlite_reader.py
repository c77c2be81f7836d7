"""Looking into SQLite beside workers that store: in short questions, each of them bounded, so that what workers write
never waits for who looks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from keeper.receiver.stores.sqlite_contents import Contents
from keeper.receiver.stores.sqlite_file import Looker
from keeper.receiver.stores.sqlite_keys import nameless
from keeper.receiver.stores.store import Count, Range, Row

IDS_AT_ONCE = 50_000
EVENTS_AT_ONCE = 2000
BYTES_AT_ONCE = 4 << 20

FIND_ID = "SELECT 1 FROM packets WHERE source = ? AND id = ? AND content = ?"
# Of a source that has no index of contents: all of its packets are looked through, a second or two for ten million.
SEEK = (
    "SELECT DISTINCT content FROM packets WHERE source = ? AND id IS NOT NULL"
    " AND hex(content) IN (SELECT value FROM json_each(?))"
)


class KeysReader:
    """What can be asked about names and counts, which every store in SQLite has."""

    def __init__(self, file: Looker, contents: Contents) -> None:
        self._file = file
        self._contents = contents

    def stored(self, source: str, ranges: Sequence[Range]) -> list[Range]:
        number, _, _ = self._source(source)
        found: list[Range] = []
        for first, last in sorted(ranges):
            begin = max(first, found[-1].last + 1) if found else first
            for id in self._ids(number, begin, last):
                if found and id == found[-1].last + 1:
                    found[-1] = Range(found[-1].first, id)
                else:
                    found.append(Range(id, id))
        return found

    def held(self, source: str, names: Collection[tuple[int | None, bytes]]) -> set[tuple[int | None, bytes]]:
        number, bare, early = self._source(source)
        with self._file.looking() as db:
            found: set[tuple[int | None, bytes]] = {
                (id, content)
                for id, content in names
                if id is not None and db.execute(FIND_ID, (number, id, content)).fetchone()
            }
            left = {(id, content) for id, content in names if (id, content) not in found}
            if bare:
                there = self._by_content(db, number, early, {content for _, content in left})
                return found | {(id, c) for id, c in left if c in there and (id is None or there[c] is not None)}
            wanted = [content.hex().upper() for id, content in left if id is None]
            if wanted:
                found |= {(None, row[0]) for row in db.execute(SEEK, (number, json.dumps(wanted)))}
        return found

    def counts(self, since: float, until: float) -> list[Count]:
        rows = self._file.ask(
            "SELECT hour, sources.name, types.name, packets, events FROM counts"
            " JOIN sources ON sources.number = counts.source JOIN types ON types.number = counts.type"
            " WHERE hour >= ? AND hour < ? ORDER BY hour, sources.name, types.name",
            (since, until),
        )
        return [Count._make(row) for row in rows]

    def close(self) -> None:
        self._file.close()

    def _source(self, name: str) -> tuple[int, bool, bool]:
        """Its number, whether it sends packets without id, and sent any before it did; 0 for one nothing came from."""
        rows = self._file.ask("SELECT number, bare IS NOT NULL, early FROM sources WHERE name = ?", (name,))
        return (rows[0][0], bool(rows[0][1]), bool(rows[0][2])) if rows else (0, False, False)

    def _by_content(
        self, db: sqlite3.Connection, source: int, early: bool, contents: Collection[bytes]
    ) -> dict[bytes, int | None]:
        """As `nameless`."""
        try:
            self._contents.update(db)
            return nameless(db, self._contents.find(db, source, early, contents))
        except sqlite3.Error:
            self._contents.forget()
            raise

    def _ids(self, source: int, first: int, last: int) -> Iterator[int]:
        while first <= last:
            rows = self._file.ask(
                "SELECT DISTINCT id FROM packets WHERE source = ? AND id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                (source, first, last, IDS_AT_ONCE),
            )
            yield from (row[0] for row in rows)
            if len(rows) < IDS_AT_ONCE:
                return
            first = rows[-1][0] + 1


# The place after an event, as an index finds it: first what has the very same time, then what is later.
SAME = "e.time = :since AND e.number > :number"
LATER = "e.time > :since AND e.time < :until"
ORDER = "ORDER BY e.time, e.number"
KEYS = "SELECT e.time, e.number FROM events AS e"
FROM = (
    "FROM events AS e CROSS JOIN packets ON packets.number = e.packet CROSS JOIN sources ON sources.number = e.source"
    " CROSS JOIN types ON types.number = e.type"
)


class SqliteReader(KeysReader):
    def rows(self, since: float, until: float, source: str | None = None, type: str | None = None) -> Iterator[Row]:
        return map(Row._make, walk(self._file, "e.fields", since, until, source, type))


def walk(
    file: Looker, what: str, since: float, until: float, source: str | None, type: str | None
) -> Iterator[tuple[Any, ...]]:
    """Events in the order of time: time, source, type, `what` (columns of the event), id and at of the packet. Piece by
    piece, each of them a question of its own."""
    wanted: dict[str, Any] = {"since": since, "until": until, "number": 0, "source": source, "type": type}
    place = SAME
    while wanted["since"] < until:
        rows, end = _piece(file, what, place, wanted)
        yield from (row[:-1] for row in rows)
        if end is not None:
            wanted["since"], wanted["number"] = end
            place = SAME
        elif place is SAME:
            place = LATER
        else:
            return


def _piece(file: Looker, what: str, place: str, wanted: dict[str, Any]) -> tuple[list[Any], tuple[float, int] | None]:
    """Some events of this place, and the last one that was looked at: None behind the last there is. It ends after so
    many that were looked at, and so many bytes."""
    where, only = place, ""
    if wanted["type"] is not None:
        where += " AND e.type = (SELECT number FROM types WHERE name = :type)"
    if wanted["source"] is not None:
        only = " AND e.source = (SELECT number FROM sources WHERE name = :source)"
    columns = f"e.time, sources.name, types.name, {what}, packets.id, packets.at, e.number"
    rows: list[Any] = []
    size = 0
    with file.looking() as db:
        end = db.execute(f"{KEYS} WHERE {where} {ORDER} LIMIT 1 OFFSET {EVENTS_AT_ONCE - 1}", wanted).fetchone()
        if end is not None:
            where += " AND (e.time, e.number) <= (:end_time, :end_number)"
            wanted = {**wanted, "end_time": end[0], "end_number": end[1]}
        for row in db.execute(f"SELECT {columns} {FROM} WHERE {where}{only} {ORDER}", wanted):
            rows.append(row)
            size += sum(len(value) for value in row if isinstance(value, str))
            if size >= BYTES_AT_ONCE:
                return rows, (row[0], row[-1])
    return rows, end
