"""From the spool to one of several TSDs: nothing lost, nothing repeated that is known to be there, no rush of tries."""

from __future__ import annotations

import logging
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from keeper.opentsdb.sender import Sender
from keeper.opentsdb.spool import Spool
from keeper.opentsdb.terms import HTTP, TELNET, Target, Terms
from tests.notifiers.receiver import Answer, Receiver, Request
from tests.opentsdb.tsd import Tsd
from tests.peers import free_port
from tests.peers.ask import eventually
from tests.peers.victoria import Victoria
from tests.sources.loopback import Loopback, reset

BEGIN = 1_700_000_000


def points(metric: str, first: int, count: int) -> list[bytes]:
    return [b"%s %d %d host=a" % (metric.encode(), BEGIN + number, number) for number in range(first, first + count)]


def stored(count: int) -> dict[tuple[float, int], int]:
    """What VictoriaMetrics says when it has each of `points` once."""
    return {(number, (BEGIN + number) * 1000): 1 for number in range(count)}


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool.open(tmp_path / "spool", 64 << 20, time.time)
    yield opened
    opened.close()


@contextmanager
def running(spool: Spool, terms: Terms) -> Iterator[Sender]:
    """A sender in its thread. A bug in it fails the test."""
    sender = Sender(spool, terms, time.time, random.Random(1).random)
    stop = threading.Event()
    failures: list[Exception] = []

    def body() -> None:
        try:
            sender.run(stop.wait)
        except Exception as error:  # noqa: BLE001  # the test's thread says it
            failures.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    try:
        yield sender
    finally:
        stop.set()
        thread.join(5)
        assert not failures, failures
        assert not thread.is_alive()


def emptied(spool: Spool, deadline: float = 30.0) -> None:
    eventually(lambda: spool.points == 0, "the spool to be empty", deadline, every=0.02)


def terms(way: str, *ports: int, timeout: float = 10.0, most: int = 5000) -> Terms:
    return Terms(tuple(Target("127.0.0.1", port) for port in ports), way=way, timeout=timeout, most=most)


@pytest.mark.parametrize("way", [TELNET, HTTP])
def test_every_point_arrives_once_though_the_tsd_is_stopped(spool: Spool, tmp_path: Path, way: str, seed: int) -> None:
    """A real VictoriaMetrics, stopped in order and started again at random moments while points come and are sent.

    It may have taken part of what was on its way when it stopped, and nobody can tell: that part is sent again, and is
    there twice. All other points are there once.
    """
    chance = random.Random(seed)
    total = 0
    with Victoria(tmp_path / "victoria") as victoria:
        port = victoria.telnet if way == TELNET else victoria.put
        with running(spool, terms(way, port, most=500)) as sender:
            for _ in range(3):
                for _ in range(40):
                    spool.append(points("stopped", total, 250))
                    total += 250
                goal = sender.sent + chance.randrange(1, 8000)
                eventually(partial(_sent, sender, spool, goal), "some to be sent", every=0.001)
                victoria.stop()
                spool.append(points("stopped", total, 250))
                total += 250
                eventually(lambda: sender.state == "down", "the sender to see it")
                assert sender.why.startswith(f"127.0.0.1:{port}: ")
                victoria.start()
            emptied(spool)
            found = victoria.points("stopped")
            assert set(found) == set(stored(total))
            assert sum(found.values()) - total <= sender.repeated
            assert sender.sent == total
            assert (sender.state, sender.why, sender.refused, spool.dropped) == ("up", "", 0, 0)
            assert sender.host == f"127.0.0.1:{port}"
            assert sender.last_sent is not None


def _sent(sender: Sender, spool: Spool, goal: int) -> bool:
    return sender.sent >= goal or spool.points == 0


@pytest.mark.parametrize("way", [TELNET, HTTP])
def test_what_a_killed_tsd_had_not_read_arrives_once(spool: Spool, tmp_path: Path, way: str) -> None:
    """Frozen, so that it reads nothing, then killed with -9 in the middle of a batch.

    What it has read but not written, a killed VictoriaMetrics of this version loses (it keeps some seconds in memory),
    and no protocol tells: therefore the points before are on its disk here, written by a stop in order.
    """
    with Victoria(tmp_path / "victoria") as victoria:
        with running(spool, terms(way, victoria.telnet if way == TELNET else victoria.put)) as sender:
            spool.append(points("killed", 0, 3000))
            emptied(spool)
            victoria.stop()
            victoria.start()
            victoria.signal(signal.SIGSTOP)
            spool.append(points("killed", 3000, 3000))
            eventually(lambda: waiting_at(victoria.telnet) + waiting_at(victoria.put), "the batch to be on its way")
            victoria.kill()
            eventually(lambda: sender.state == "down", "the sender to see it")
            assert sender.repeated == 3000
            victoria.start()
            emptied(spool)
        assert victoria.points("killed") == stored(6000)


def waiting_at(port: int) -> int:
    """Bytes that the kernel has for whoever listens on a port, and nobody has read."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        int(row[4].split(":")[1], 16) for row in rows if int(row[1].split(":")[1], 16) == port and row[3] != "0A"
    )


def test_the_next_host_is_taken_and_kept(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    """The first is not there: the second takes all. When that goes and the first is there, the first does."""
    caplog.set_level(logging.INFO, "keeper")
    first_port = free_port()
    with Tsd() as second:
        second_port = second.port
        with running(spool, terms(TELNET, first_port, second_port)) as sender:
            spool.append(points("m", 0, 10))
            emptied(spool)
            assert sender.host == f"127.0.0.1:{second_port}"
            assert (sender.state, sender.why, sender.retries) == ("up", "", 1)
            for _ in range(3):
                spool.append(points("m", 10, 10))
                emptied(spool)
            assert len(second.lines) == 40
            assert sender.retries == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"tsd=127.0.0.1:{first_port} state=down why='connection refused'",
        f"tsd=127.0.0.1:{second_port} state=up",
    ]


def test_a_host_that_works_again_is_used_again(spool: Spool) -> None:
    """Both go away; whichever comes back gets what has waited."""
    with Tsd() as first, Tsd() as second, running(spool, terms(TELNET, first.port, second.port)) as sender:
        broken = threading.Event()

        def judge(_point: bytes) -> bytes:
            return b"put: HBase error: x\n" if broken.is_set() else b""

        first.judge = second.judge = judge
        spool.append(points("m", 0, 5))
        emptied(spool)
        broken.set()
        spool.append(points("m", 5, 5))
        eventually(lambda: sender.state == "down", "both to have failed")
        assert sender.why.endswith("says 'HBase error: x'")
        broken.clear()
        emptied(spool)
        assert sender.state == "up"
        assert set(first.lines + second.lines) == set(points("m", 0, 10))


def resets(_server: Loopback, connection: socket.socket, _number: int) -> None:
    reset(connection)


def refuses(_server: Loopback, connection: socket.socket, _number: int) -> None:
    connection.sendall(b"nobody puts anything here\n")


@pytest.mark.parametrize("treat", [resets, refuses])
def test_a_tsd_that_never_takes_anything_is_left_alone(
    spool: Spool, treat: Callable[[Loopback, socket.socket, int], None]
) -> None:
    """The time between two tries doubles up to a minute: a day of the test's clock has 1,440 to 1,930 of them."""
    clock = [1000.0]

    def wait(seconds: float) -> bool:
        clock[0] += seconds
        return clock[0] > 1000.0 + 86_400

    spool.append(points("m", 0, 5))
    with Loopback(treat) as server:
        sender = Sender(spool, terms(TELNET, server.port), lambda: clock[0], lambda: 0.5)
        sender.run(wait)
    assert 1400 < sender.retries < 2000
    assert sender.state == "down"
    assert spool.points == 5


def test_refused_points_are_counted_and_never_block(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    """The last one is shown with its reason; one line of the log, however many there are."""

    def judge(point: bytes) -> bytes:
        return b"put: illegal argument: bad metric: bad\n" if point.startswith(b"bad ") else b""

    with Tsd(judge) as tsd, running(spool, terms(TELNET, tsd.port, most=10)) as sender:
        for first in range(0, 100, 10):
            spool.append(points("bad", first, 10) if first % 20 else points("good", first, 10))
        emptied(spool)
        assert (sender.sent, sender.refused, sender.retries, sender.state) == (50, 50, 0, "up")
        assert sender.last_refused is not None
        assert sender.last_refused.line == points("bad", 99, 1)[0]
        assert sender.last_refused.why == "illegal argument: bad metric: bad"
        assert len(tsd.lines) == 50
    assert sum("refused=" in record.getMessage() for record in caplog.records) == 1


def test_what_was_settled_of_a_batch_is_not_sent_again(spool: Spool) -> None:
    """By HTTP, half of it taken before the server failed."""
    taken: list[int] = []
    failed = threading.Event()

    def script(request: Request) -> Answer:
        body = request.json
        if len(body) > 50:
            return Answer(413)
        if len(taken) >= 50 and not failed.is_set():
            failed.set()
            return Answer(503)
        taken.extend(point["value"] for point in body)
        return Answer(204)

    with Receiver(script) as receiver, running(spool, terms(HTTP, receiver.port)) as sender:
        spool.append(points("m", 0, 100))
        emptied(spool)
        assert sorted(taken) == list(range(100))
        assert (sender.sent, sender.repeated) == (100, 0)


def test_new_lines_are_sent_soon_and_a_stop_is_obeyed_while_a_tsd_hangs(spool: Spool) -> None:
    """The thread ends though a batch is on its way to somebody who never answers; the batch stays in the spool."""

    def hangs(server: Loopback, _connection: socket.socket, _number: int) -> None:
        server.stopping.wait()

    with Loopback(hangs) as server:
        stop = threading.Event()
        sender = Sender(spool, terms(TELNET, server.port, timeout=600.0), time.time, lambda: 0.5)
        thread = threading.Thread(target=sender.run, args=(stop.wait,), daemon=True)
        thread.start()
        spool.append(points("m", 0, 5))
        eventually(lambda: server.connections == 1, "the batch to be on its way", 5)
        stop.set()
        thread.join(5)
        assert not thread.is_alive()
    assert spool.points == 5
    with Tsd() as tsd, running(spool, terms(TELNET, tsd.port)):
        emptied(spool)
        assert tsd.lines == points("m", 0, 5)
