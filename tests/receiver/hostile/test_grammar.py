"""What is no HTTP, or could be read in two ways."""

from __future__ import annotations

import pytest

from tests.receiver.hostile.target import JSON, MAX_BODY, SMUGGLED, Target, accepted, refused
from tests.receiver.shapes import in_json, in_lines, in_put, in_thrift
from tests.receiver.wire import Wire, ask, request

LYING = {
    "negative": b"Content-Length: -1",
    "plus": b"Content-Length: +5",
    "hex": b"Content-Length: 0x5",
    "words": b"Content-Length: five",
    "nothing": b"Content-Length:",
    "two": b"Content-Length: 5\r\nContent-Length: 6",
    "two in one": b"Content-Length: 5, 6",
    "huge": b"Content-Length: " + b"9" * 30,
    "very huge": b"Content-Length: " + b"9" * 5000,
    "both": b"Content-Length: 4\r\nTransfer-Encoding: chunked",
    "both, other order": b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    "unknown coding": b"Transfer-Encoding: xchunked",
    "chunked first": b"Transfer-Encoding: chunked, identity",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "hidden coding": b"Transfer-Encoding:\x0bchunked",
    "blank before the colon": b"Transfer-Encoding : chunked\r\nContent-Length: 4",
    "folded": b"Content-Length: 4\r\nX: y\r\n Transfer-Encoding: chunked\r\n\tz",
    "header without colon": b"Content-Length: 4\r\nTransfer-Encoding",
    "NUL in a header": b"Content-Length: 4\r\nX: a\0b",
    "newline in a header": b"Content-Length: 4\r\nX: a\nTransfer-Encoding: chunked",
    "return in a header": b"Content-Length: 4\r\nX: a\rTransfer-Encoding: chunked",
}


@pytest.mark.parametrize("header", LYING.values(), ids=LYING)
def test_what_could_be_read_in_two_ways(target: Target, header: bytes) -> None:
    """Refused and over: nothing behind it is taken for another request."""
    with Wire(target.address) as wire:
        wire.send(b"POST /log/x HTTP/1.1\r\nHost: a\r\n" + header + b"\r\n\r\n0\r\n\r\n" + SMUGGLED)
        first = wire.answer()
        assert first is None or first.status in (400, 413, 431), first
        assert wire.answer() is None, "it was read on"


CHUNKS = {
    "no number": b"x\r\nabc\r\n0\r\n\r\n",
    "negative": b"-1\r\nabc\r\n0\r\n\r\n",
    "huge": b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "too short": b"5\r\nabc\r\n0\r\n\r\n",
    "too long": b"2\r\nabc\r\n0\r\n\r\n",
    "no end of line": b"3abc0",
    "hex": b"0x3\r\nabc\r\n0\r\n\r\n",
    "newlines": b"3\nabc\n0\n\n",
    "NUL": b"3\0\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS)
def test_chunks_that_are_none(target: Target, body: bytes) -> None:
    with Wire(target.address) as wire:
        wire.send(b"POST /log/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED)
        first = wire.answer()
        assert first is None or first.status in (400, 408, 413), first
        assert wire.answer() is None, "it was read on"


NO_HTTP = {
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a line": b"eosriobrazil 2026-11-26 block 1\n",
    "Thrift framed": b"\x00\x00\x00\x1e\x80\x01\x00\x01\x00\x00\x00\x04ping\x00\x00\x00\x00\x00",
    "NULs": bytes(10_000),
    "NUL in the path": b"GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/3.7": b"GET / HTTP/3.7\r\n\r\n",
    "no version": b"POST /\r\nHost: a\r\n\r\n",
    "other newlines": b"GET /\rHTTP/1.1\r\r",
    "blank first": b" GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http(target: Target, sent: bytes) -> None:
    """It hears so, or nothing, and the connection is over at once."""
    with Wire(target.address) as wire:
        wire.send(sent)
        answer = wire.answer()
        assert answer is None or answer.status in (400, 408, 411), answer
        assert wire.closed(5.0)


def test_pipelined_requests_are_answered_in_order(target: Target) -> None:
    """A hundred in one write, good, wrong and unknown: the answers come in the order of the questions."""
    wanted: list[tuple[int, int]] = []
    sent = b""
    for number in range(100):
        events = 1 + number % 7
        words = [f"word-row-{number}{event}" for event in range(events)]
        match number % 4:
            case 0:
                sent += in_json(words)
                wanted.append((200, events))
            case 1:
                sent += in_lines(words)
                wanted.append((200, events))
            case 2:
                sent += b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
                wanted.append((404, 0))
            case 3:
                sent += request(b'{"unfinished": [', JSON)
                wanted.append((400, 0))
    with Wire(target.address) as wire:
        wire.send(sent)
        found = []
        for _ in wanted:
            answer = wire.answer()
            assert answer is not None
            found.append((answer.status, answer.json.get("events", 0)))
    assert found == wanted


def test_a_request_in_single_bytes_is_a_request(target: Target) -> None:
    """How the network cuts it says nothing."""
    with Wire(target.address) as wire:
        for whole in (in_lines(["word-bytes-1"]), in_thrift(["word-bytes-2"]), in_put(["word-bytes-3"])):
            for byte in range(len(whole)):
                wire.send(whole[byte : byte + 1])
            accepted(wire.answer())


@pytest.mark.parametrize("keep", [False, True])
def test_http_of_1996(target: Target, keep: bool) -> None:
    """HTTP/1.0 is answered, and the connection closed unless it was asked to be kept."""
    head = in_lines(["word-old-1"]).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    with Wire(target.address) as wire:
        if keep:
            wire.send(head.replace(b"Host:", b"Connection: keep-alive\r\nHost:", 1))
            answer = accepted(wire.answer())
            assert answer.headers["connection"].lower() in ("keep-alive", "close")
        else:
            wire.send(head)
            accepted(wire.answer())
            assert wire.closed(5.0)


def test_a_client_that_asks_first(target: Target) -> None:
    """`Expect: 100-continue`, as curl does: it hears 100 before it sends, or 413 at once."""
    body = in_lines(["word-asks-1"]).partition(b"\r\n\r\n")[2]
    head = b"POST /log/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with Wire(target.address) as wire:
        wire.send(head % len(body))
        first = wire.answer()
        assert first is not None
        assert first.status == 100
        wire.send(body)
        accepted(wire.answer())
        wire.send(head % (MAX_BODY + 1))
        refused(wire.answer(), 413)
        assert wire.closed()


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"TLS/1.0"])
def test_who_wants_another_protocol(target: Target, upgrade: bytes) -> None:
    """It gets its answer in this one, which is a clear one: with a body behind, such a request may be refused."""
    sent = in_lines(["word-upgrade-1"]).replace(b"Host:", b"Connection: Upgrade\r\nUpgrade: %b\r\nHost:" % upgrade, 1)
    answer = ask(target.address, sent)
    assert answer is not None
    assert answer.status == 400 or answer.json["events"] == 1
