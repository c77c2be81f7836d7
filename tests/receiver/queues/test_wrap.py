"""Records in queues that take messages up to a size, and where such queues are said to be."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.receiver.packet import Event, Said, pack, packet_of
from keeper.receiver.queues import beanstalkd_line, jetstream_link
from keeper.receiver.queues.wrap import name, too_large, unwrap, wrap
from keeper.receiver.settings import read_queue

NOISE = random.Random(7).randbytes(1000)  # cannot be squeezed


@given(st.binary(max_size=300), st.integers(1, 301))
def test_what_is_wrapped_is_small_enough_and_comes_out_as_it_was(record: bytes, most: int) -> None:
    """Or it is refused, but never one that fits as it is."""
    message = wrap(record, most)
    if message is None:
        assert len(record) >= most
    else:
        assert len(message) <= most
        assert unwrap(message) == record


def test_the_edges_of_the_bound() -> None:
    """One byte says how a record stands; beyond the bound it is squeezed, or refused when that is too large as well."""
    assert wrap(NOISE, 1001) == b"=" + NOISE
    assert wrap(NOISE, 1000) is None
    squeezed = wrap(bytes(5000), 1000)
    assert squeezed is not None
    assert squeezed[:1] == b"z"
    assert unwrap(squeezed) == bytes(5000)
    assert "1000 bytes is larger than the 999 bytes" in too_large(NOISE, 999, "do something")


@given(st.binary(max_size=100))
def test_what_others_wrote_is_no_failure(message: bytes) -> None:
    """It comes out as it is, unless it looks as if keeper had written it."""
    if message[:1] == b"=":
        assert unwrap(message) == message[1:]
    elif message[:1] == b"z":
        try:
            assert unwrap(message) == zlib.decompress(message[1:])
        except zlib.error:
            assert unwrap(message) == message
    else:
        assert unwrap(message) == message


def test_names_of_packets() -> None:
    """The same packet has one name whenever it comes; another source, id, type or content is another. What is no record
    has none."""

    def named(source: str = "a", id: int | None = 1, type: str = "t", fields: bytes = b"{}", at: float = 1.0) -> str:
        found = name(pack(packet_of(Said(type, [Event(None, fields)]), source, id, at)))
        assert found is not None
        return found

    assert named() == named(at=2.0)
    others = [named(source="b"), named(id=2), named(id=None), named(type="u"), named(fields=b'{"a":1}')]
    assert len({named(), *others}) == 6
    assert [name(record) for record in (b"", b"{}", b"[1,2]", b"\xff", b"null")] == [None] * 5


@pytest.mark.parametrize(
    ("rest", "site"),
    [
        ("127.0.0.1:11300", ("127.0.0.1", 11300, "keeper")),
        ("queue.example:1/tube.1", ("queue.example", 1, "tube.1")),
        ("[::1]:11300/a", ("::1", 11300, "a")),
    ],
)
def test_where_beanstalkd_is(rest: str, site: tuple[str, int, str]) -> None:
    """As the configuration takes it."""
    assert read_queue(f"beanstalkd:{rest}") == ("beanstalkd", rest)
    assert tuple(beanstalkd_line.site_of(rest)) == site


@pytest.mark.parametrize(
    ("rest", "nodes", "stream"),
    [
        ("a:4222", ("a:4222",), "keeper"),
        ("a:1, b:2 ,c:3/packets", ("a:1", "b:2", "c:3"), "packets"),
        ("[::1]:4222/s", ("[::1]:4222",), "s"),
    ],
)
def test_where_jetstream_is(rest: str, nodes: tuple[str, ...], stream: str) -> None:
    """As the configuration takes it; the password is never shown."""
    assert read_queue(f"jetstream:{rest}") == ("jetstream", rest)
    site = jetstream_link.site_of(rest, "user", "secret")
    assert (site.nodes, site.stream, site.user, site.password) == (nodes, stream, "user", "secret")
    assert "secret" not in str(site)
