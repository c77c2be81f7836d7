"""Packets, and stores of every kind, for tests."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from keeper.receiver.packet import CONTENT_BYTES, Event, Packet, Said, canonical, packet_of
from keeper.receiver.settings import FILES, POSTGRESQL, SQLITE, ReceiverSettings
from keeper.receiver.stores.store import Reader, Store
from keeper.receiver.stores.table import open_reader, open_store
from tests.peers.postgresql import PASSWORD

KINDS = (SQLITE, POSTGRESQL, FILES)
AT = 1_790_000_000.25  # 2026-09-21 14:13:20


class Place(NamedTuple):
    """Where a store is; it can be written on a command line. Without a `state_dir` nobody remembers that it was
    begun."""

    kind: str
    where: str
    state_dir: str = "/dev/null/nowhere"

    def store(self) -> Store:
        return open_store(self.settings(), self.state_dir)

    def reader(self) -> Reader:
        return open_reader(self.settings(), self.state_dir)

    def settings(self) -> ReceiverSettings:
        password = os.environ.get("KEEPER_TEST_STORE_PASSWORD", PASSWORD)
        return ReceiverSettings(store=(self.kind, self.where), store_password=password)


def content(name: str) -> bytes:
    return sha256(name.encode()).digest()[:CONTENT_BYTES]


def packet(
    id: int | None,
    name: str = "a",
    source: str = "s",
    type: str = "LoginUsers",
    at: float = AT,
    events: Sequence[tuple[float | None, dict[str, Any]]] = ((AT, {"n": 1}),),
) -> Packet:
    """With a content of this name, whatever its events are."""
    return Packet(source, id, type, at, content(name), [Event(time, canonical(fields)) for time, fields in events])


def said(id: int | None, fields: dict[str, Any], source: str = "s", type: str = "LoginUsers") -> Packet:
    """One event, with the content it really has."""
    return packet_of(Said(type, [Event(AT, canonical(fields))]), source, id, AT)


def line(prod: str, date: str, data: str, source: str = "s", at: float = AT) -> Packet:
    """A line PROD DATE DATA, as the inputs give it."""
    return packet_of(Said(prod, [Event(None, canonical({"data": data, "date": date}))]), source, None, at)


def shown(reader: Reader) -> list[tuple[str, int | None, Any]]:
    """Source, id and fields of all events, in the order of time."""
    return [(row.source, row.id, json.loads(row.fields)) for row in reader.rows(-1e18, 1e18)]
