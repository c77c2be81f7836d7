"""One packet and its answer: what every way of answering, and of not answering, says about the packet."""

from __future__ import annotations

import itertools
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.delivery.account import Account
from keeper.delivery.exchange import Line
from keeper.delivery.ledger import Fate, Ledger
from keeper.delivery.outcome import FATES, Outcome, Reply, Result, judge
from keeper.delivery.pacing import Adaptive
from keeper.delivery.packet import Place
from keeper.delivery.plan import Item
from keeper.delivery.sender import Limits, Sender
from keeper.delivery.wire_json import JsonWire
from keeper.errors import KeeperError
from keeper.runtime.clock import Clock
from tests.peers import free_port, installed
from tests.sources.loopback import Loopback, answer

NOW = Clock().now
BODY = b'{"Chat": []}'


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Result.ACCEPTED),
        (201, Result.UNKNOWN),
        (202, Result.UNKNOWN),
        (204, Result.UNKNOWN),
        (301, Result.ASTRAY),
        (302, Result.ASTRAY),
        (307, Result.ASTRAY),
        (400, Result.REFUSED),
        (401, Result.ASTRAY),
        (403, Result.ASTRAY),
        (404, Result.ASTRAY),
        (408, Result.FAILED),
        (413, Result.REFUSED),
        (422, Result.REFUSED),
        (429, Result.BUSY),
        (500, Result.FAILED),
        (502, Result.UNKNOWN),
        (503, Result.BUSY),
        (504, Result.UNKNOWN),
    ],
)
def test_what_a_status_says(status: int, result: Result) -> None:
    """Only 200 is acceptance; what leaves open whether it was taken is not called a failure."""
    outcome = judge(Reply(status, b""), "")
    assert (outcome.result, outcome.code) == (result, status)
    assert (outcome.detail == "") == (status == 200)


def test_every_result_has_a_fate() -> None:
    """Nothing that can happen to a packet goes unrecorded."""
    assert set(FATES) == set(Result)


Sent = Callable[..., Outcome]


@pytest.fixture
def sent() -> Iterator[Sent]:
    """Send packets to one address, over one line."""
    lines: dict[str, Line] = {}

    def send(url: str, body: bytes = BODY, timeout: float = 5.0) -> Outcome:
        if url not in lines:
            lines[url] = Line(url, JsonWire({}, {}), NOW, connect_timeout=2.0, request_timeout=timeout)
        return lines[url].send(body, {"Idempotency-Key": '"a/1/b"'})

    yield send
    for line in lines.values():
        line.close()


def read(connection: socket.socket, server: Loopback) -> str:
    """One whole request."""
    head = ""
    while not head.endswith("\r\n\r\n"):
        piece = connection.recv(1).decode()
        if not piece:
            return ""
        head += piece
    size = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length"))
    while size:
        size -= len(connection.recv(min(size, 65536)))
    server.requests.append(head)
    return head


def test_a_connection_is_kept_and_a_closed_one_is_noticed_before_sending(sent: Sent) -> None:
    """Ten packets, two on each connection: the server closes after the second, which costs nothing."""
    closed = threading.Semaphore(0)

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        for _ in range(2):
            read(connection, server)
            connection.sendall(answer("{}"))
        connection.shutdown(socket.SHUT_RDWR)
        closed.release()

    with Loopback(treat) as server:
        for number in range(10):
            assert sent(server.url("/x?y=1", "user:secret@")).result is Result.ACCEPTED
            assert number % 2 == 0 or closed.acquire(timeout=10)
        assert (len(server.requests), server.connections) == (10, 5)
        head = server.requests[0]
    assert head.startswith("POST /x?y=1 HTTP/1.1\r\n")
    assert "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in head
    assert "Content-Type: application/json\r\n" in head
    assert 'Idempotency-Key: "a/1/b"\r\n' in head


def test_nobody_listens(sent: Sent) -> None:
    """The server cannot have it."""
    outcome = sent(f"http://127.0.0.1:{free_port()}")
    assert outcome == Outcome(Result.FAILED, 599, "connection refused")


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "closed the connection in the middle of the answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "middle of the answer"),
        (b"HTTP/1.1 200", "middle of the answer"),
        (b"HTTP/1.1 200 OK\r\nServer: x\r\n", "middle of the answer"),
        (b"220 smtp.example ESMTP\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", ""),
    ],
)
def test_it_had_the_packet_and_answered_nothing_whole(sent: Sent, reply: bytes, detail: str) -> None:
    """Nobody knows what it did with it."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        read(connection, server)
        connection.sendall(reply)

    with Loopback(treat) as server:
        outcome = sent(server.url())
    assert (outcome.result, outcome.code) == (Result.UNKNOWN, 599)
    assert detail in outcome.detail


def test_a_status_that_refuses_stands_whatever_becomes_of_its_body(sent: Sent) -> None:
    """500 and then nothing more."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        read(connection, server)
        connection.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 50\r\n\r\nhalf")

    with Loopback(treat) as server:
        assert sent(server.url()).result is Result.FAILED
        assert sent(server.url()).result is Result.FAILED


@pytest.mark.parametrize("every", [0.0, 0.05])
def test_a_server_that_hangs_or_drips_is_left_after_the_timeout(sent: Sent, every: float) -> None:
    """A byte now and then does not extend the time."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        read(connection, server)
        if every:
            server.drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000, every)
        server.stopping.wait(30)

    with Loopback(treat) as server:
        began = NOW()
        outcome = sent(server.url(), timeout=0.5)
        assert 0.4 < NOW() - began < 3
    assert (outcome.result, outcome.code) == (Result.UNKNOWN, 599)
    assert "0.5 s" in outcome.detail


def test_a_large_packet_that_is_refused_before_it_was_read(sent: Sent) -> None:
    """The server answers 413 and closes while the packet is still being written: its answer is heard, or at least it is
    known that it cannot have the whole packet."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with Loopback(treat) as server:
        outcomes = {sent(server.url(), b"x" * 20_000_000).result for _ in range(5)}
    assert outcomes <= {Result.REFUSED, Result.FAILED}


def test_a_server_that_never_reads_cannot_have_it(sent: Sent) -> None:
    """The packet does not fit into the buffers on the way: after the timeout it has not left the house."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        server.stopping.wait(30)

    with Loopback(treat) as server:
        outcome = sent(server.url(), b"x" * 50_000_000, timeout=0.5)
    assert outcome.result is Result.FAILED
    assert "before it had the whole packet" in outcome.detail


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ("Retry-After: 17\r\n", 17.0),
        ("Date: Fri, 20 Nov 2026 20:00:00 GMT\r\nRetry-After: Fri, 20 Nov 2026 20:01:00 GMT\r\n", 60.0),
        ("Date: Fri, 20 Nov 2026 20:00:00 GMT\r\nRetry-After: Fri, 20 Nov 2026 19:00:00 GMT\r\n", 0.0),
        ("Retry-After: soon\r\n", None),
        ("", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date_of_the_servers_clock(
    sent: Sent, headers: str, seconds: float | None
) -> None:
    """A server whose clock is years off still means a minute."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        read(connection, server)
        connection.sendall(answer("", "429 Too Many Requests", headers))

    with Loopback(treat) as server:
        assert sent(server.url()) == Outcome(Result.BUSY, 429, "answered 429", seconds)


def test_an_endless_answer_is_cut(sent: Sent) -> None:
    """200 and a body of which nobody reads more than 64 KiB."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        read(connection, server)
        connection.sendall(answer("x" * 3_000_000))

    with Loopback(treat) as server:
        assert sent(server.url()).result is Result.ACCEPTED
        assert sent(server.url()).result is Result.ACCEPTED
        assert server.connections == 2


def test_certificates_that_cannot_be_read_are_said_at_once(tmp_path: Path) -> None:
    """Before a packet is under way."""
    with pytest.raises(KeeperError, match="cannot be read"):
        Line("https://x", JsonWire({}, {}), NOW, connect_timeout=1, request_timeout=1, ca_file=str(tmp_path / "no"))


class Flawed:
    """A channel with a fault: the third packet meets it."""

    def __init__(self, line: Line, count: Iterator[int]) -> None:
        self._line = line
        self._count = count

    def send(self, body: bytes, headers: dict[str, str]) -> Outcome:
        if next(self._count) == 3:
            raise ZeroDivisionError
        return self._line.send(body, headers)

    def close(self) -> None:
        self._line.close()


def test_a_fault_in_a_sending_thread_ends_the_run_and_loses_no_record(tmp_path: Path) -> None:
    """What the others delivered is in the ledger, and the fault is raised, not swallowed."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        while read(connection, server):
            connection.sendall(answer("{}"))

    items = [Item(number, number, "c" * 32, "Chat", 1, Place("", 0), 0) for number in range(1, 10)]
    account = Account(collected=9, untried=9)
    count = itertools.count(1)
    with Loopback(treat) as server:
        ledger = Ledger.open(tmp_path, str)
        sender = Sender(
            ledger=ledger,
            pacing=Adaptive(),
            limits=Limits(most=4, attempts=3, give_up=60, repeat=True),
            now=NOW,
            packed=lambda _: BODY,
            headers=lambda item: {"Idempotency-Key": f'"a/{item.id}/{item.content}"'},
            connect=lambda: Flawed(
                Line(server.url(), JsonWire({}, {}), NOW, connect_timeout=5, request_timeout=5), count
            ),
            refused=lambda item, why: None,
            sending=lambda item, in_flight: None,
            answered=lambda item, outcome, took: None,
            watch=lambda told: None,
        )
        with pytest.raises(ZeroDivisionError):
            sender.run(items, account)
        came = len(server.requests)
    assert account.adds_up()
    assert account.delivered == came == sum(fate is Fate.DELIVERED for fate in ledger.fates().values()) >= 2
    assert sum(fate is Fate.SENDING for fate in ledger.fates().values()) == 1
    ledger.close()


def test_tls_with_its_own_certificates(tmp_path: Path) -> None:
    """`ca_file` makes a private authority trusted; without it nothing is sent. The connection is kept."""
    both = tmp_path / "both.pem"
    command = [installed("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=keeper", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", tmp_path / "key", "-out", tmp_path / "crt"], check=True, capture_output=True)
    both.write_bytes((tmp_path / "key").read_bytes() + (tmp_path / "crt").read_bytes())

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        while read(connection, server):
            connection.sendall(answer("{}"))

    with Loopback(treat, tls=both) as server:
        trusting, doubting = (
            Line(server.url(), JsonWire({}, {}), NOW, connect_timeout=5, request_timeout=5, ca_file=ca_file)
            for ca_file in (str(tmp_path / "crt"), "")
        )
        assert [trusting.send(BODY, {}).result for _ in range(3)] == [Result.ACCEPTED] * 3
        outcome = doubting.send(BODY, {})
        assert outcome.result is Result.FAILED
        assert "TLS certificate is not valid" in outcome.detail
        assert len(server.requests) == 3
        trusting.close()
        doubting.close()
