"""The stores there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keeper.errors import StateError
from keeper.receiver.home import FOLDER
from keeper.receiver.settings import FILES, POSTGRESQL, SQLITE, ReceiverSettings, store_of
from keeper.receiver.stores import files, sqlite
from keeper.receiver.stores.begun import Begun
from keeper.receiver.stores.store import Reader, Store


class Kind(NamedTuple):
    """Both get the place, which is never empty, and a password; who stores remembers what was begun."""

    open_store: Callable[[str, str, Begun], Store]
    open_reader: Callable[[str, str], Reader]


def _postgresql_store(place: str, password: str, _begun: Begun) -> Store:
    try:
        from keeper.receiver.stores import postgresql  # noqa: PLC0415  # psycopg is an extra
    except ImportError as error:
        raise StateError(f"PostgreSQL needs psycopg: pip install 'keeper[postgresql]' ({error})") from error
    return postgresql.open_store(place, password)


def _postgresql_reader(place: str, password: str) -> Reader:
    try:
        from keeper.receiver.stores import postgresql  # noqa: PLC0415  # psycopg is an extra
    except ImportError as error:
        raise StateError(f"PostgreSQL needs psycopg: pip install 'keeper[postgresql]' ({error})") from error
    return postgresql.open_reader(place, password)


STORES: dict[str, Kind] = {
    SQLITE: Kind(
        lambda place, password, begun: sqlite.open_store(Path(place), begun),
        lambda place, password: sqlite.open_reader(Path(place)),
    ),
    POSTGRESQL: Kind(_postgresql_store, _postgresql_reader),
    FILES: Kind(
        lambda place, password, begun: files.open_store(Path(place), begun=begun),
        lambda place, password: files.open_reader(Path(place)),
    ),
}


def open_store(settings: ReceiverSettings, state_dir: str) -> Store:
    """A worker's end. Raises StateError when it can never work as it is; one that is away, locked or full for now is
    opened by the first batch it is there for."""
    kind, place = store_of(settings, state_dir)
    return STORES[kind].open_store(place, settings.store_password, Begun(Path(state_dir) / FOLDER))


def open_reader(settings: ReceiverSettings, state_dir: str) -> Reader:
    """It connects when it is first asked. Raises StateError."""
    kind, place = store_of(settings, state_dir)
    return STORES[kind].open_reader(place, settings.store_password)
