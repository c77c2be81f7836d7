"""The same packets in every way to write them, each event with a word in it by which it is found again."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from keeper.delivery.wire_thrift import thrift_wire
from keeper.formats.pyrepr import Struct
from keeper.receiver.stores.store import Row
from tests.delivery.statistics_server import IDL
from tests.receiver.wire import request

WORD = re.compile(r"word-[a-z0-9]+-\d+")
THEN = 1_795_600_000  # seconds since the epoch: 2026-11-25

Shape = Callable[..., bytes]  # (words, headers) → a request

_thrift = thrift_wire(IDL, {}, {})


def in_json(words: Sequence[str], *headers: str) -> bytes:
    body = json.dumps({"ChatMessages": [_said(word) for word in words]}).encode()
    return request(body, "Content-Type: application/json", *headers)


def in_packed_json(words: Sequence[str], *headers: str) -> bytes:
    """The same, by gzip, and with what JSON does not mind: other blanks, another order."""
    events = [dict(reversed(_said(word).items())) for word in words]
    body = gzip.compress(json.dumps({"ChatMessages": events}, indent=1).encode())
    return request(body, "Content-Type: application/json", "Content-Encoding: gzip", *headers)


def in_thrift(words: Sequence[str], *headers: str) -> bytes:
    body = _thrift.encode("ChatMessages", [Struct("ChatMessageInfo", _said(word)) for word in words])
    return request(body, "Content-Type: application/x-thrift", *headers)


def in_lines(words: Sequence[str], *headers: str) -> bytes:
    return request(lines(words), "Content-Type: text/plain", *headers, path="/log/blocks")


def lines(words: Sequence[str]) -> bytes:
    """As they are sent by TCP."""
    return "".join(f"eosriobrazil 2026-11-26 block {THEN} says {word}\n" for word in words).encode()


def in_put(words: Sequence[str], *headers: str) -> bytes:
    body = "".join(f"put chain.blocks {THEN} 12 host=a word={word}\n" for word in words).encode()
    return request(body, "Content-Type: text/plain", *headers, path="/put")


SHAPES: dict[str, Shape] = {
    "json": in_json,
    "gzip": in_packed_json,
    "thrift": in_thrift,
    "lines": in_lines,
    "put": in_put,
}


def key(number: int) -> str:
    """The header by which keeper names what it sends."""
    return f'Idempotency-Key: "tester/{number}/{number:032x}"'


def words_of(rows: Iterable[Row]) -> Counter[tuple[str, str]]:
    """(source, word) of what is stored, and how often it is there."""
    return Counter((row.source, word) for row in rows for word in WORD.findall(row.fields))


def _said(word: str) -> dict[str, object]:
    return {"auid": 7, "timestamp": THEN, "channel": "all", "message": f"\u0414\u0430: {word}"}
