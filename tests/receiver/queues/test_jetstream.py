"""JetStream as the queue, with a real cluster of three nodes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from keeper.receiver.queues.jetstream import JetStreamQueue
from keeper.receiver.queues.jetstream_intake import JetStreamIntake
from keeper.receiver.queues.jetstream_link import STREAM, Refused, Site, ask, connect
from tests.peers.nats import Nats
from tests.receiver.queues.contract import *  # noqa: F403  # the tests of every queue
from tests.receiver.queues.contract import Ground


def unexpected(why: str) -> None:
    raise AssertionError(why)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    with Nats(tmp_path_factory.mktemp("nats")) as nats:
        yield nats


def site_in(nats: Nats) -> Site:
    return Site(tuple(node.address for node in nats.nodes))


def queue_in(nats: Nats) -> JetStreamQueue:
    return JetStreamQueue(site_in(nats), len(nats.nodes), 1 << 24, unexpected)


@pytest.fixture
def ground(cluster: Nats) -> Ground:
    """One stream for all tests, emptied before each: making one takes longer than a test does."""
    asyncio.run(emptied(cluster))
    return Ground(lambda: queue_in(cluster), lambda: JetStreamIntake(site_in(cluster)))


async def emptied(nats: Nats) -> None:
    client = await connect(site_in(nats))
    with contextlib.suppress(Refused):  # it is not there yet
        await ask(client, f"STREAM.PURGE.{STREAM}")
    await client.close()
