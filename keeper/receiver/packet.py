"""The value that travels: one packet of one type, as its content says it and not as the wire wrote it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from keeper.errors import KeeperError

CONTENT_BYTES = 16
LARGEST_ID = (1 << 62) - 1  # of ids that are numbers; above are the names of packets whose key is a text
LONGEST_TYPE = 200  # characters
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")  # of a source
_new = tuple.__new__  # as a NamedTuple makes one, in half the time: there are many


class Event(NamedTuple):
    """One row to be: `time` in seconds since the epoch as the event says it, None when it does not; `fields` is a JSON
    object of one line with sorted keys and without blanks (`canonical`)."""

    time: float | None
    fields: bytes


class Said(NamedTuple):
    """What one packet of a body says, before it is known who sent it. `type` is of 1 to LONGEST_TYPE printable
    characters, `events` are one or more."""

    type: str
    events: Sequence[Event]


class Packet(NamedTuple):
    """`id` is the sender's, None when it gave none; `at` is when it came, in seconds since the epoch.

    Its permanent name is (source, id, content): the same name is the same packet, whenever it comes. A packet without
    id is any packet of its source with the same content.
    """

    source: str
    id: int | None
    type: str
    at: float
    content: bytes
    events: Sequence[Event]


class Malformed(KeeperError):  # noqa: N818  # it is an answer, and reads as one where it is caught
    """This body is no packet and never will be. The message says where and what is wrong."""


class Poison(KeeperError):  # noqa: N818
    """This record can never be stored: it is set aside with this reason."""


def canonical(value: Any) -> bytes:
    """JSON of one line that is the same for the same value, whatever the order of keys was. Text that is not UTF-8 is
    given as str with surrogate escapes, and comes out as `\\udcXX`. Raises Malformed for what JSON cannot say."""
    try:
        # A copy: what orjson hands out keeps the 4 KiB that it was written in.
        return b"%b" % orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, TypeError):
        pass  # lone surrogates, whole numbers above 64 bits: slower, but exact
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise Malformed(f"a value cannot be written as JSON: {error}") from error


def content_of(said: Said) -> bytes:
    """CONTENT_BYTES of SHA-256 over the type and the fields of all events: the same for the same content, whether it
    came as Thrift, JSON or lines."""
    summed = hashlib.sha256(said.type.encode("utf-8", "surrogateescape") + b"\0")
    summed.update(b"\n".join([event.fields for event in said.events]))
    return summed.digest()[:CONTENT_BYTES]


def packet_of(said: Said, source: str, id: int | None, at: float) -> Packet:
    return Packet(source, id, said.type, at, content_of(said), said.events)


def id_of(key: str) -> int:
    """The id of a packet that is named by a text: digits are the number, `AGENT/ID/...` (what keeper sends) is its ID,
    any other text is a number above LARGEST_ID made from it."""
    text = key.strip().strip('"')
    parts = text.split("/")
    digits = parts[1] if len(parts) == 3 else text
    if digits.isascii() and digits.isdigit() and len(digits) <= 19 and int(digits) <= LARGEST_ID:
        return int(digits)
    return LARGEST_ID + 1 + int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:7], "big")


def pack(packet: Packet) -> bytes:
    """A packet as it stands in a queue: a line of JSON about it, then a line an event, `TIME FIELDS` (`-` for none)."""
    head = orjson.dumps([packet.source, packet.id, packet.type, packet.at, packet.content.hex()])
    lines = [b"%b %b" % (b"-" if time is None else b"%r" % time, fields) for time, fields in packet.events]
    return b"\n".join([head, *lines])


def unpack(record: bytes) -> Packet:
    """Raises Poison when it is not what `pack` makes."""
    head, *lines = record.split(b"\n")
    try:
        source, number, kind, at, content = orjson.loads(head)
        events = []
        for line in lines:
            time, _, fields = line.partition(b" ")
            events.append(_new(Event, (None if time == b"-" else float(time), fields)))
        packet = _new(Packet, (source, number, kind, float(at), bytes.fromhex(content), events))
    except (ValueError, TypeError) as error:
        raise Poison(f"not a record of keeper's: {error}") from error
    if not (isinstance(source, str) and isinstance(kind, str) and (number is None or isinstance(number, int))):
        raise Poison("not a record of keeper's: its head is of wrong types")
    return packet
