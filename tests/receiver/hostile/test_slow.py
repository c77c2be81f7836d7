"""Who is slow, who says nothing, and who never listens."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

from tests.peers.ask import eventually
from tests.receiver.hostile.target import CROWD, JSON, TIMEOUT, Target, accepted, refused
from tests.receiver.receiver_process import ReceiverProcess
from tests.receiver.shapes import in_json, in_lines
from tests.receiver.wire import Wire, ask, request


def test_ten_thousand_connections_that_do_nothing(tmp_path: Path) -> None:
    """They cost little, and beside them others are served; when they go, nothing is left."""
    with Target(tmp_path, "request_timeout = 60s") as patient:
        port = int(patient.address.rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            for number in range(CROWD):
                one = stack.enter_context(socket.socket())
                one.bind((f"127.0.0.{2 + number % 4}", 0))
                one.connect(("127.0.0.1", port))
            eventually(lambda: patient.status()["connections"] >= CROWD, "the whole crowd to be in")
            for _ in range(20):
                patient.good()
            assert patient.memory() < 200.0
        eventually(lambda: patient.status()["connections"] < 10, "the crowd to be forgotten")
        patient.judge()


def drip(target: Target, first: bytes, piece: bytes) -> float:
    """Send a beginning, then a piece again and again; the seconds until the connection is ended by the other side."""
    began = time.monotonic()
    with Wire(target.address) as wire:
        wire.send(first)
        while time.monotonic() - began < TIMEOUT + 10.0:
            if not wire.send(piece) or wire.closed(0.05):
                return time.monotonic() - began
    raise AssertionError("it is never cut")


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"", b"G"),
        (b"POST / HTTP/1.1\r\nHost: a\r\n", b"X"),
        (b"POST / HTTP/1.1\r\n", b"A: b\r\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", b"{"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"", b"\r\n"),
    ],
    ids=["line", "header", "headers", "body", "chunks", "chunk extension", "empty lines"],
)
def test_who_is_slow_is_cut(target: Target, first: bytes, piece: bytes) -> None:
    """A byte now and then keeps no connection: a request is whole in time, or it is over."""
    assert drip(target, first, piece) < TIMEOUT + 5.0


def test_a_request_that_stops_is_told_so(target: Target) -> None:
    """Half a request, and then nothing: 408, and the end."""
    with Wire(target.address) as wire:
        wire.send(request(b"{}" * 10, JSON)[:-5])
        refused(wire.answer(), 408)
        assert wire.closed()


def test_half_a_request_and_gone(target: Target) -> None:
    """Cut at many places of a good request, politely and with a reset: nothing of it is taken."""
    whole = in_json(["word-half-1"])
    for end in range(0, len(whole), 7):
        with Wire(target.address) as wire:
            wire.send(whole[:end])
            if end % 2:
                wire.finish()
                assert wire.closed(5.0)
            else:
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_who_closes_after_the_request_is_still_answered(target: Target) -> None:
    """The end of what a client says is not the end of its listening."""
    with Wire(target.address) as wire:
        wire.send(in_lines(["word-closed-1"]))
        wire.finish()
        accepted(wire.answer())
        assert wire.closed()


def test_who_never_reads_its_answers(target: Target) -> None:
    """Requests without end, and no answer is read: the receiver stops reading, too, and holds little."""
    asked = b"GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 5000
    before = target.memory()
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            one = stack.enter_context(Wire(target.address))
            one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.socket.settimeout(0.3)
            with contextlib.suppress(OSError):
                while True:
                    one.socket.sendall(asked)
        target.good()
        assert target.memory() - before < 60.0


def test_more_connections_than_are_allowed(tmp_path: Path) -> None:
    """They are closed at once and counted; who is there already is served; silent ones make room after a while."""
    options = ("max_connections = 50", "idle_timeout = 3s", "request_timeout = 2s", "workers = 0")
    with ReceiverProcess(tmp_path, *options) as receiver, contextlib.ExitStack() as stack:
        mine = stack.enter_context(Wire(receiver.address))
        for _ in range(60):
            stack.enter_context(Wire(receiver.address))
        with Wire(receiver.address) as late:
            assert late.closed()
        mine.send(in_lines(["word-mine-1"]))
        accepted(mine.answer())
        assert receiver.status()["turned_away"] >= 11
        eventually(
            lambda: (answer := ask(receiver.address, in_lines(["word-late-1"]))) and answer.status == 200, "room"
        )
