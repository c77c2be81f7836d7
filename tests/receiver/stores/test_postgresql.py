"""PostgreSQL that goes away and comes back, that is not keeper's, and that holds less than JSON can say."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from keeper.errors import StateError
from keeper.receiver.packet import Poison
from keeper.receiver.settings import POSTGRESQL, ReceiverSettings, shown_store
from keeper.receiver.stores.postgresql_text import visible
from keeper.receiver.stores.store import Range, Store, StoreError
from keeper.receiver.stores.table import open_reader, open_store
from tests.peers.ask import eventually
from tests.peers.postgresql import PASSWORD, PostgreSQL
from tests.receiver.stores.build import Place, packet, said


@pytest.fixture
def place(new_place: Callable[[str], Place]) -> Place:
    return new_place(POSTGRESQL)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with closing(place.store()) as opened:
        yield opened


def stored_later(store: Store, numbers: range) -> None:
    """Ask until it goes well."""

    def ask() -> bool:
        try:
            return store.store([packet(n, str(n)) for n in numbers]).fresh >= 0
        except StoreError as error:
            raise OSError(str(error)) from error

    eventually(ask, "PostgreSQL to be there again", 30)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_away_and_back(place: Place, store: Store, postgresql: PostgreSQL, how: str) -> None:
    """While it is away every batch is to be tried again, for who was connected and for who comes new; then all goes on
    by itself."""
    store.store([packet(1, "1")])
    with closing(place.reader()) as reader:
        assert reader.stored("s", [Range(0, 9)]) == [Range(1, 1)]
        try:
            getattr(postgresql, how)()
            for _ in range(2):
                with pytest.raises(StoreError):
                    store.store([packet(1, "1"), packet(2, "2")])
                with pytest.raises(StoreError):
                    reader.stored("s", [Range(0, 9)])
            late = place.store()
            with pytest.raises(StoreError, match=r"refused|failed"):
                late.store([packet(3, "3")])
        finally:
            postgresql.start()
        with closing(late):
            stored_later(store, range(1, 3))
            stored_later(late, range(2, 4))
        assert reader.stored("s", [Range(0, 9)]) == [Range(1, 3)]
        assert len(list(reader.rows(0, 1e12))) == 3


def test_killed_while_workers_store(place: Place, store: Store, postgresql: PostgreSQL) -> None:
    """kill -9 of PostgreSQL between and within batches: what was stored is there, and it is all there once in the
    end."""
    stored: list[int] = []
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            try:
                store.store([packet(number * 100 + n, str(number * 100 + n)) for n in range(100)])
            except StoreError:
                stop.wait(0.02)
            else:
                stored.append(number)
                number += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(2):
            enough = len(stored) + 6
            while len(stored) < enough:
                assert worker.is_alive()
                stop.wait(0.01)
            postgresql.kill()
            postgresql.start()
    finally:
        stop.set()
        worker.join()
    with closing(place.reader()) as reader:
        last = len(stored) * 100 - 1
        assert reader.stored("s", [Range(0, last)]) == [Range(0, last)]
        assert len(list(reader.rows(0, 1e12))) == last + 1


def test_a_schema_that_is_not_keepers(postgresql: PostgreSQL, place: Place) -> None:
    """It is refused with a sentence, and left as it is."""
    with postgresql.connect() as db:
        db.execute("CREATE SCHEMA keeper")
        db.execute("CREATE TABLE keeper.sources (mine text)")
        for _ in range(2):
            with pytest.raises(StateError, match="schema keeper in the database postgres is not a store of keeper's"):
                place.store()
        db.execute("CREATE TABLE keeper.about (keeper_store integer)")
        with pytest.raises(StateError, match="version None"):
            place.store()
        db.execute("INSERT INTO keeper.about VALUES (99)")
        with pytest.raises(StateError, match="version 99"):
            place.store()
        assert db.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'keeper'").fetchone() == (2,)
    with closing(place.reader()) as reader, pytest.raises(StoreError, match="version 99"):
        reader.stored("s", [])


def test_a_user_who_may_not(postgresql: PostgreSQL, place: Place) -> None:
    """Who may not make the tables, or not write them, hears PostgreSQL's words; who may be helped, later."""
    with postgresql.connect() as db:
        db.execute("DROP ROLE IF EXISTS meek")
        db.execute("CREATE ROLE meek LOGIN PASSWORD 'meek'")
    settings = ReceiverSettings(store=(POSTGRESQL, postgresql.address(user="meek")), store_password="meek")
    with closing(open_store(settings, "/nowhere")) as store:
        with pytest.raises(StoreError, match="permission denied"):
            store.store([packet(1)])
        with postgresql.connect() as db:
            db.execute("GRANT CREATE ON DATABASE postgres TO meek")
        assert store.store([packet(1)]).fresh == 1
    with postgresql.connect() as db:
        db.execute("DROP OWNED BY meek")
        db.execute("DROP ROLE meek")


@pytest.mark.parametrize("password", ["wrong-secret", PASSWORD])
def test_the_password_is_never_shown(postgresql: PostgreSQL, password: str) -> None:
    """Not where it is wrong, nor where the database does not exist."""
    url = postgresql.address("nothing" if password == PASSWORD else "postgres")
    settings = ReceiverSettings(store=(POSTGRESQL, f"{url}?sslmode=prefer&password=other"), store_password=password)
    assert shown_store(settings, "/nowhere") == url
    with closing(open_store(settings, "/nowhere")) as store, closing(open_reader(settings, "/nowhere")) as reader:
        for ask in (lambda: store.store([packet(1)]), lambda: reader.stored("s", [])):
            with pytest.raises(StoreError) as raised:
                ask()
            said_in = f"{raised.value}"
            assert password not in said_in
            assert "password=" not in said_in
            assert re.search("authentication failed|does not exist", said_in)


def test_tables_that_are_dropped(postgresql: PostgreSQL, store: Store) -> None:
    """It is trouble that a person ends: no packet is poison for it."""
    store.store([packet(1)])
    with postgresql.connect() as db:
        db.execute("ALTER TABLE keeper.events RENAME TO gone")
        with pytest.raises(StoreError, match="events"):
            store.store([packet(2, "b")])
        db.execute("ALTER TABLE keeper.gone RENAME TO events")
    assert store.store([packet(2, "b")]).fresh == 1


def test_it_is_read_only_for_readers(place: Place, store: Store) -> None:
    """Whatever a reader asks, it cannot change anything."""
    with closing(place.reader()) as reader:
        reader.stored("s", [])
        with pytest.raises(StoreError, match="read-only"):
            reader._ask("DELETE FROM packets RETURNING 1", ())  # type: ignore[attr-defined]


def test_people_can_ask_for_fields(postgresql: PostgreSQL, store: Store) -> None:
    """They are `jsonb`; what that cannot hold is visible text."""
    store.store([said(1, {"nick": "a\0b", "level": 7})])
    with postgresql.connect() as db:
        rows = db.execute("SELECT fields->>'nick', (fields->>'level')::int FROM keeper.events").fetchall()
    assert rows == [("a\\u0000b", 7)]


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        (rb'{"a":"\u0000"}', rb'{"a":"\\u0000"}'),
        (rb'{"a":"\\u0000"}', rb'{"a":"\\u0000"}'),
        (rb'{"a":"\\\u0000\\"}', rb'{"a":"\\\\u0000\\"}'),
        (rb'{"a":"\ud83e\udd80"}', rb'{"a":"\ud83e\udd80"}'),
        (rb'{"a":"\uD83E\uDD80\uDD80"}', rb'{"a":"\uD83E\uDD80\\uDD80"}'),
        (rb'{"a":"\ud83e\ud83e\udd80"}', rb'{"a":"\\ud83e\ud83e\udd80"}'),
        (rb'{"\udc80":"\u0001\u00e9\""}', rb'{"\\udc80":"\u0001\u00e9\""}'),
    ],
)
def test_what_jsonb_cannot_hold(fields: bytes, seen: bytes) -> None:
    """NUL and halves of pairs are escaped once more, and nothing else is."""
    assert visible(fields) == seen


def test_nested_too_deeply(store: Store) -> None:
    """What PostgreSQL has no room for on its stack is poison, not something to try again for ever."""
    deep = packet(1)._replace(events=[packet(1).events[0]._replace(fields=b'{"a":' * 50_000 + b"1" + b"}" * 50_000)])
    with pytest.raises(Poison, match="PostgreSQL cannot hold it"):
        store.store([deep])
    assert store.store([packet(2)]).fresh == 1
