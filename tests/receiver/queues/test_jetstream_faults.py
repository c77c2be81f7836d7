"""JetStream with nodes killed, its leader gone, full, and set up otherwise: nothing that was told durable is lost, and
somebody is told why."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keeper.errors import SourceError, StateError
from keeper.receiver.queues.jetstream import JetStreamQueue
from keeper.receiver.queues.jetstream_intake import JetStreamIntake
from keeper.receiver.queues.jetstream_link import Site, ask, connect
from tests.peers.nats import Nats
from tests.receiver.queues.feeding import PATIENCE, answer, fed, record, take_all, take_and_die, until

ACK_WAIT = 1.0  # seconds


def unexpected(why: str) -> None:
    raise AssertionError(why)


def site_in(nats: Nats, user: str = "", password: str = "", stream: str = "keeper") -> Site:
    return Site(tuple(node.address for node in nats.nodes), stream, user, password)


def queue_in(
    nats: Nats, most_bytes: int = 1 << 26, replicas: int | None = None, site: Site | None = None
) -> JetStreamQueue:
    replicas = replicas or len(nats.nodes)
    return JetStreamQueue(site or site_in(nats), replicas, most_bytes, unexpected, ACK_WAIT)


def intake_of(nats: Nats) -> JetStreamIntake:
    return JetStreamIntake(site_in(nats), ACK_WAIT)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Nats]:
    with Nats(tmp_path) as nats:
        yield nats


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Nats]:
    """One node: quickly there."""
    with Nats(tmp_path, 1) as nats:
        yield nats


def troubled(queue: JetStreamQueue, word: str) -> bool:
    """It has a trouble with this word in it; without a word: none."""
    trouble = queue.depth().trouble
    return word in trouble if word else not trouble


async def said(nats: Nats, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One question to JetStream, beside the queue."""
    client = await connect(site_in(nats))
    try:
        return await ask(client, what, body)
    finally:
        await client.close()


# -- nodes go and come ---------------------------------------------------------------------------------------------


def test_the_leader_is_killed(cluster: Nats) -> None:
    """While records are put and taken: two nodes go on, and all that was told durable is taken, by a server and a
    worker that stay."""

    async def run() -> None:
        async with fed(queue_in(cluster), intake_of(cluster)) as feed:
            for _ in range(3):
                await feed.more()
                leader = await asyncio.to_thread(cluster.leader, "keeper")
                await asyncio.to_thread(leader.kill)
                await feed.more(100)
                if feed.refused:
                    break
                await asyncio.to_thread(cluster.restore)  # another had become the leader just before
            assert feed.refused

    asyncio.run(run())


@pytest.mark.soak
def test_each_node_is_killed_in_turn(cluster: Nats, seed: int) -> None:
    """Several times, now and then two of them, which leaves no majority. In the end nothing is left in the stream."""
    chance = random.Random(seed)

    async def run() -> None:
        async with fed(queue_in(cluster), intake_of(cluster)) as feed:
            for turn in range(12):
                await feed.more(chance.randrange(5, 200))
                node, second = cluster.nodes[turn % 3], cluster.nodes[(turn + 1) % 3]
                await asyncio.to_thread(node.kill)
                if turn % 4 == 3:
                    await asyncio.to_thread(second.kill)
                    await asyncio.sleep(chance.random())
                    await asyncio.to_thread(second.start, wait=False)
                await feed.more()
                await asyncio.to_thread(cluster.restore)
            feed.end()
            end = time.monotonic() + 2 * PATIENCE
            while (await said(cluster, "STREAM.INFO.keeper"))["state"]["messages"]:
                assert time.monotonic() < end, "records stay in the stream"
                await asyncio.sleep(1)

    asyncio.run(run())


@pytest.mark.soak
def test_the_leader_hangs(cluster: Nats) -> None:
    """Puts are answered, and go well again when the others have another leader; when it wakes nothing is lost."""

    async def run() -> None:
        async with fed(queue_in(cluster), intake_of(cluster)) as feed:
            for _ in range(3):
                await feed.more()
                leader = await asyncio.to_thread(cluster.leader, "keeper")
                leader.hang()
                await asyncio.sleep(1)
                await feed.more()
                leader.thaw()
                await asyncio.to_thread(cluster.restore)

    asyncio.run(run())


def test_away_at_the_start(alone: Nats) -> None:
    """Opening is no failure: nothing is taken, it says why and when to try again, and it goes well as soon as it is
    there. Workers are told that it is away."""
    [node] = alone.nodes

    async def run() -> None:
        queue, intake = queue_in(alone), intake_of(alone)
        await queue.open()
        assert f"jetstream at {node.address}: no node answers" in queue.depth().trouble
        refused = await answer(queue, b"one")
        assert refused is not None
        assert (refused.full, refused.too_large, refused.retry_after > 0) == (False, False, True)
        with pytest.raises(SourceError, match="no node answers"):
            await asyncio.to_thread(intake.take, 1, 100, 0.1)
        assert not await queue.drained(0.1)
        await asyncio.to_thread(node.start)
        await until(lambda: not queue.depth().trouble, "no trouble")
        assert await answer(queue, b"two") is None
        assert await asyncio.to_thread(take_all, intake, {b"two"}) == [b"two"]
        intake.close()
        await queue.close()

    node.stop()
    asyncio.run(run())


def test_the_stream_is_deleted(alone: Nats) -> None:
    """It is made again, and so is its consumer. Until then nothing is taken."""

    async def run() -> None:
        queue, intake = queue_in(alone), intake_of(alone)
        await queue.open()
        assert await answer(queue, b"one") is None
        await said(alone, "STREAM.DELETE.keeper")
        assert await answer(queue, b"two") is not None
        while await answer(queue, b"three") is not None:
            await asyncio.sleep(0.1)
        assert await asyncio.to_thread(take_all, intake, {b"three"}) == [b"three"]
        intake.close()
        await queue.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_what_no_worker_spoke_of_is_given_again(alone: Nats) -> None:
    """A consumer may count as done what nobody ever got; or the word of it was lost. It comes once more, and only what
    a worker says it is done with leaves the stream."""

    async def run() -> None:
        queue, intake = JetStreamQueue(site_in(alone), 1, 1 << 26, unexpected, ACK_WAIT, 1.0), intake_of(alone)
        await queue.open()
        records = {record(number) for number in range(20)}
        assert await answer(queue, *records) is None
        client = await connect(site_in(alone))
        subscription = await client.jetstream().pull_subscribe_bind("workers", "keeper")
        for message in await subscription.fetch(15):
            await message.ack_sync()
        for message in await subscription.fetch(5):
            await message.ack_sync()
        await client.close()
        assert not await queue.drained(0.5), "nobody has stored any of it"
        assert set(await asyncio.to_thread(take_all, intake, records)) == records
        end = time.monotonic() + PATIENCE
        while (await said(alone, "STREAM.INFO.keeper"))["state"]["messages"]:
            assert time.monotonic() < end, "records stay in the stream"
            await asyncio.sleep(0.2)
        assert await queue.drained(10.0)
        intake.close()
        await queue.close()

    asyncio.run(run())


# -- it is not as it must be ---------------------------------------------------------------------------------------


def test_a_wrong_password(tmp_path: Path) -> None:
    """It can never work: the start is refused. Found later it is trouble, until the password is right."""
    with Nats(tmp_path, 1, 'authorization: { user: "k", password: "right" }') as nats:
        [node] = nats.nodes

        async def run() -> None:
            with pytest.raises(StateError, match="refuses user 'k' or its password") as caught:
                await queue_in(nats, site=site_in(nats, "k", "wrong")).open()
            assert "wrong" not in str(caught.value)
            with pytest.raises(StateError, match="refuses user ''"):
                await queue_in(nats).open()
            with pytest.raises(SourceError, match="refuses user 'k'"):
                await asyncio.to_thread(JetStreamIntake(site_in(nats, "k", "wrong")).take, 1, 100, 0.1)
            queue = queue_in(nats, site=site_in(nats, "k", "right"))
            await queue.open()
            assert await answer(queue, b"one") is None
            for password, word in (("other", "refuses user 'k'"), ("right", "")):
                await asyncio.to_thread(node.stop)
                nats.write(f'authorization: {{ user: "k", password: "{password}" }}')
                await asyncio.to_thread(node.start)
                await until(partial(troubled, queue, word), word or "no trouble")
            assert await answer(queue, b"two") is None
            await queue.close()

        asyncio.run(run())


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"storage": "memory"}, "storage is 'memory', not 'file'"),
        ({"retention": "workqueue"}, "retention is 'workqueue', not 'limits'"),
        ({"discard": "old"}, "discard is 'old', not 'new'"),
        ({"max_age": 3_600_000_000_000}, "max_age is 3600000000000, not unlimited"),
        ({"max_msgs_per_subject": 5}, "max_msgs_per_subject is 5, not unlimited"),
        ({"subjects": ["others"]}, r"subjects is \['others'\], not \['keeper.records'\]"),
    ],
)
def test_a_stream_that_is_otherwise(shared: Nats, other: dict[str, Any], why: str) -> None:
    """Records could be lost in it: the start is refused, and the reason names what differs."""

    async def run() -> None:
        as_ours = {"name": "keeper", "subjects": ["keeper.records"], "retention": "limits", "discard": "new"}
        await said(shared, "STREAM.CREATE.keeper", {**as_ours, "storage": "file", "num_replicas": 1, **other})
        try:
            with pytest.raises(StateError, match=why):
                await queue_in(shared).open()
        finally:
            await said(shared, "STREAM.DELETE.keeper")

    asyncio.run(run())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    with Nats(tmp_path_factory.mktemp("nats"), 1) as nats:
        yield nats


def test_fewer_replicas_than_asked_for(alone: Nats) -> None:
    """A node alone cannot have three; and a stream that was made with one stays with one until somebody changes it."""

    async def run() -> None:
        with pytest.raises(StateError, match="is one node alone, and replicas = 3"):
            await queue_in(alone, replicas=3).open()
        await said(alone, "STREAM.CREATE.keeper", {"name": "keeper", "subjects": ["keeper.records"], "num_replicas": 1})
        with pytest.raises(StateError, match="num_replicas is 1, not 3"):
            await queue_in(alone, replicas=3).open()

    asyncio.run(run())


# -- it takes no more ----------------------------------------------------------------------------------------------


def test_full(alone: Nats) -> None:
    """It says so at once, takes records again when workers were done with some, and more with a higher bound, also
    after the start. What was confirmed is there."""

    async def run() -> None:
        confirmed: set[bytes] = set()

        async def fill(queue: JetStreamQueue) -> None:
            while (refused := await answer(queue, mine := b"%d" % len(confirmed) + bytes(50_000))) is None:
                confirmed.add(mine)
            assert refused.full
            assert "maximum bytes exceeded" in refused.why

        queue, intake = queue_in(alone, 1 << 20), intake_of(alone)
        await queue.open()
        await fill(queue)
        assert 10 < len(confirmed) < 25
        await queue.close()
        queue = queue_in(alone, 1 << 21)
        await queue.open()
        await fill(queue)
        assert 30 < len(confirmed) < 50
        await asyncio.to_thread(take_all, intake, confirmed)
        assert await answer(queue, b"more") is None
        intake.close()
        await queue.close()

    asyncio.run(run())


def test_too_large(tmp_path: Path) -> None:
    """A record above the server's limit, squeezed too, is refused for ever, with all that came with it; the next ones
    are not. One that can be squeezed comes as it was put, and alone when it is larger than a batch unpacked."""

    async def run(nats: Nats) -> None:
        queue, intake = queue_in(nats), intake_of(nats)
        await queue.open()
        refused = await answer(queue, b"with it", random.Random(1).randbytes(70_000))
        assert refused is not None
        assert refused.too_large
        assert "70000 bytes is larger than" in refused.why
        assert "max_payload" in refused.why
        long = b"0123456789" * 200_000
        assert await answer(queue, b"small", long, b"last") is None
        for _ in range(2):
            batch = await asyncio.to_thread(intake.take, 10, 100_000, 5.0)
            assert batch is not None
            assert list(batch.records) in ([b"small", b"last"], [b"small"], [long], [b"last"])
            await asyncio.to_thread(intake.done, batch)
        exact = random.Random(2).randbytes(65_536 - 257)
        assert await answer(queue, exact) is None
        await asyncio.to_thread(take_all, intake, {exact})
        assert await queue.drained(10.0)
        intake.close()
        await queue.close()

    with Nats(tmp_path, 1, "max_payload: 65536") as nats:
        asyncio.run(run(nats))


def test_the_same_packet_twice(alone: Nats) -> None:
    """Sent again soon, it is confirmed and not kept a second time, though it came at another time; what is no packet is
    kept each time."""

    async def run() -> None:
        queue = queue_in(alone)
        await queue.open()
        again = record(1).replace(b",1.0,", b",2.0,")
        assert again != record(1)
        for put in ((record(1),), (again, record(2)), (b"x",), (b"x",)):
            assert await answer(queue, *put) is None
        await until(lambda: queue.depth().records == 4, "four records")
        await queue.close()

    asyncio.run(run())


# -- workers -------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed(alone: Nats) -> None:
    """Its batch is another's after the time that a silent worker has."""

    async def run() -> None:
        queue, intake = queue_in(alone), intake_of(alone)
        await queue.open()
        records = {record(number) for number in range(10)}
        assert await answer(queue, *records) is None
        making = (
            "from keeper.receiver.queues.jetstream_intake import JetStreamIntake\n"
            "from keeper.receiver.queues.jetstream_link import Site\n"
            f"intake = JetStreamIntake(Site(({alone.nodes[0].address!r},)), {ACK_WAIT})"
        )
        assert await asyncio.to_thread(take_and_die, making) == 10
        assert set(await asyncio.to_thread(take_all, intake, records)) == records
        intake.close()
        await queue.close()

    asyncio.run(run())


def test_a_batch_is_held_as_long_as_its_worker_needs(alone: Nats) -> None:
    """Longer than a silent worker has it, also over a restart of the node."""

    async def run() -> None:
        queue, patient, other = queue_in(alone), intake_of(alone), intake_of(alone)
        await queue.open()
        assert await answer(queue, b"one", b"two") is None
        held = await asyncio.to_thread(patient.take, 10, 100, 5.0)
        assert held is not None
        await asyncio.to_thread(alone.nodes[0].stop)
        await asyncio.to_thread(alone.nodes[0].start)
        end = time.monotonic() + 2 * ACK_WAIT
        while time.monotonic() < end:
            try:
                assert await asyncio.to_thread(other.take, 10, 100, 0.2) is None
            except SourceError:
                await asyncio.sleep(0.1)
        await asyncio.to_thread(patient.done, held)
        assert await queue.drained(10.0)
        for intake in (patient, other):
            intake.close()
        await queue.close()

    asyncio.run(run())
