"""Points by telnet, to a real VictoriaMetrics and to TSDs that are hostile: what counts as delivered was read."""

from __future__ import annotations

import itertools
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.opentsdb.outcome import NotSent, Refused, Sent
from keeper.opentsdb.telnet import Telnet
from keeper.opentsdb.terms import Target, Terms
from tests.opentsdb.tsd import Tsd, certificate
from tests.peers import free_port
from tests.peers.victoria import Victoria
from tests.sources.loopback import Loopback, reset

LINES = [b"m.x %d %d host=a n=%d" % (1_700_000_000 + number, number, number % 9) for number in range(5000)]


def way(port: int, host: str = "127.0.0.1", timeout: float = 20.0, ca_file: Path | None = None) -> Telnet:
    terms = Terms((), timeout=timeout, tls=ca_file is not None, ca_file=str(ca_file or ""))
    return Telnet(Target(host, port), terms, time.time)


def failure(telnet: Telnet, lines: list[bytes] = LINES) -> NotSent:
    with pytest.raises(NotSent) as raised:
        telnet.send(lines)
    return raised.value


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    with Victoria(tmp_path_factory.mktemp("victoria"), "") as running:
        yield running


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_real_tsd_has_every_point_once_when_send_returns(victoria: Victoria, host: str) -> None:
    """Over IPv4, IPv6 and a name with both; the value and the second of every point."""
    metric = f"telnet.{host}".replace(":", "-")
    lines = [line.replace(b"m.x", metric.encode()) for line in LINES]
    assert way(victoria.telnet, host).send(lines) == Sent(5000)
    assert victoria.points(metric) == {(number, (1_700_000_000 + number) * 1000): 1 for number in range(5000)}


def test_milliseconds_reach_victoriametrics_as_seconds(victoria: Victoria) -> None:
    """It takes a whole number for seconds and would drop the point; by HTTP it keeps the milliseconds."""
    assert way(victoria.telnet).send([b"telnet.ms 1700000000123 1.5 host=a"]) == Sent(1)
    assert victoria.points("telnet.ms") == {(1.5, 1_700_000_000_000): 1}


def test_what_a_tsd_complains_about_is_refused_and_the_rest_arrives() -> None:
    """However much it says while it is sent to: neither waits for the other."""

    def judge(point: bytes) -> bytes:
        metric = point.split()[0]
        return b"" if metric == b"m.x" else b"put: unknown metric: No such name for 'metrics': '%s'\n" % metric

    bad = [b"bad.%d 1700000000 %d host=a" % (number, number) for number in range(2500)]
    mixed = [line for pair in itertools.zip_longest(bad, LINES) for line in pair if line]
    with Tsd(judge) as tsd:
        sent = way(tsd.port).send(mixed)
        assert sent.accepted == 5000
        assert [refused.line for refused in sent.refused] == bad
        assert sent.refused[7].why == "unknown metric: No such name for 'metrics': 'bad.7'"
        assert tsd.lines == LINES


def test_a_refusal_that_names_nothing_counts() -> None:
    with Tsd(lambda point: b"put: illegal argument: no\n" if b" 7 " in point else b"") as tsd:
        assert way(tsd.port).send(LINES) == Sent(4999, (Refused(b"", "illegal argument: no"),))


def test_a_tsds_own_trouble_is_tried_again() -> None:
    with Tsd(lambda _: b"put: Please throttle writes: 10000 RPCs waiting\n") as tsd:
        error = failure(way(tsd.port), LINES[:3])
    assert str(error) == "says 'Please throttle writes: 10000 RPCs waiting'"
    assert error.unknown


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"unknown command: put. Try `help'.\n"])
def test_what_is_no_tsd_gets_no_points_believed(said: bytes) -> None:
    """A web server's port, or a TSD in read-only mode: nothing is lost, and a person is told."""
    with Tsd(lambda _: said) as tsd:
        error = failure(way(tsd.port), LINES[:1])
    assert str(error) == f"answers put with {said.decode().strip()!r}: is it a TSD?"
    assert error.retry_after == 60.0


def talk_on(server: Loopback, connection: socket.socket, _: int) -> None:
    while not server.stopping.is_set():
        connection.sendall(b"put: illegal argument: no and no and no and no again\n" * 1000)


def never(server: Loopback, connection: socket.socket, _: int) -> None:
    server.stopping.wait()


def read_on(server: Loopback, connection: socket.socket, _: int) -> None:
    while connection.recv(65_536):
        pass
    server.stopping.wait()


def close_at_once(_server: Loopback, connection: socket.socket, _: int) -> None:
    """With bytes unread: the kernel resets."""


def read_some_and_close(_server: Loopback, connection: socket.socket, _: int) -> None:
    """In order, all that came so far read: as a TSD that is told to stop."""
    connection.recv(1000, socket.MSG_WAITALL)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65_536):
        pass


def read_some_and_reset(_server: Loopback, connection: socket.socket, _: int) -> None:
    connection.recv(1000, socket.MSG_WAITALL)
    reset(connection)


BIG = LINES * 40  # 8 MB: more than the buffers of both sides


@pytest.mark.parametrize(
    ("treat", "lines", "sentence"),
    [
        (talk_on, LINES, "says more than 5,185,536 bytes about one batch, and no end"),
        (never, LINES, "no end within 0.5 s"),
        (never, BIG, "no end within 0.5 s"),
        (read_on, LINES, "no end within 0.5 s"),
        (close_at_once, BIG, "(reset|closed) the connection.*"),
        (read_some_and_close, BIG, "closed the connection in the middle of a batch"),
        (read_some_and_reset, BIG, "reset the connection"),
    ],
)
def test_without_a_receipt_the_outcome_is_unknown(
    treat: Callable[[Loopback, socket.socket, int], None], lines: list[bytes], sentence: str
) -> None:
    """Nothing counts as accepted, and the sender is told that some may have arrived."""
    with Loopback(treat) as server:
        error = failure(way(server.port, timeout=0.5 if "0.5" in sentence else 20.0), lines)
    assert re.fullmatch(sentence, str(error))
    assert error.unknown
    assert error.rest is None


def test_nothing_leaves_without_a_connection() -> None:
    """Refused, no such name: nothing may have arrived."""
    error = failure(way(free_port()))
    assert (str(error), error.unknown) == ("connection refused", False)
    error = failure(way(4242, "no-such-host.invalid"))
    assert str(error).startswith("the host name cannot be resolved")
    assert not error.unknown
    assert "cannot be resolved" in str(failure(way(4242, "a..b")))


def test_the_next_address_of_a_name_is_tried() -> None:
    """Where only one of the addresses of `localhost` is listened on, whatever it has."""
    for host in {str(found[4][0]) for found in socket.getaddrinfo("localhost", 0)}:
        with Tsd(host=host) as tsd:
            assert way(tsd.port, "localhost").send(LINES) == Sent(5000)
            assert tsd.lines == LINES


def test_tls(tmp_path: Path) -> None:
    """The points arrive, complaints are heard, the end is a receipt; the certificate is checked."""
    cert, _, both = certificate(tmp_path)
    judge: Callable[[bytes], bytes] = lambda point: b"put: illegal argument: no\n" * 3 if b" 7 " in point else b""  # noqa: E731
    with Tsd(judge, tls=both) as tsd:
        sent = way(tsd.port, ca_file=cert).send(LINES)
        assert (sent.accepted, len(sent.refused)) == (4997, 3)
        assert tsd.lines == LINES[:7] + LINES[8:]
        error = failure(Telnet(Target("127.0.0.1", tsd.port), Terms((), tls=True), time.time))
        assert "its TLS certificate is not valid" in str(error)
        assert not error.unknown
        error = failure(way(tsd.port, ca_file=tmp_path / "none.pem"))
        assert "none.pem cannot be read: no such file or directory" in str(error)


def test_tls_with_one_that_speaks_none(tmp_path: Path) -> None:
    """It hangs up, or answers in plain text: nothing left."""
    cert, _, _ = certificate(tmp_path)
    with Loopback(lambda _server, connection, _: connection.sendall(b"hello?\n" * 99)) as server:
        error = failure(way(server.port, ca_file=cert))
    assert "TLS failed" in str(error)
    assert not error.unknown


@pytest.mark.parametrize("orderly", [True, False])
def test_tls_that_ends_too_early_is_no_receipt(tmp_path: Path, orderly: bool) -> None:
    """A close_notify in the middle of a batch, or a reset."""
    cert, _, both = certificate(tmp_path)

    def treat(_server: Loopback, connection: socket.socket, _: int) -> None:
        connection.recv(1000)
        if not orderly:
            reset(connection)

    with Loopback(treat, tls=both) as server:
        error = failure(way(server.port, ca_file=cert), BIG)
    assert error.unknown
