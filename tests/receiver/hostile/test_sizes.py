"""What is too large: refused by its size, not by what it costs."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from tests.peers.ask import eventually
from tests.receiver.hostile.target import MAX_BODY, TEXT, TIMEOUT, Target, accepted, refused
from tests.receiver.wire import Wire, ask, chunked, request


@pytest.mark.parametrize("by", ["length", "chunks"])
def test_a_body_that_is_too_large(target: Target, by: str) -> None:
    """413, which arrives although the sender is still sending: a reset would make it try again for ever."""
    for extra in (1, 100_000, 3 * MAX_BODY):
        body = b"x" * (MAX_BODY + extra)
        whole = request(body, TEXT, path="/log/x") if by == "length" else _in_chunks(body, 10_000)
        with Wire(target.address) as wire:
            wire.send(whole)
            refused(wire.answer(), 413)
            assert wire.closed()


def _in_chunks(body: bytes, size: int) -> bytes:
    head = b"POST /log/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + chunked(*[body[at : at + size] for at in range(0, len(body), size)])


def test_a_terabyte_is_refused_before_it_comes(target: Target) -> None:
    with Wire(target.address) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n")
        refused(wire.answer(), 413)
        assert wire.closed()


def test_the_largest_body_is_taken(target: Target) -> None:
    """The bound is what it says."""
    line = b"eosriobrazil 2026-11-26 " + b"x" * 999 + b"\n"
    body = (line * (MAX_BODY // len(line) + 1))[: MAX_BODY - 1] + b"\n"
    accepted(ask(target.address, request(body, TEXT, path="/log/large")))


def test_a_body_of_the_smallest_lines(target: Target) -> None:
    """What is made of a body while it is read is no more than some times its size."""
    before = target.memory()
    line = b"eosriobrazil 2026-11-26 x\n"
    body = line * (MAX_BODY // len(line))
    for _ in range(4):
        answer = accepted(ask(target.address, request(body, TEXT, path="/log/small")))
        assert answer.json["events"] == MAX_BODY // len(line)
    assert target.memory() - before < 60.0


def test_a_body_in_the_smallest_pieces(target: Target) -> None:
    """Chunks of two bytes cost no more memory than what they say."""
    before = target.memory()
    pieces = b"POST /log/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2\r\nab\r\n" * (
        MAX_BODY // 2 - 9
    )
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(target.address)) for _ in range(4)]
        senders = [threading.Thread(target=wire.send, args=(pieces,)) for wire in wires]
        for sender in senders:
            sender.start()
        most = before
        while any(sender.is_alive() for sender in senders):
            most = max(most, target.memory())
            time.sleep(0.02)
    assert most - before < 40.0, f"{most - before:.0f} MiB for 4"


def test_more_bodies_than_memory_is_meant_for(target: Target) -> None:
    """Forty times 1 MiB, all but their last byte: some are told to come later, none is forgotten."""
    before = target.memory()
    line = b"eosriobrazil 2026-11-26 " + b"x" * 999 + b"\n"
    whole = request(line * (MAX_BODY // len(line)), TEXT, path="/log/many")
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(target.address)) for _ in range(40)]
        for wire in wires:
            wire.send(whole[:-1])
        assert target.memory() - before < 60.0
        for wire in wires:
            wire.send(whole[-1:])
        answers = [wire.answer() for wire in wires]
    for answer in answers:
        assert answer is not None
        assert answer.status in (200, 408, 503), answer
        assert answer.status != 503 or answer.headers["retry-after"].isdigit()
    eventually(lambda: target.status()["pending_bytes"] == 0, "all bodies to be forgotten")


def test_a_line_of_a_megabyte(target: Target) -> None:
    with Wire(target.address) as wire:
        wire.send(b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        refused(wire.answer(), 400, 404, 431)
        assert wire.closed()


def test_ten_thousand_headers(target: Target) -> None:
    with Wire(target.address) as wire:
        wire.send(b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n")
        refused(wire.answer(), 400, 431)
        assert wire.closed()


@pytest.mark.parametrize(
    "begin",
    [
        b"POST / HTTP/1.1\r\nX: ",
        b"POST / HTTP/1.1\r\nX",
        b"POST ",
        b"POST /",
        b"A",
        b"POST /log/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        b"POST /log/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;",
    ],
    ids=["header", "name", "blanks", "path", "method", "trailer", "chunk extension"],
)
def test_what_never_ends(target: Target, begin: bytes) -> None:
    """A header without end is refused by its first kilobytes, not by its time, and costs neither memory nor the others'
    time."""
    piece = (b" " if begin == b"POST " else b"a") * 1_000_000
    before = target.memory()
    with Wire(target.address, patience=3.0) as wire:
        wire.send(begin)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 and wire.send(piece):
                sent += 1
        target.good(patience=3.0)
        assert target.memory() - before < 16.0
        assert wire.closed(TIMEOUT + 5.0)
