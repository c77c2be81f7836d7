"""What the receiver needs is killed and stopped, too: queues and stores of others, in the middle of everything."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.peers.beanstalkd import Beanstalkd
from tests.peers.nats import Nats
from tests.peers.postgresql import PASSWORD, PostgreSQL
from tests.receiver.kill_run import LOGIN, WAYS, Killed, kill_run, sources
from tests.receiver.receiver_process import ReceiverProcess

AWAY = 0.5  # seconds


def away(stop: Callable[[], object], start: Callable[[], object]) -> Callable[[ReceiverProcess], None]:
    """It is gone for a while, and comes back."""

    def gone(_: ReceiverProcess) -> None:
        stop()
        time.sleep(AWAY)
        start()

    return gone


Peer = tuple[list[str], list[Killed]]
"""Lines of `[receiver]`, and how the peer ends."""


@pytest.fixture
def beanstalkd(tmp_path: Path) -> Iterator[Peer]:
    with Beanstalkd(tmp_path / "beanstalkd") as peer:
        ways = [
            Killed("beanstalkd", away(peer.kill, peer.start)),
            Killed("beanstalkd, orderly", away(peer.stop, peer.start)),
        ]
        yield [f"queue = beanstalkd:{peer.address}/packets"], ways


@pytest.fixture
def jetstream(tmp_path: Path) -> Iterator[Peer]:
    with Nats(tmp_path / "nats") as peer:
        nodes = itertools.cycle(peer.nodes)

        def one(stop: Callable[..., object]) -> Callable[[ReceiverProcess], None]:
            def gone(receiver: ReceiverProcess) -> None:
                node = next(nodes)
                away(lambda: stop(node), node.start)(receiver)

            return gone

        ways = [
            Killed("a node", one(lambda node: node.kill())),
            Killed("a node, orderly", one(lambda node: node.stop())),
        ]
        yield [f"queue = jetstream:{peer.addresses}/PACKETS"], ways


@pytest.fixture
def postgresql() -> Iterator[Peer]:
    with PostgreSQL() as peer:
        ways = [
            Killed("PostgreSQL", away(peer.kill, peer.start)),
            Killed("PostgreSQL, orderly", away(peer.stop, peer.start)),
        ]
        yield [f"store = {peer.address()}", f"store_password = {PASSWORD}"], ways


def killed(directory: Path, peer: Peer, own: Sequence[Killed], rounds: int, seed: int) -> None:
    options, ways = peer
    receiver = ReceiverProcess(
        directory / "receiver", "workers = 2", "lines_confirm = yes", *options, sections=sources(), login=LOGIN
    )
    try:
        result = kill_run(receiver, rounds, seed, [*own, *ways])
    finally:
        receiver.kill()
    print(result.kills, result.tries, result.acknowledged.total())
    assert result.acknowledged.total() > 100


@pytest.mark.parametrize("name", ["beanstalkd", "postgresql"])
def test_its_peers_are_killed(tmp_path: Path, request: pytest.FixtureRequest, seed: int, name: str) -> None:
    """Server, workers and peer: 0 lost, 0 doubled, nothing set aside."""
    peer: Peer = request.getfixturevalue(name)
    killed(tmp_path, peer, WAYS[:2], 2 + len(peer[1]), seed)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "rounds"), [("beanstalkd", 60), ("postgresql", 60), ("jetstream", 20)])
def test_its_peers_are_killed_for_minutes(
    tmp_path: Path, request: pytest.FixtureRequest, seed: int, name: str, rounds: int
) -> None:
    """Many times each. What a worker of JetStream had when it was killed comes again after 30 s."""
    killed(tmp_path, request.getfixturevalue(name), WAYS, rounds, seed)
