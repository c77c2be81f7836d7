from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keeper.receiver.settings import FILES, POSTGRESQL
from keeper.receiver.stores.store import Reader, Store
from tests.peers.postgresql import PostgreSQL
from tests.receiver.stores.build import KINDS, Place

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One PostgreSQL for all tests of a process. Who stops it starts it again."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def new_place(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Place]:
    """A place for a store of a kind, where nothing is yet; of PostgreSQL it is always the same."""

    def make(kind: str) -> Place:
        number = next(NUMBERS)
        if kind == POSTGRESQL:
            server: PostgreSQL = request.getfixturevalue("postgresql")
            with server.connect() as db:
                db.execute("DROP SCHEMA IF EXISTS keeper CASCADE")
            return Place(kind, server.address())
        return Place(kind, str(tmp_path / (f"files{number}" if kind == FILES else f"packets{number}.db")))

    return make


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, new_place: Callable[[str], Place]) -> Place:
    """Of every kind there is."""
    return new_place(request.param)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with closing(place.store()) as opened:
        yield opened


@pytest.fixture
def reader(place: Place) -> Iterator[Reader]:
    with closing(place.reader()) as opened:
        yield opened
