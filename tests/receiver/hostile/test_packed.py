"""Packed bodies: bombs, and gzip that is none."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest

from tests.receiver.hostile.target import LINE, MAX_BODY, TEXT, Target, accepted, refused
from tests.receiver.wire import Wire, ask, request


def packed(body: bytes) -> bytes:
    return request(body, TEXT, "Content-Encoding: gzip", path="/log/packed")


@pytest.mark.parametrize("level", [1, 9])
def test_a_bomb(target: Target, level: int) -> None:
    """Ten megabytes in ten kilobytes; 200 in as few, cut off; and packed twice."""
    refused(ask(target.address, packed(gzip.compress(bytes(10_000_000), level))), 400, 413)
    bomb = zlib.compressobj(level, wbits=31)
    large = b"".join([*(bomb.compress(bytes(1 << 20)) for _ in range(200)), bomb.flush()])[: MAX_BODY - 1000]
    refused(ask(target.address, packed(large)), 400, 413)
    twice = request(gzip.compress(large), TEXT, "Content-Encoding: gzip, gzip", path="/log/x")
    refused(ask(target.address, twice), 400, 415)


def test_many_small_members(target: Target) -> None:
    """A megabyte of empty gzip members is no reason to make others wait."""
    body = (gzip.compress(b"") * (MAX_BODY // 20))[: MAX_BODY // 20 * 20]
    with Wire(target.address) as wire:
        began = time.monotonic()
        wire.send(packed(body))
        target.good(patience=2.0)
        wire.answer()
        print(f"{time.monotonic() - began:.2f} s")


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (gzip.compress(LINE)[:-1], (400,)),
        (gzip.compress(LINE)[:20], (400,)),
        (gzip.compress(LINE)[:9], (400,)),
        (gzip.compress(LINE) + b"trailing", (400,)),
        (gzip.compress(LINE)[:-8] + bytes(8), (400,)),
        (LINE, (400,)),
        (b"", (400,)),
        (zlib.compress(LINE), (400,)),
        (b"\x1f\x8b" + bytes(100), (400,)),
    ],
    ids=["cut", "short", "head", "trailing", "sum", "plain", "nothing", "zlib", "zeros"],
)
def test_gzip_that_is_none(target: Target, body: bytes, codes: tuple[int, ...]) -> None:
    """It is refused whole: half a body is none."""
    refused(ask(target.address, packed(body)), *codes)


def test_gzip_of_several_members(target: Target) -> None:
    """As `cat a.gz b.gz` makes it, and RFC 1952 allows: nothing of it is left out."""
    both = gzip.compress(LINE) + gzip.compress(LINE.replace(b"word", b"another"))
    answer = accepted(ask(target.address, packed(both)))
    assert answer.json["events"] == 2


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "chunked", "gzip, identity", "\xff", "gzip" * 100])
def test_other_packings(target: Target, coding: str) -> None:
    refused(ask(target.address, request(LINE, TEXT, f"Content-Encoding: {coding}", path="/log/x")), 400, 415)
