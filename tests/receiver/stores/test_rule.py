"""The rule of what is the same packet, against a model that says it in three lines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keeper.receiver.packet import Packet
from keeper.receiver.settings import FILES, POSTGRESQL, SQLITE
from keeper.receiver.stores import sqlite_contents
from keeper.receiver.stores.store import Range
from tests.receiver.stores.build import Place, content, packet

IDS = (None, 1, 2, -(1 << 63), (1 << 62) + 3)
ALL = Range(-(1 << 63), (1 << 63) - 1)
NAMES = ("a", "b", "c")
SOURCES = ("s", "t")
PACKETS = st.builds(packet, st.sampled_from(IDS), st.sampled_from(NAMES), st.sampled_from(SOURCES))
LIVES = st.lists(st.lists(PACKETS, min_size=1, max_size=8), min_size=1, max_size=8)


class Model:
    """All packets, looked through one by one."""

    def __init__(self) -> None:
        self.there: list[list[object]] = []

    def take(self, one: Packet) -> tuple[bool, bool]:
        """Whether it is new, and whether its id had come with other content."""
        same = [p for p in self.there if p[0] == one.source and p[2] == one.content]
        if one.id is None and same:
            return False, False
        if any(p[1] == one.id for p in same):
            return False, False
        for p in same:
            if p[1] is None:
                p[1] = one.id
                return False, False
        returned = one.id is not None and any(p[0] == one.source and p[1] == one.id for p in self.there)
        self.there.append([one.source, one.id, one.content])
        return True, returned


def lived(place: Place, life: list[list[Packet]]) -> None:
    model = Model()
    with closing(place.store()) as store, closing(place.reader()) as reader:
        for batch in life:
            ordered = [one for source in SOURCES for one in batch if one.source == source]
            answers = [model.take(one) for one in ordered]
            stored = store.store(batch)
            fresh = sum(new for new, _ in answers)
            returned = [(one.source, one.id) for one, (_, again) in zip(ordered, answers, strict=True) if again]
            assert (stored.fresh, stored.repeated) == (fresh, len(batch) - fresh)
            assert list(stored.returned) == returned
        for source in SOURCES:
            held = {
                (id, content(name))
                for id in IDS
                for name in NAMES
                for p in model.there
                if (p[0], p[2]) == (source, content(name)) and (id is None or p[1] in (None, id))
            }
            assert reader.held(source, [(id, content(name)) for id in IDS for name in NAMES]) == held
            ids = {p[1] for p in model.there if p[0] == source}
            found = {id for first, last in reader.stored(source, [ALL]) for id in range(first, last + 1)}
            assert found == ids - {None}
        assert sum(count.packets for count in reader.counts(0, 1e12)) == len(model.there)
        rows = sorted((row.source, str(row.id)) for row in reader.rows(0, 1e12))
        assert rows == sorted((str(p[0]), str(p[1])) for p in model.there)


@pytest.mark.parametrize(("kind", "lives"), [(SQLITE, 60), (FILES, 20), (POSTGRESQL, 20)])
def test_random_lives(kind: str, lives: int, new_place: Callable[[str], Place]) -> None:
    """Batches of packets from two sources with few ids and contents, in all orders: each store says of each batch what
    the model says, and holds what the model holds."""

    @settings(max_examples=lives, deadline=None, suppress_health_check=list(HealthCheck))
    @given(LIVES)
    def live(life: list[list[Packet]]) -> None:
        lived(new_place(kind), life)

    live()


def test_random_lives_with_runs(new_place: Callable[[str], Place], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where SQLite writes its newest contents down as a run after every second packet."""
    monkeypatch.setattr(sqlite_contents, "RUN", 2)
    monkeypatch.setattr(sqlite_contents, "FAR", 5)
    test_random_lives(SQLITE, 25, new_place)
