"""The API sources against a real nodeos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from keeper.core.event import AnswerFailed, Event, InfoAnswer, PausedAnswer, PeerCount, ReferenceAnswer, ScheduleAnswer
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
from tests.peers.ask import get_json, post_json
from tests.peers.nodeos import STALE, Nodeos
from tests.sources.test_http_health import Running

NOW = Clock().now


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodeos]:
    """A node that produces, has one peer, and tries in vain to reach another."""
    directory = tmp_path_factory.mktemp("nodes")
    here, there = free_port(), free_port()
    node = Nodeos("one", directory / "one", free_port(), here, peers=(there, free_port()), producers=("eosio",))
    peer = Nodeos("two", directory / "two", free_port(), there)
    with ExitStack() as stack:
        stack.callback(node.stop)
        stack.callback(peer.stop)
        peer.start()
        node.start(STALE)
        yield node


def until(running: Running, kind: type[Event], seconds: float, **fields: object) -> Event:
    """The first event of that kind with these fields, within so many seconds."""
    deadline = NOW() + seconds
    while NOW() < deadline:
        event = running.next()
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
            return event
    raise AssertionError(f"no {kind.__name__} with {fields} within {seconds} s")


def test_get_info(node: Nodeos) -> None:
    """The head of a real node rises from answer to answer, its time is now, and its producer is known."""
    with Running(node_api(NodeApiSettings("one", node.http_url, interval=0.6), NOW)) as running:
        answers = [running.next() for _ in range(4)]
    assert all(isinstance(answer, InfoAnswer) for answer in answers), answers
    info = [answer for answer in answers if isinstance(answer, InfoAnswer)]
    assert info[-1].head > info[0].head >= info[0].lib
    assert abs(info[-1].head_time - NOW()) < 5
    assert info[-1].head_producer == "eosio"
    assert info[-1].chain_id == node.info()["chain_id"]
    assert info[-1].version == node.info()["server_version_string"]
    assert max(answer.took for answer in info) < 1
    with Running(reference_api(ReferenceApiSettings("one", node.http_url), NOW)) as running:
        reference = running.next()
        assert isinstance(reference, ReferenceAnswer)
        assert reference.head >= info[-1].head


def test_details(node: Nodeos, tmp_path: Path) -> None:
    """Paused follows what the node is told, the schedule is the node's own, and a peer out of reach does not count."""
    settings = NodeDetailsSettings(
        "one", node.http_url, paused_interval=0.2, schedule_interval=0.2, connections_interval=0.2
    )
    with Running(node_details(settings, NOW)) as running:
        until(running, PausedAnswer, 10, paused=False)
        node.pause()
        until(running, PausedAnswer, 10, paused=True)
        node.resume()
        until(running, PausedAnswer, 10, paused=False)
        until(running, ScheduleAnswer, 10, producers=tuple(node.schedule()), pending=())
        until(running, PeerCount, 30, peers=1)
        assert len(post_json(f"{node.http_url}/v1/net/connections")) == 2
        assert all("is_socket_open" not in row for row in get_json(f"{node.http_url}/v1/net/connections"))


def test_what_is_not_there(node: Nodeos) -> None:
    """A question the node does not know is `not offered`, with nodeos' own words."""
    settings = NodeDetailsSettings("one", f"{node.http_url}/nowhere")
    with Running(node_details(settings, NOW)) as running:
        failed = running.next()
    assert isinstance(failed, AnswerFailed)
    assert failed.reason.startswith("the node does not offer it: answered 404 Not Found: ")
    assert failed.reason.endswith("Unknown Endpoint")


def test_a_node_that_hangs(node: Nodeos) -> None:
    """A stopped process has open ports and answers nothing: each question ends in time; afterwards it goes on."""
    with Running(node_api(NodeApiSettings("one", node.http_url, interval=0.2, timeout=0.5), NOW)) as running:
        until(running, InfoAnswer, 10)
        node.sigstop()
        try:
            failed = until(running, AnswerFailed, 10)
            assert isinstance(failed, AnswerFailed)
            assert (failed.question, failed.reason) == ("info", "no answer within 0.5 s")
        finally:
            node.sigcont()
        until(running, InfoAnswer, 10)


def test_a_node_that_is_killed(node: Nodeos) -> None:
    """A killed node refuses connections, and is seen again as soon as it is back."""
    with Running(node_api(NodeApiSettings("one", node.http_url, interval=0.2), NOW)) as running:
        until(running, InfoAnswer, 10)
        node.stop()
        until(running, AnswerFailed, 10, reason="connection refused")
        node.start(STALE)
        until(running, InfoAnswer, 30)
