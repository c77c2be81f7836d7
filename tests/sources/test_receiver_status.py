"""The source that asks a receiver: of the receiver's own pages, and of servers that are none, over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from keeper.core.batch import Answers, Item
from keeper.core.event import AnswerFailed, Event
from keeper.core.receiver_event import ReceiverAnswer
from keeper.receiver.pages import ReceiverPages
from keeper.receiver.standing import Standing
from keeper.runtime.clock import Clock
from keeper.runtime.serve import Server
from keeper.sources.receiver_status import ReceiverStatusSettings, receiver_status
from tests.peers import free_port
from tests.peers.ask import get_json
from tests.receiver.standings import LIVELY, TROUBLE, counted
from tests.sources.loopback import Loopback, always, answer

NOW = Clock().now


@contextmanager
def serving(stands: Standing, listen: str = "127.0.0.1:0") -> Iterator[str]:
    """The status server of a receiver that stands like that; its address."""
    pages = ReceiverPages(CollectorRegistry(), lambda: stands, lambda: None, lambda: None)
    server = Server(listen, pages)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.address
    finally:
        server.close()
        thread.join(5)


def first_event(listen: str, **more: float) -> Event:
    """Run the source until its first answer."""
    items: list[Item] = []
    source = receiver_status(ReceiverStatusSettings("receiver", listen, interval=0.01, **more), NOW)  # type: ignore[arg-type]
    assert source.name == "receiver/status"
    source.run(items.append, lambda seconds: any(isinstance(item, Answers) for item in items))
    [event] = next(item for item in items if isinstance(item, Answers)).events
    return event


@pytest.mark.parametrize("stands", [LIVELY, TROUBLE], ids=["lively", "in trouble"])
def test_how_a_receiver_stands_is_one_event(stands: Standing) -> None:
    """As its own status page tells it."""
    with serving(stands) as address:
        event = first_event(address)
    assert isinstance(event, ReceiverAnswer)
    assert (event.records, event.size, event.workers) == (stands.records, stands.queue_bytes, len(stands.workers))
    assert event.took > 0


def test_what_it_counts_by_hour_and_source_is_not_asked_for() -> None:
    """It may be megabytes, every second; thousands of sources that may not be silent are no reason to call a receiver
    down."""
    many = counted(tuple(f"source-{n}" for n in range(40)), tuple(f"Type{n}" for n in range(40)))
    names = [f"a-source-with-a-name-{n:05}" for n in range(5000)]
    stands = replace(
        LIVELY,
        counts=many,
        sources=dict.fromkeys(names, LIVELY.sources["agent-tokyo"]),
        seen=dict.fromkeys(names, NOW()),
        known_since=dict.fromkeys(names, NOW()),
        silent_after=dict.fromkeys(names, 86400.0),
    )
    with serving(stands) as address:
        event = first_event(address)
        assert isinstance(event, ReceiverAnswer)
        assert event.watched == len(names)
        whole = get_json(f"http://{address}/api/v1/status")
        assert (len(whole["counts"]), len(whole["sources"])) == (len(many), len(names))


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "[::1]", "localhost"])
def test_one_that_listens_everywhere_is_asked_here(host: str) -> None:
    """Nobody can connect to 0.0.0.0 everywhere."""
    port = free_port()
    with serving(LIVELY, f"{host}:{port}"):
        assert isinstance(first_event(f"{host}:{port}"), ReceiverAnswer)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer("{}"), "the answer has no field now; is it a receiver that answers there?"),
        (answer("busy", "503 Service Unavailable"), "answered with status 503, not 200"),
        (answer("known are /", "404 Not Found"), "answered with status 404, not 200"),
        (answer("", "301 Moved", "Location: /x\r\n"), "answered 301 Moved Permanently to"),
        (answer(b" " * 2_000_000), "the answer is larger than 1,048,576 bytes"),
        (answer("[" * 100_000), "the answer is JSON nested too deeply"),
    ],
    ids=["another", "busy", "unknown", "moved", "endless", "deep"],
)
def test_what_is_no_answer_is_told_with_its_reason(reply: bytes, reason: str) -> None:
    """And costs no more memory than a good one."""
    with Loopback(always(reply)) as server:
        event = first_event(f"127.0.0.1:{server.port}")
        assert server.requests[0].startswith("GET /api/v1/status?counts=no HTTP/1.1")
        assert isinstance(event, AnswerFailed)
        assert (event.question, event.endpoint) == ("status", f"http://127.0.0.1:{server.port}/api/v1/status")
    assert event.reason.startswith(reason)


def test_one_that_is_not_there_or_hangs_is_told_too() -> None:
    """After the timeout, whatever it does meanwhile."""
    event = first_event(f"127.0.0.1:{free_port()}")
    assert isinstance(event, AnswerFailed)
    assert event.reason == "connection refused"
    with Loopback(lambda server, connection, _: server.drip(connection, b"HTTP/1.1 200 OK\r\n" * 99, 0.05)) as server:
        event = first_event(f"127.0.0.1:{server.port}", timeout=0.2)
    assert isinstance(event, AnswerFailed)
    assert "0.2 s" in event.reason
