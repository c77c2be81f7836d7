"""What a request is for."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from keeper.receiver.door import Asked, Described, Door, Packets, TooLarge, unpacked
from keeper.receiver.gate import Gate
from keeper.receiver.http_answer import Answer
from keeper.receiver.http_request import Request
from keeper.receiver.packet import LARGEST_ID, Malformed, id_of
from keeper.receiver.settings import ReceiverSettings


class _Any:
    """An input that takes everything; the door asks only whether there is one."""

    def read(self, body: bytes, at: float) -> object:
        raise NotImplementedError


def door(**inputs: object) -> Door:
    known = {"json": _Any(), "lines": _Any(), "put": _Any(), **inputs}
    return Door(ReceiverSettings(), Gate(()), known)  # type: ignore[arg-type]


def request(method: str, target: str, **headers: str) -> Request:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request("127.0.0.1", method.encode(), target.encode(), {b"content-length": b"5", **named})


@pytest.mark.parametrize(
    ("asked", "plan"),
    [
        (request("POST", "/", content_type="application/json"), Packets("default", "json", None, False)),
        (request("POST", "/", content_type="application/json; charset=utf-8"), Packets("default", "json", None, False)),
        (request("POST", "/"), Packets("default", "", None, False)),
        (request("POST", "/?packet_id=862"), Packets("default", "", 862, False)),
        (request("POST", "/", x_packet_id="862"), Packets("default", "", 862, False)),
        (request("POST", "/", idempotency_key='"stats/862/0123abcd"'), Packets("default", "", 862, False)),
        (request("POST", "/?packet_id=5", idempotency_key="7"), Packets("default", "", 7, False)),
        (request("POST", "/", content_encoding="GZIP"), Packets("default", "", None, True)),
        (request("POST", "/log/a/b"), Packets("default", "lines", None, False)),
        (request("GET", "/log/"), Packets("default", "lines", None, False)),
        (request("POST", "/put"), Packets("default", "put", None, False)),
        (request("GET", "/v1/confirmed?ids=1"), Asked("default")),
        (request("GET", "/v1/openapi.json"), Described()),
    ],
)
def test_where_things_go(asked: Request, plan: object) -> None:
    """By path first, and what comes to `/` by its type, or else by its first byte."""
    assert door().plan(asked) == plan


@pytest.mark.parametrize(
    ("asked", "status", "why"),
    [
        (request("GET", "/admin"), 404, "nothing is taken here"),
        (request("POST", "/put/"), 404, "nothing is taken here"),
        (request("GET", "/"), 405, "nothing but POST is"),
        (request("DELETE", "/log/x"), 405, "nothing but POST, PUT, GET is"),
        (request("PUT", "/v1/confirmed"), 405, "nothing but GET, HEAD, POST is"),
        (request("POST", "/v1/openapi.json"), 405, "nothing but GET, HEAD is"),
        (Request("127.0.0.1", b"POST", b"/", {}), 411, "how long it is"),
        (request("POST", "/", authorization="Bearer x"), 401, "its token, or user and password, is of no"),
        (request("POST", "/?source=other"), 401, "without one nobody may send as 'other' from 127.0.0.1"),
        (request("POST", "/", content_encoding="br"), 415, "as it is, or with"),
        (request("POST", "/", content_encoding="gzip, gzip"), 415, "as it is, or with"),
        (request("POST", "/v1/confirmed", content_encoding="gzip"), 415, "asked unpacked"),
        (request("POST", "/", content_type="application/x-thrift"), 415, "has no idl"),
        (request("POST", "/", idempotency_key="x" * 300), 400, "longer than 255"),
    ],
)
def test_what_is_not_taken(asked: Request, status: int, why: str) -> None:
    """Each refusal has its status, and a sentence as JSON."""
    answer = door().plan(asked)
    assert isinstance(answer, Answer)
    assert answer.status == status
    assert why in json.loads(answer.body)["error"]


@pytest.mark.parametrize(
    ("key", "id"),
    [("862", 862), ('"862"', 862), ("0", 0), ('"a/862/ff"', 862), (str(LARGEST_ID), LARGEST_ID)],
)
def test_ids_that_are_numbers(key: str, id: int) -> None:
    """A number is itself, alone or in the key that keeper sends."""
    assert id_of(key) == id


def test_ids_that_are_texts() -> None:
    """Any other key is a number above all that are ids, the same each time and within 63 bits."""
    keys = ["5f0c-aa", "a/b/c", "-1", "99999999999999999999", "1.5", "", "٣", str(LARGEST_ID + 1)]
    numbers = [id_of(key) for key in keys]
    assert numbers == [id_of(key) for key in keys]
    assert len(set(numbers)) == len(keys)
    assert all(LARGEST_ID < number < 1 << 63 for number in numbers)


def test_packed_bodies() -> None:
    """gzip, of one member or several."""
    assert unpacked(gzip.compress(b"abc", mtime=0), 100, 10) == b"abc"
    assert unpacked(gzip.compress(b"abc", mtime=0) + gzip.compress(b"def", mtime=0), 100, 10) == b"abcdef"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (gzip.compress(b"0" * 101, mtime=0), TooLarge),
        (gzip.compress(b"0" * 60, mtime=0) + gzip.compress(b"0" * 60, mtime=0), TooLarge),
        (gzip.compress(b"0" * 100, mtime=0)[:-3], Malformed),
        (gzip.compress(b"abc", mtime=0) + b"garbage", Malformed),
        (zlib.compress(b"abc"), Malformed),
        (b"\x1f\x8b", Malformed),
    ],
)
def test_packed_bodies_that_are_not_taken(body: bytes, kind: type[Exception]) -> None:
    """Too much of it, cut off, or not gzip."""
    with pytest.raises(kind):
        unpacked(body, 100, 10)


def test_a_bomb_is_not_unpacked() -> None:
    """Not more than `ratio` times the body comes out, however much would be allowed."""
    with pytest.raises(TooLarge):
        unpacked(gzip.compress(b"0" * 10_000_000, mtime=0), 1 << 30, 100)
