"""Looking into PostgreSQL beside workers that store."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from keeper.receiver.stores.postgresql_link import Link
from keeper.receiver.stores.store import Count, Range, Row

EVENTS_AT_ONCE = 2000
BYTES_AT_ONCE = 4 << 20  # as they are stored, which may be compressed

# The ends of rows of ids without a gap.
ENDS = """
SELECT id, prior IS NULL OR prior + 1 <> id, next IS NULL OR next - 1 <> id FROM (
    SELECT id, lag(id) OVER (ORDER BY id) AS prior, lead(id) OVER (ORDER BY id) AS next FROM (
        SELECT DISTINCT id FROM packets WHERE source = %s AND id BETWEEN %s AND %s
    ) AS ids
) AS neighbours WHERE prior IS NULL OR prior + 1 <> id OR next IS NULL OR next - 1 <> id ORDER BY id
"""
BY_ID = """
SELECT id, content FROM unnest(%s::bigint[], %s::bytea[]) AS wanted (id, content) WHERE EXISTS (
    SELECT 1 FROM packets WHERE source = %s AND packets.id = wanted.id AND packets.content = wanted.content
)
"""
BY_CONTENT = """
SELECT contents.content, packets.id FROM contents JOIN packets USING (number)
WHERE contents.source = %s AND contents.content = ANY(%s)
"""
# Of a source that has no index of contents: all of its packets are looked through.
SEEK = "SELECT DISTINCT content FROM packets WHERE source = %s AND id IS NOT NULL AND content = ANY(%s)"
COUNTS = """
SELECT hour, sources.name, types.name, packets, events FROM counts
JOIN sources ON sources.number = counts.source JOIN types ON types.number = counts.type
WHERE hour >= %s AND hour < %s ORDER BY hour, sources.name, types.name
"""
KEYS = "SELECT time, packet, place, pg_column_size(fields) FROM events WHERE time < %(until)s"
FROM_SOURCE = "events.source = (SELECT number FROM sources WHERE name = %(source)s)"
ROWS = """
SELECT time, sources.name, types.name, fields::text, id, at FROM events
JOIN packets ON packets.number = packet JOIN sources ON sources.number = events.source
JOIN types ON types.number = events.type WHERE
"""


class PostgresqlReader:
    def __init__(self, link: Link) -> None:
        self._link = link

    def stored(self, source: str, ranges: Sequence[Range]) -> list[Range]:
        number, _ = self._source(source)
        found: list[Range] = []
        for first, last in sorted(ranges):
            begin = max(first, found[-1].last + 1) if found else first
            start = begin
            for id, is_first, is_last in self._ask(ENDS, (number, begin, last)):
                start = id if is_first else start
                if is_last and found and found[-1].last + 1 == start:
                    found[-1] = Range(found[-1].first, id)
                elif is_last:
                    found.append(Range(start, id))
        return found

    def held(self, source: str, names: Collection[tuple[int | None, bytes]]) -> set[tuple[int | None, bytes]]:
        number, bare = self._source(source)
        named = [(id, content) for id, content in names if id is not None]
        found: set[tuple[int | None, bytes]] = set(
            self._ask(BY_ID, ([id for id, _ in named], [content for _, content in named], number))
        )
        left = {(id, content) for id, content in names if (id, content) not in found}
        if bare:
            there = dict(self._ask(BY_CONTENT, (number, list({content for _, content in left}))))
            return found | {(id, c) for id, c in left if c in there and (id is None or there[c] is None)}
        wanted = [content for id, content in left if id is None]
        if wanted:
            found |= {(None, row[0]) for row in self._ask(SEEK, (number, wanted))}
        return found

    def counts(self, since: float, until: float) -> list[Count]:
        return [Count._make(row) for row in self._ask(COUNTS, (since, until))]

    def rows(self, since: float, until: float, source: str | None = None, type: str | None = None) -> Iterator[Row]:
        wanted: dict[str, Any] = {"since": since, "until": until, "source": source, "type": type}
        of_type = "" if type is None else " AND events.type = (SELECT number FROM types WHERE name = %(type)s)"
        from_source = "" if source is None else f" AND {FROM_SOURCE}"
        place = "time >= %(since)s"
        order = "ORDER BY time, packet, place"
        while True:
            keys = self._ask(f"{KEYS} AND {place}{of_type} {order} LIMIT {EVENTS_AT_ONCE}", wanted)
            if not keys:
                return
            end = keys[_cut([key[-1] for key in keys]) - 1]
            wanted |= {"end_time": end[0], "end_packet": end[1], "end_place": end[2]}
            here = f"{place} AND (time, packet, place) <= (%(end_time)s, %(end_packet)s, %(end_place)s)"
            yield from map(Row._make, self._ask(f"{ROWS} {here}{of_type}{from_source} {order}", wanted))
            wanted |= {"time": end[0], "packet": end[1], "place": end[2]}
            place = "(time, packet, place) > (%(time)s, %(packet)s, %(place)s)"

    def close(self) -> None:
        self._link.close()

    def _source(self, name: str) -> tuple[int, bool]:
        """Its number, and whether it sent packets without id; 0 for a source nothing came from."""
        rows = self._ask("SELECT number, bare FROM sources WHERE name = %s", (name,))
        return rows[0] if rows else (0, False)

    def _ask(self, sql: str, values: Any) -> list[Any]:
        with self._link.asking() as db:
            return db.execute(sql, values).fetchall()


def _cut(sizes: Sequence[int]) -> int:
    """How many are few enough bytes, at least one."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > BYTES_AT_ONCE:
            return max(count, 1)
    return len(sizes)
