"""What is remembered of every packet for ever, in SQLite: its name, and how many there were. All in the caller's
transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

from keeper.receiver.packet import Packet
from keeper.receiver.stores import sqlite_contents
from keeper.receiver.stores.rule import Numbered, There, by_source, counted, sort_out
from keeper.receiver.stores.sqlite_contents import Contents
from keeper.receiver.stores.sqlite_rows import insert
from keeper.receiver.stores.store import Stored

# Ids of a source rise, so that its packets come to the same few pages of `names`, however many are there. Only sources
# that send packets without ids (`bare`) are looked up by content, too.
TABLES = f"""{sqlite_contents.TABLES}
CREATE TABLE sources (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    bare INTEGER, -- NULL, or the number of the last packet before this source first sent one without id
    early INTEGER NOT NULL DEFAULT 0 -- it had sent packets with ids before that
);
CREATE TABLE types (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE packets (
    number INTEGER PRIMARY KEY, source INTEGER NOT NULL, id INTEGER, type INTEGER NOT NULL, at REAL NOT NULL,
    content BLOB NOT NULL
);
CREATE UNIQUE INDEX names ON packets (source, id, content) WHERE id IS NOT NULL;
CREATE TABLE counts (
    hour INTEGER NOT NULL, source INTEGER NOT NULL, type INTEGER NOT NULL, packets INTEGER NOT NULL,
    events INTEGER NOT NULL, PRIMARY KEY (hour, source, type)
) WITHOUT ROWID;
"""
_new = tuple.__new__  # as a NamedTuple makes one, in half the time


class Keys:
    """For one thread. All in transactions of the caller's, who calls `forget` when one was not committed."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def forget(self) -> None:
        self._contents.forget()

    def remember(self, db: sqlite3.Connection, packets: Sequence[Packet]) -> tuple[Stored, list[Numbered]]:
        """Write the names of those that are new, and count them; their events are the caller's. Raises Poison."""
        types = _numbers(db, "types", {packet.type for packet in packets})
        last: int = db.execute("SELECT coalesce(max(number), 0) FROM packets").fetchone()[0]
        new: list[Numbered] = []
        returned: list[tuple[str, int]] = []
        repeated = 0
        for name, group in by_source(packets).items():
            source = _numbers(db, "sources", [name])[name]
            there = self._there(db, source, group)
            found = sort_out(group, there)
            first = last + len(new) + 1
            numbered = [
                _new(Numbered, (number, source, types[packet.type], packet))
                for number, packet in enumerate(found.fresh, first)
            ]
            self._write(db, numbered, found.adopted)
            if there.bare:
                self._contents.learn(source, first, [packet.content for packet in found.fresh])
            new += numbered
            returned += found.returned
            repeated += found.repeated
        return Stored(len(new), _count(db, new), repeated, returned), new

    def _there(self, db: sqlite3.Connection, source: int, packets: Sequence[Packet]) -> There:
        bare, early = db.execute("SELECT bare IS NOT NULL, early FROM sources WHERE number = ?", (source,)).fetchone()
        if not bare and any(packet.id is None for packet in packets):
            bare, early = True, self._contents.begin(db, source)
        there = There(bool(bare))
        for id, content, type in self._named(db, source, [packet.id for packet in packets if packet.id is not None]):
            there.by_id.setdefault(id, {})[content] = type
        if there.bare:
            self._contents.update(db)
            self._contents.press(db)
            found = self._contents.find(db, source, bool(early), {packet.content for packet in packets})
            there.contents.update(nameless(db, found))
        return there

    def _named(self, db: sqlite3.Connection, source: int, ids: Sequence[int]) -> Iterable[tuple[int, bytes, str]]:
        """Id, content and type of those that have one of these ids. Ids of a source rise: most are above all there."""
        (top,) = db.execute("SELECT max(id) FROM packets WHERE source = ? AND id IS NOT NULL", (source,)).fetchone()
        known = [] if top is None else [id for id in ids if id <= top]
        if not known:
            return ()
        return db.execute(
            "SELECT id, content, name FROM packets JOIN types ON types.number = packets.type"
            " WHERE source = ? AND id IN (SELECT value FROM json_each(?))",
            (source, json.dumps(known)),
        )

    def _write(self, db: sqlite3.Connection, new: Sequence[Numbered], adopted: Sequence[tuple[int, int]]) -> None:
        db.executemany("UPDATE packets SET id = ? WHERE number = ?", [(id, number) for number, id in adopted])
        values: list[object] = []
        for number, source, type, packet in new:
            values += (number, source, packet.id, type, packet.at, packet.content)
        insert(db, "packets", ("number", "source", "id", "type", "at", "content"), values)


def nameless(db: sqlite3.Connection, found: Mapping[bytes, int]) -> dict[bytes, int | None]:
    """Of these contents and the packets that have them: the packet's number where it has no id."""
    without = {
        row[0]
        for row in db.execute(
            "SELECT number FROM packets WHERE id IS NULL AND number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(found.values())),),
        )
    }
    return {content: number if number in without else None for content, number in found.items()}


def _numbers(db: sqlite3.Connection, table: str, names: Collection[str]) -> dict[str, int]:
    """The numbers of words in a dictionary of the file, which get one when they come first."""
    found: dict[str, int] = {}
    for name in names:
        row = db.execute(f"SELECT number FROM {table} WHERE name = ?", (name,)).fetchone()  # noqa: S608  # ours
        if row is None:
            row = db.execute(f"INSERT INTO {table} (name) VALUES (?) RETURNING number", (name,)).fetchone()  # noqa: S608
        found[name] = row[0]
    return found


def _count(db: sqlite3.Connection, new: Sequence[Numbered]) -> int:
    found = counted(new)
    db.executemany(
        "INSERT INTO counts (hour, source, type, packets, events) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET packets = packets + excluded.packets, events = events + excluded.events",
        found,
    )
    return sum(events for *_, events in found)
