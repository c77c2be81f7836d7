"""The API sources of a node, asked over real sockets."""

from __future__ import annotations

import json
import queue
import socket
import threading
from contextlib import ExitStack

from keeper.core.batch import Answers, Item
from keeper.core.event import AnswerFailed, Event, InfoAnswer, PausedAnswer, PeerCount, ReferenceAnswer, ScheduleAnswer
from keeper.core.source import Source
from keeper.runtime.clock import Clock
from keeper.sources.http_health import (
    NodeApiSettings,
    NodeDetailsSettings,
    ReferenceApiSettings,
    node_api,
    node_details,
    reference_api,
)
from tests.peers import free_port
from tests.sources.loopback import Loopback, answer

NOW = Clock().now
HEAD = "0000271a" + "5c" * 28
INFO = {
    "server_version": "7c0b0d38",
    "server_version_string": "v5.0.3",
    "chain_id": "ac" * 32,
    "head_block_num": 10010,
    "last_irreversible_block_num": 9830,
    "head_block_id": HEAD,
    "head_block_time": "2024-09-27T03:44:56.500",
    "head_block_producer": "bpa",
}
SCHEDULE = {
    "active": {"version": 3, "producers": [{"producer_name": "bpa"}, {"producer_name": "bpb"}]},
    "pending": None,
}
CONNECTIONS = [{"peer": "a", "connecting": False, "is_socket_open": True}]
NOT_FOUND = {
    "code": 404,
    "message": "Not Found",
    "error": {"what": "unspecified", "details": [{"message": "Unknown Endpoint"}]},
}


def node(server: Loopback, connection: socket.socket, _: int) -> None:
    """A node that offers everything, with the statuses that nodeos uses."""
    while head := server.head(connection):
        path = head.split()[1]
        status, value = {
            "/v1/chain/get_info": ("200 OK", INFO),
            "/v1/producer/paused": ("201 Created", False),
            "/v1/chain/get_producer_schedule": ("200 OK", SCHEDULE),
            "/v1/net/connections": ("201 Created", CONNECTIONS),
        }[path]
        connection.sendall(answer(json.dumps(value), status))


def bare_node(server: Loopback, connection: socket.socket, _: int) -> None:
    """A node that offers the chain API only."""
    while head := server.head(connection):
        known = {"/v1/chain/get_info": INFO, "/v1/chain/get_producer_schedule": SCHEDULE}.get(head.split()[1])
        reply = (NOT_FOUND, "404 Not Found") if known is None else (known, "200 OK")
        connection.sendall(answer(json.dumps(reply[0]), reply[1]))


class Running:
    """A source in a thread of its own; `next()` waits for the next event."""

    def __init__(self, source: Source) -> None:
        self.items: queue.Queue[Item] = queue.Queue()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=source.run, args=(self.items.put, self.stop.wait), daemon=True)

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(5)
        assert not self.thread.is_alive(), "the source does not stop"

    def next(self) -> Event:
        while True:
            item = self.items.get(timeout=10)
            if isinstance(item, Answers):
                assert len(item.events) == 1
                return item.events[0]


def test_get_info_of_our_node() -> None:
    """The node's head, LIB and version come as an InfoAnswer with the time it took."""
    with Loopback(node) as server:
        source = node_api(NodeApiSettings("main", server.url("/")), NOW)
        assert source.name == "main/api"
        with Running(source) as running:
            before = NOW()
            event = running.next()
            assert isinstance(event, InfoAnswer)
            assert before - 1 < event.at <= NOW()
            assert 0 < event.took < 1
            assert (event.head, event.head_id, event.lib, event.head_time) == (10010, HEAD, 9830, 1727408696.5)
            assert (event.head_producer, event.version, event.chain_id) == ("bpa", "v5.0.3", "ac" * 32)


def test_details_of_our_node() -> None:
    """Paused, schedule and peers are asked by a source of their own, at once at the start."""
    with Loopback(node) as server:
        source = node_details(NodeDetailsSettings("main", server.url()), NOW)
        assert source.name == "main/details"
        with Running(source) as running:
            events = [running.next() for _ in range(3)]
        at = [e.at for e in events]
        assert events == [
            PausedAnswer(at[0], False),
            ScheduleAnswer(at[1], 3, ("bpa", "bpb"), ()),
            PeerCount(at[2], 0, 1),
        ]


def test_apis_that_a_node_does_not_offer() -> None:
    """Without producer and net API the node's schedule is still read, and each missing API is told once."""
    with Loopback(bare_node) as server:
        settings = NodeDetailsSettings(
            "main", server.url(), paused_interval=0.2, schedule_interval=0.2, connections_interval=0.2
        )
        with Running(node_details(settings, NOW)) as running:
            events = [running.next() for _ in range(8)]
        failed = [e for e in events if isinstance(e, AnswerFailed)]
        assert [(e.question, e.endpoint) for e in failed] == [("paused", server.url()), ("connections", server.url())]
        assert {e.reason for e in failed} == {
            "the node does not offer it: answered 404 Not Found: unspecified: Unknown Endpoint"
        }
        assert sum(isinstance(e, ScheduleAnswer) for e in events) == 6


def test_the_producer_api_may_have_an_address_of_its_own() -> None:
    """With `producer_url`, paused is asked there and everything else at the node's address."""
    with Loopback(node) as producer, Loopback(bare_node) as server:
        settings = NodeDetailsSettings("main", server.url(), producer_url=producer.url())
        with Running(node_details(settings, NOW)) as running:
            assert isinstance(running.next(), PausedAnswer)
            assert isinstance(running.next(), ScheduleAnswer)
        assert [head.split()[1] for head in producer.requests] == ["/v1/producer/paused"]


def test_a_hanging_detail_does_not_delay_get_info() -> None:
    """While connections hangs, and paused drips, get_info goes on at its pace."""

    def treat(server: Loopback, connection: socket.socket, number: int) -> None:
        while head := server.head(connection):
            if "get_info" not in head:
                server.drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000, 0.02)
                return
            connection.sendall(answer(json.dumps(INFO)))

    with ExitStack() as stack:
        server = stack.enter_context(Loopback(treat))
        details = stack.enter_context(
            Running(node_details(NodeDetailsSettings("main", server.url(), timeout=0.5), NOW))
        )
        api = stack.enter_context(Running(node_api(NodeApiSettings("main", server.url(), interval=0.2), NOW)))
        times = []
        for _ in range(8):
            event = api.next()
            assert isinstance(event, InfoAnswer)
            times.append(event.at)
        assert 1.3 < times[-1] - times[0] < 3
        failed = details.next()
        assert isinstance(failed, AnswerFailed)
        assert (failed.question, failed.reason[:38]) == ("paused", "the answer was not complete after 0.5 ")


def test_a_node_that_lies_or_fails_is_an_answer_failed() -> None:
    """Head 0, HTML, an error of nodeos and a closed connection are failures of `info` with their reasons."""
    oops = {
        "code": 500,
        "message": "Internal Service Error",
        "error": {"what": "unspecified", "details": [{"message": "oops"}]},
    }
    replies = [
        answer(json.dumps(INFO | {"head_block_num": 0})),
        answer("<html>Bad Gateway</html>", "502 Bad Gateway", "Content-Type: text/html\r\n"),
        answer("<html>Welcome</html>", "200 OK", "Content-Type: text/html\r\n"),
        answer(json.dumps(oops), "500 Internal Server Error"),
        answer(json.dumps(INFO)[:100]),
        answer("x" * 70_000),
        b"",
        answer(json.dumps(INFO), headers="Content-Type: text/plain\r\n"),
    ]

    def treat(server: Loopback, connection: socket.socket, number: int) -> None:
        server.head(connection)
        connection.sendall(replies[min(number, len(replies)) - 1])

    with Loopback(treat) as server:
        settings = NodeApiSettings("main", server.url(credentials="user:secret@"), interval=0.2)
        with Running(node_api(settings, NOW)) as running:
            events = [running.next() for _ in replies]
        failed = [e for e in events if isinstance(e, AnswerFailed)]
        assert {(e.question, e.endpoint) for e in failed} == {("info", server.url())}
        assert [e.reason for e in failed] == [
            "head_block_num is 0, the node has not loaded its chain",
            "answered 502 Bad Gateway",
            "the answer is not valid JSON, it begins '<html>Welcome</html>'",
            "answered 500 Internal Server Error: unspecified: oops",
            f"the answer is not valid JSON, it begins '{json.dumps(INFO)[:59]}…'",
            "the answer is larger than 65,536 bytes",
            "closed the connection without an answer",
        ]
        assert isinstance(events[-1], InfoAnswer)


def test_reference_nodes() -> None:
    """Each reference node is a source of its own, named without its credentials."""
    with Loopback(node) as server:
        url = server.url(credentials="user:secret@")
        source = reference_api(ReferenceApiSettings("main", url, phase=0.05), NOW)
        assert source.name == f"main/reference/127.0.0.1:{server.port}"
        with Running(source) as running:
            event = running.next()
        assert isinstance(event, ReferenceAnswer)
        assert event == ReferenceAnswer(event.at, server.url(), 10010, HEAD, 1727408696.5, 9830, "ac" * 32)


def test_a_dead_reference_node_is_left_alone_for_longer_and_longer() -> None:
    """A reference node that does not answer fails with its reason, and is asked less and less often."""
    url = f"http://127.0.0.1:{free_port()}"
    with Running(reference_api(ReferenceApiSettings("main", url, interval=0.1, slowest=0.4), NOW)) as running:
        events = [running.next() for _ in range(5)]
    assert {(e.question, e.endpoint, e.reason) for e in events if isinstance(e, AnswerFailed)} == {
        ("reference", url, "connection refused")
    }
    times = [e.at for e in events if isinstance(e, AnswerFailed)]
    assert len(times) == 5
    assert times[4] - times[0] > 0.95
