"""The producer API of a real nodeos, and of servers that are none: every outcome is a value, in time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.actions.brief_http import read_address
from keeper.actions.producer_api import Done, Nobody, ProducerApi, Refused, Unknown, pause_meant
from keeper.runtime.clock import since_boot
from tests.peers import free_port
from tests.peers.ask import eventually
from tests.peers.nodeos import STALE, Nodeos
from tests.sources.loopback import Loopback, answer


def api(url: str) -> ProducerApi:
    return ProducerApi(read_address(url), since_boot)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodeos]:
    directory = tmp_path_factory.mktemp("node")
    node = Nodeos("one", directory, free_port(), free_port(), producers=("eosio",))
    node.start(STALE)
    yield node
    node.kill()


def test_a_real_node_pauses_and_resumes(node: Nodeos) -> None:
    """Done means done: paused it makes no more blocks after the one under way, resumed it does."""
    control = api(node.http_url)
    assert control.paused(2) is False
    assert control.pause(2) == Done("paused")
    assert (control.paused(2), node.paused()) == (True, True)
    time.sleep(0.6)
    head = node.head()
    time.sleep(1.5)
    assert node.head() == head
    assert control.pause(2) == Done("paused")
    assert control.resume(2) == Done("resumed")
    eventually(lambda: node.head() > head, "blocks")


def test_a_real_node_that_hangs(node: Nodeos) -> None:
    """A stopped process answers nothing: unknown, in time. What it does when it goes on, nobody promised."""
    control = api(node.http_url)
    node.sigstop()
    try:
        began = time.monotonic()
        assert control.pause(0.6) == Unknown("gave no answer to paused (no complete answer in time)")
        assert time.monotonic() - began < 1
    finally:
        node.sigcont()


def test_a_real_node_without_the_plugin(node: Nodeos) -> None:
    """The sentence names the plugin."""
    with_prefix = Loopback(proxy(node))
    with with_prefix as server:
        for outcome in (api(server.url()).pause(2), api(server.url()).resume(2), api(server.url()).paused(2)):
            assert isinstance(outcome, Refused)
            assert "load eosio::producer_api_plugin" in outcome.why


def proxy(node: Nodeos) -> Callable[[Loopback, socket.socket, int], None]:
    """nodeos' own answer to a path that no plugin of it serves."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        request = connection.recv(65_536).replace(b"/v1/producer/", b"/v1/nobody/")
        port = int(node.http_url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as there:
            there.sendall(request)
            while piece := there.recv(65_536):
                connection.sendall(piece)

    return treat


def test_nobody_there(tmp_path: Path) -> None:
    """A refused connection, or a socket that is no more, is an outcome of its own."""
    url = f"http://127.0.0.1:{free_port()}"
    assert api(url).pause(1) == Nobody(f"nobody listens at {url}")
    assert api(f"unix:{tmp_path}/none.sock").paused(1) == Nobody(f"nobody listens at unix:{tmp_path}/none.sock")


def test_over_a_unix_socket(tmp_path: Path) -> None:
    """nodeos can offer its API on a Unix socket only."""
    path = tmp_path / "nodeos.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            for reply in ('{"result":"ok"}', "true"):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer(reply, "201 Created"))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert api(f"unix:{path}").pause(2) == Done("paused")
        thread.join(5)


def says(*replies: bytes | None) -> Callable[[Loopback, socket.socket, int], None]:
    """Answer the first connection with the first, and so on, the last for ever; None hangs up."""

    def treat(server: Loopback, connection: socket.socket, number: int) -> None:
        connection.recv(65_536)
        reply = replies[min(number, len(replies)) - 1]
        if reply is not None:
            connection.sendall(reply)

    return treat


OK = answer('{"result":"ok"}', "201 Created")
TRUE, FALSE = answer("true", "201 Created"), answer("false", "201 Created")


@pytest.mark.parametrize(
    ("replies", "pause", "resume"),
    [
        (
            (OK, TRUE),
            Done("paused"),
            Refused("the node said ok to resume, and is paused: Spring pauses again while it gets no votes"),
        ),
        ((OK, FALSE), Refused("the node said ok to pause, and is not paused"), Done("resumed")),
        (
            (None, TRUE),
            Unknown(
                "the node reads paused, but that may be Spring's pause without votes: "
                "it gave no answer to pause (closed the connection without an answer)"
            ),
            Unknown("gave no answer to resume (closed the connection without an answer)"),
        ),
        ((None, FALSE), Unknown("gave no answer to pause (closed the connection without an answer)"), Done("resumed")),
        ((OK, None),) + (Unknown("gave no answer to paused (closed the connection without an answer)"),) * 2,
        ((OK, answer("[true]")),) + (Unknown("answered paused with 200: [true]"),) * 2,
        ((OK, answer("x" * 300_000)),)
        + (Unknown("gave no answer to paused (the answer is larger than 262,144 bytes)"),) * 2,
        (
            (answer('{"message":"Invalid\n Request"}', "400 Bad Request"), FALSE),
            Refused('the node refused pause with 400: {"message":"Invalid Request"}'),
            Done("resumed"),
        ),
        (
            (answer("busy", "503 Service Unavailable"), TRUE),
            Unknown(
                "the node reads paused, but that may be Spring's pause without votes: it answered pause with 503: busy"
            ),
            Unknown("answered resume with 503: busy"),
        ),
        ((b"SSH-2.0-OpenSSH\r\n\r\n",),)
        + (Unknown("gave no answer to paused (what answers there does not speak HTTP)"),) * 2,
    ],
)  # fmt: skip
def test_bad_servers(replies: tuple[bytes | None, ...], pause: object, resume: object) -> None:
    """What was said to the order and what was read back decide together."""
    with Loopback(says(*replies)) as server:
        said = api(server.url()).pause(2)
        assert (type(said), said) == (type(pause), pause)
    with Loopback(says(*replies)) as server:
        said = api(server.url()).resume(2)
        assert (type(said), said) == (type(resume), resume)


@pytest.mark.parametrize("dripped", [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, b""])
def test_a_server_that_drips_or_hangs(dripped: bytes) -> None:
    """Both questions together take no longer than they may."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        server.drip(connection, dripped, 0.02)
        server.stopping.wait(5)

    with Loopback(treat) as server:
        began = time.monotonic()
        assert isinstance(api(server.url()).pause(0.5), Unknown)
        assert 0.4 < time.monotonic() - began < 0.8


def test_what_a_pause_meant() -> None:
    """The node's own log tells Spring's two pauses apart."""
    reasons = ("explicitly_paused", "no_recent_votes", "irreversible_too_old")
    assert [pause_meant(reason) for reason in reasons] == ["explicit", "implicit", ""]


@pytest.mark.parametrize("text", ["https://127.0.0.1:8888", "127.0.0.1:8888", "http://h:1/path", "", "http://u:p@h"])
def test_addresses_that_are_none(text: str) -> None:
    """The API of a node on this host needs no TLS, path or password."""
    with pytest.raises(ValueError, match="is not an address on this host"):
        read_address(text)
