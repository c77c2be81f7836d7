"""An event as a line of a plain file, and the name of that file: pure."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from functools import lru_cache
from typing import NamedTuple

import orjson

from keeper.receiver.packet import Packet, Poison, canonical
from keeper.receiver.stores.rule import time_of

LONGEST_NAME = 180  # bytes of a type in a file's name, which has 255 at most
_DATE = re.compile(rb"\d{4}-\d{2}-\d{2}")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_BEFORE, _BETWEEN = b'{"data":"', b'","date":"'


class Line(NamedTuple):
    """`body` stands in the file `name` behind `before`; `raw`: it is DATA of a line PROD DATE DATA, without anything
    around it; otherwise it is the event's fields in an object with what else is known of it."""

    name: str
    before: bytes
    body: bytes
    after: bytes
    raw: bool


def line_of(packet: Packet, time: float | None, fields: bytes) -> Line:
    """Raises Poison, UnicodeError."""
    if b"\n" in fields:
        raise Poison("the fields of an event are not of one line")
    found = _data_of(fields)
    if found is not None:
        data, day = found
        return Line(file_name(packet.type, day), b"", data, b"\n", raw=True)
    fields.decode()
    when = time_of(time, packet.at)
    name = file_name(packet.type, _date(int(when // 86_400)))
    head = orjson.dumps({"time": when, "source": packet.source, "id": packet.id})
    return Line(name, head[:-1] + b',"fields":', fields, b"}\n", raw=False)


def fields_of(name: str, body: bytes, raw: bool) -> str:
    """The fields again, from what stands in a file of this name."""
    if raw:
        day = name.removesuffix(".dat")[-len("2026-11-26") :]
        return canonical({"data": body.decode("utf-8", "surrogateescape"), "date": day}).decode()
    return body.decode()


@lru_cache(4096)  # few types on few days make most events
def file_name(type: str, day: str) -> str:
    """`PROD_DATE.dat`. Of a type every byte that could mean something else is `%XX`, as is a dot at its beginning; a
    very long one is cut and ends in `%-` and a number made from it."""
    raw = type.encode()
    name = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw)
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 34]}%-{hashlib.sha256(raw).hexdigest()[:32]}"
    return f"{name}_{day}.dat"


@lru_cache(4096)
def _date(day: int) -> str:
    """Of a day since 1970."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()


def _data_of(fields: bytes) -> tuple[bytes, str] | None:
    """DATA and DATE of fields that are of a line PROD DATE DATA; None for others, and for DATA that is no line."""
    day = fields[-12:-2]
    if not (fields.startswith(_BEFORE) and fields[-22:-12] == _BETWEEN and _DATE.fullmatch(day)):
        return None
    try:
        value = json.loads(fields)
        data = str(value["data"]).encode("utf-8", "surrogateescape")
    except (ValueError, RecursionError, KeyError):
        return None
    body = fields_of(f"_{day.decode()}.dat", data, raw=True)
    return (data, day.decode()) if b"\n" not in data and body.encode() == fields else None
