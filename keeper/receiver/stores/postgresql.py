"""The store for more than one machine: PostgreSQL, with a row for each event.

Who stores packets of a source locks that source's row first, so that of two workers one sees what the other stored, and
sources are locked in the order of their names, so that no two wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from keeper.receiver.packet import Packet
from keeper.receiver.stores.postgresql_link import LOOKING, STORING, Connection, Link
from keeper.receiver.stores.postgresql_reader import PostgresqlReader
from keeper.receiver.stores.postgresql_text import copied, visible
from keeper.receiver.stores.rule import Numbered, There, by_source, counted, sort_out, time_of
from keeper.receiver.stores.store import Stored

BATCH_NUMBERS = 1 << 20  # packets have numbers of 63 bits: enough for 2^43 batches


class PostgresqlStore:
    def __init__(self, link: Link) -> None:
        self._link = link

    def store(self, packets: Sequence[Packet]) -> Stored:
        groups = by_source(packets)
        with self._link.asking() as db:
            types = _numbers(db, "types", sorted({packet.type for packet in packets}))
            sources = _numbers(db, "sources", list(groups))
            with db.transaction():
                there = _there(db, {sources[name]: group for name, group in groups.items()})
                found = {sources[name]: sort_out(group, there[sources[name]]) for name, group in groups.items()}
                fresh = [(source, packet) for source, one in found.items() for packet in one.fresh]
                first = _first_number(db)
                new = [
                    Numbered(number, source, types[packet.type], packet)
                    for number, (source, packet) in enumerate(fresh, first)
                ]
                _adopt(db, [pair for one in found.values() for pair in one.adopted])
                _write_packets(db, new)
                _write_contents(db, [n for n in new if there[n.source].bare])
                _write_events(db, new)
                events = _count(db, new)
        repeated = sum(one.repeated for one in found.values())
        return Stored(len(new), events, repeated, [name for one in found.values() for name in one.returned])

    def close(self) -> None:
        self._link.close()


def open_store(url: str, password: str) -> PostgresqlStore:
    """Raises StateError when what is there can never be one; a server that is away is connected to later."""
    link = Link(url, password, STORING)
    link.open_if_possible()
    return PostgresqlStore(link)


def open_reader(url: str, password: str) -> PostgresqlReader:
    return PostgresqlReader(Link(url, password, LOOKING))


def _numbers(db: Connection, table: str, names: Sequence[str]) -> dict[str, int]:
    """The numbers of words, which get one when they come first: they stay, whatever becomes of the batch."""
    ask = f"SELECT name, number FROM {table} WHERE name = ANY(%s)"  # noqa: S608  # ours
    found = dict(db.execute(ask, (names,)))
    if len(found) < len(names):
        db.execute(f"INSERT INTO {table} (name) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", (names,))
        found = dict(db.execute(ask, (names,)))
    return found


def _first_number(db: Connection) -> int:
    """Of a batch, whose packets are fewer than BATCH_NUMBERS."""
    [(number,)] = db.execute("SELECT nextval('batches')").fetchall()
    return int(number) * BATCH_NUMBERS


def _there(db: Connection, groups: Mapping[int, Sequence[Packet]]) -> dict[int, There]:
    """Locks the sources."""
    there = {
        number: There(bare)
        for number, bare in db.execute(
            "SELECT number, bare FROM sources WHERE number = ANY(%s) ORDER BY name FOR NO KEY UPDATE", (list(groups),)
        )
    }
    for number, group in groups.items():
        if not there[number].bare and any(packet.id is None for packet in group):
            _begin(db, number)
            there[number].bare = True
    ids = {(number, packet.id) for number, group in groups.items() for packet in group if packet.id is not None}
    for source, id, content, type in db.execute(
        "SELECT packets.source, id, content, name FROM unnest(%s::integer[], %s::bigint[]) AS wanted (source, id)"
        " JOIN packets USING (source, id) JOIN types ON types.number = packets.type",
        _columns(ids, 2),
        binary=True,
    ):
        there[source].by_id.setdefault(id, {})[content] = type
    contents = {(n, packet.content) for n, group in groups.items() if there[n].bare for packet in group}
    if contents:
        for source, content, number, id in db.execute(
            "SELECT contents.source, contents.content, number, packets.id"
            " FROM unnest(%s::integer[], %s::bytea[]) AS wanted (source, content)"
            " JOIN contents USING (source, content) JOIN packets USING (number)",
            _columns(contents, 2),
            binary=True,
        ):
            there[source].contents[content] = number if id is None else None
    return there


def _begin(db: Connection, source: int) -> None:
    """A source that sends packets without ids from now on: what it sent before is looked up by content, too."""
    db.execute("SET LOCAL statement_timeout = 0")  # of so many packets it may take minutes, and must be done once
    db.execute("UPDATE sources SET bare = true WHERE number = %s", (source,))
    db.execute(
        "INSERT INTO contents SELECT source, content, min(number) FROM packets WHERE source = %s AND id IS NOT NULL"
        " GROUP BY source, content ORDER BY content",
        (source,),
    )


def _adopt(db: Connection, adopted: Collection[tuple[int, int]]) -> None:
    if adopted:
        db.execute(
            "UPDATE packets SET id = given.id FROM unnest(%s::bigint[], %s::bigint[]) AS given (number, id)"
            " WHERE packets.number = given.number",
            _columns(adopted, 2),
        )


def _write_packets(db: Connection, new: Sequence[Numbered]) -> None:
    lines = [
        b"%d\t%d\t%b\t%d\t%r\t\\\\x%b\n"
        % (number, source, b"\\N" if p.id is None else b"%d" % p.id, type, p.at, p.content.hex().encode())
        for number, source, type, p in new
    ]
    _copy(db, "COPY packets (number, source, id, type, at, content) FROM STDIN", lines)


def _write_events(db: Connection, new: Sequence[Numbered]) -> None:
    lines = [
        b"%r\t%d\t%d\t%d\t%d\t%b\n" % (time_of(time, packet.at), number, place, source, type, copied(visible(fields)))
        for number, source, type, packet in new
        for place, (time, fields) in enumerate(packet.events)
    ]
    _copy(db, "COPY events (time, packet, place, source, type, fields) FROM STDIN", lines)


def _write_contents(db: Connection, new: Sequence[Numbered]) -> None:
    if new:
        db.execute(
            "INSERT INTO contents SELECT * FROM unnest(%s::integer[], %s::bytea[], %s::bigint[])"
            " ON CONFLICT DO NOTHING",
            _columns(sorted((n.source, n.packet.content, n.number) for n in new), 3),
        )


def _copy(db: Connection, sql: str, lines: Sequence[bytes]) -> None:
    if lines:
        with db.cursor() as cursor, cursor.copy(sql) as copy:
            copy.write(b"".join(lines))


def _count(db: Connection, new: Sequence[Numbered]) -> int:
    found = counted(new)
    if found:
        db.execute(
            "INSERT INTO counts SELECT * FROM unnest(%s::bigint[], %s::integer[], %s::integer[], %s::bigint[],"
            " %s::bigint[]) ON CONFLICT (hour, source, type) DO UPDATE"
            " SET packets = counts.packets + excluded.packets, events = counts.events + excluded.events",
            _columns(found, 5),
        )
    return sum(events for *_, events in found)


def _columns(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows as arrays; none are as many empty ones."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
