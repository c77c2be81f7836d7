"""beanstalkd away, restarted, full, lying and hung: nothing that was told durable is lost, and somebody is told why."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import greenstalk
import pytest

from keeper.errors import SourceError, StateError
from keeper.receiver.queues.beanstalkd import BeanstalkdQueue
from keeper.receiver.queues.beanstalkd_intake import BeanstalkdIntake
from keeper.receiver.queues.beanstalkd_line import Site
from tests.peers import installed, require
from tests.peers.beanstalkd import Beanstalkd
from tests.receiver.queues.feeding import answer, fed, record, take_all, take_and_die, until


def unexpected(why: str) -> None:
    raise AssertionError(why)


def queue_in(beanstalkd: Beanstalkd, most_bytes: int = 1 << 30) -> BeanstalkdQueue:
    return BeanstalkdQueue(Site("127.0.0.1", beanstalkd.port), most_bytes, time.time, unexpected)


def intake_of(beanstalkd: Beanstalkd) -> BeanstalkdIntake:
    return BeanstalkdIntake(Site("127.0.0.1", beanstalkd.port))


@pytest.fixture
def beanstalkd(tmp_path: Path) -> Iterator[Beanstalkd]:
    with Beanstalkd(tmp_path) as running:
        yield running


# -- it goes and comes ---------------------------------------------------------------------------------------------


def test_killed_and_stopped_in_the_middle(beanstalkd: Beanstalkd) -> None:
    """While records are put and taken: all that was told durable is taken, at least once, and somebody hears of it."""

    async def run() -> None:
        queue = queue_in(beanstalkd)
        async with fed(queue, intake_of(beanstalkd)) as feed:
            for end in (beanstalkd.kill, beanstalkd.stop):
                await feed.more()
                await asyncio.to_thread(end)
                await until(lambda: queue.depth().trouble, "trouble")
                await asyncio.to_thread(beanstalkd.start)
                await until(lambda: not queue.depth().trouble, "no trouble")
            await feed.more()
            assert feed.refused

    asyncio.run(run())


@pytest.mark.soak
def test_killed_again_and_again(beanstalkd: Beanstalkd, seed: int) -> None:
    """At random moments, a hundred times, while records are put and taken."""
    chance = random.Random(seed)

    async def run() -> None:
        async with fed(queue_in(beanstalkd), intake_of(beanstalkd)) as feed:
            for _ in range(100):
                await asyncio.sleep(chance.random() * 0.3)
                await asyncio.to_thread(beanstalkd.kill)
                await asyncio.to_thread(beanstalkd.start)
                await feed.more(5)

    asyncio.run(run())


def test_restarted_while_a_worker_has_a_batch(beanstalkd: Beanstalkd) -> None:
    """It cannot be done any more, and comes again."""

    async def run() -> None:
        queue, intake = queue_in(beanstalkd), intake_of(beanstalkd)
        await queue.open()
        assert await answer(queue, b"one", b"two") is None
        batch = await asyncio.to_thread(intake.take, 1, 100, 5.0)
        assert batch is not None
        await asyncio.to_thread(beanstalkd.kill)
        await asyncio.to_thread(beanstalkd.start)
        for _ in range(2):
            with pytest.raises(SourceError):
                await asyncio.to_thread(intake.done, batch)
        assert set(await asyncio.to_thread(take_all, intake, {b"one", b"two"})) == {b"one", b"two"}
        intake.close()
        await queue.close()

    asyncio.run(run())


def test_away_at_the_start(tmp_path: Path) -> None:
    """Opening is no failure: nothing is taken, it says why and when to try again, and it goes well as soon as it is
    there. Workers are told that it is away."""
    away = Beanstalkd(tmp_path)

    async def run() -> None:
        queue, intake = queue_in(away), intake_of(away)
        await queue.open()
        assert f"beanstalkd at 127.0.0.1:{away.port} does not answer" in queue.depth().trouble
        refused = await answer(queue, b"one")
        assert refused is not None
        assert (refused.full, refused.too_large, refused.retry_after > 0) == (False, False, True)
        with pytest.raises(SourceError, match="does not answer"):
            await asyncio.to_thread(intake.take, 1, 100, 0.1)
        assert not await queue.drained(0.1)
        await asyncio.to_thread(away.start)
        await until(lambda: not queue.depth().trouble, "no trouble")
        assert await answer(queue, b"two") is None
        assert await asyncio.to_thread(take_all, intake, {b"two"}) == [b"two"]
        intake.close()
        await queue.close()

    with away:
        away.stop()
        asyncio.run(run())


@pytest.mark.soak  # it waits for what never answers
def test_hung(beanstalkd: Beanstalkd) -> None:
    """A put is answered although beanstalkd does not answer, and the end is not held up."""

    async def run() -> None:
        queue = queue_in(beanstalkd)
        await queue.open()
        assert await answer(queue, b"before") is None
        beanstalkd.signal(signal.SIGSTOP)
        refused = await answer(queue, b"meanwhile")
        assert refused is not None
        assert "does not answer" in refused.why
        assert queue.depth().trouble
        await queue.close()

    asyncio.run(run())


# -- it does not keep what it takes --------------------------------------------------------------------------------


def test_without_a_binlog(tmp_path: Path) -> None:
    """It is refused at the start, as nothing would be durable."""
    why = "in memory only: start it with -b DIR -f 0"
    with Beanstalkd(tmp_path, binlog=False) as forgetful, pytest.raises(StateError, match=why):
        asyncio.run(queue_in(forgetful).open())


def test_restarted_without_a_binlog(tmp_path: Path) -> None:
    """What it says then is not believed either: no put is confirmed any more, and the trouble says why."""
    careful = Beanstalkd(tmp_path)
    forgetful = Beanstalkd(tmp_path, binlog=False, port=careful.port)

    async def run() -> None:
        queue = queue_in(careful)
        await queue.open()
        assert await answer(queue, b"one") is None
        await asyncio.to_thread(careful.stop)
        await asyncio.to_thread(forgetful.start)
        refused = await answer(queue, b"two")
        assert refused is not None
        await until(lambda: "in memory only" in queue.depth().trouble, "the trouble")
        assert await answer(queue, b"three") is not None
        await queue.close()

    with careful:
        try:
            asyncio.run(run())
        finally:
            forgetful.kill()


def test_a_binlog_that_cannot_be_written_any_more(tmp_path: Path) -> None:
    """After one failed write beanstalkd goes on in memory and says INSERTED to everything: no such put is confirmed.
    Restarted, it is trusted again, and has all that was confirmed."""
    with Beanstalkd(tmp_path, shell="trap '' XFSZ") as beanstalkd:

        async def run() -> None:
            queue, intake = queue_in(beanstalkd), intake_of(beanstalkd)
            await queue.open()
            assert await answer(queue, b"before") is None
            resource.prlimit(beanstalkd.pid, resource.RLIMIT_FSIZE, (0, 0))
            for number in range(20):
                assert await answer(queue, b"after %d" % number) is not None
                await asyncio.sleep(0.05)
            await until(lambda: "failed to write its binlog" in queue.depth().trouble, "the trouble")
            await asyncio.to_thread(beanstalkd.stop)
            await asyncio.to_thread(beanstalkd.start)
            await until(lambda: not queue.depth().trouble, "no trouble")
            assert await answer(queue, b"again") is None
            found = await asyncio.to_thread(take_all, intake, {b"before", b"again"})
            assert {b"before", b"again"} <= set(found)
            intake.close()
            await queue.close()

        asyncio.run(run())


# -- it takes no more ----------------------------------------------------------------------------------------------


def test_a_full_disk(tmp_path: Path) -> None:
    """It is full, not away, and takes records again when there is room. All that was confirmed is there."""
    place = tmp_path / "small"
    place.mkdir()
    argv = [installed("mount"), "-t", "tmpfs", "-o", "size=1m,mode=700", "keeper-test", str(place)]
    mounted = subprocess.run(argv, check=False)
    require(mounted.returncode == 0, "mounting a tmpfs is not allowed here")

    async def run(beanstalkd: Beanstalkd) -> None:
        queue, intake = queue_in(beanstalkd), intake_of(beanstalkd)
        await queue.open()
        confirmed: set[bytes] = set()
        while (refused := await answer(queue, mine := b"%d" % len(confirmed) + bytes(9_000))) is None:
            confirmed.add(mine)
            assert len(confirmed) < 1000, "it is never full"
        assert refused.full
        assert "no room for its binlog" in refused.why
        await asyncio.to_thread(take_all, intake, confirmed)
        assert await answer(queue, b"small again") is None
        intake.close()
        await queue.close()

    try:
        with Beanstalkd(place, "-s", "131072") as beanstalkd:
            asyncio.run(run(beanstalkd))
    finally:
        subprocess.run([installed("umount"), str(place)], check=True)


def test_the_bound_of_keepers_own(beanstalkd: Beanstalkd) -> None:
    """What waits for workers is at most about queue_bytes; then it is full until workers are done."""

    async def run() -> None:
        queue, intake = queue_in(beanstalkd, most_bytes=100_000), intake_of(beanstalkd)
        await queue.open()
        confirmed: set[bytes] = set()

        async def fill() -> None:
            while (refused := await answer(queue, mine := b"%d" % len(confirmed) + bytes(10_000))) is None:
                confirmed.add(mine)
                await asyncio.sleep(0.01)
            assert refused.full
            assert "queue_bytes" in refused.why

        await asyncio.wait_for(fill(), 20)
        await asyncio.to_thread(take_all, intake, confirmed)
        assert await queue.drained(10.0)
        assert await answer(queue, b"more") is None
        intake.close()
        await queue.close()

    asyncio.run(run())


def test_too_large(beanstalkd: Beanstalkd) -> None:
    """A record above the job limit, squeezed too, is refused for ever, with all that came with it; the next ones are
    not. One that can be squeezed comes as it was put."""

    async def run() -> None:
        queue, intake = queue_in(beanstalkd), intake_of(beanstalkd)
        await queue.open()
        refused = await answer(queue, b"with it", random.Random(1).randbytes(70_000))
        assert refused is not None
        assert refused.too_large
        assert "70000 bytes is larger than the 65535 bytes" in refused.why
        assert "-z" in refused.why
        long = b"0123456789" * 200_000
        assert await answer(queue, long) is None
        assert await asyncio.to_thread(take_all, intake, {long}) == [long]
        exact = random.Random(2).randbytes(65_534)
        assert await answer(queue, exact) is None
        assert await asyncio.to_thread(take_all, intake, {exact}) == [exact]
        intake.close()
        await queue.close()

    asyncio.run(run())


def test_it_drains(beanstalkd: Beanstalkd) -> None:
    """Told to drain, it takes nothing; workers take what is there."""

    async def run() -> None:
        queue, intake = queue_in(beanstalkd), intake_of(beanstalkd)
        await queue.open()
        assert await answer(queue, b"before") is None
        beanstalkd.signal(signal.SIGUSR1)
        refused = await answer(queue, b"after")
        assert refused is not None
        assert "drains" in refused.why
        await until(lambda: "drains" in queue.depth().trouble, "the trouble")
        assert await asyncio.to_thread(take_all, intake, {b"before"}) == [b"before"]
        assert await queue.drained(10.0)
        intake.close()
        await queue.close()

    asyncio.run(run())


# -- workers -------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed(beanstalkd: Beanstalkd) -> None:
    """Its batch is another's at once."""

    async def run() -> None:
        queue, intake = queue_in(beanstalkd), intake_of(beanstalkd)
        await queue.open()
        records = {record(number) for number in range(10)}
        assert await answer(queue, *records) is None
        making = (
            "from keeper.receiver.queues.beanstalkd_intake import BeanstalkdIntake\n"
            "from keeper.receiver.queues.beanstalkd_line import Site\n"
            f"intake = BeanstalkdIntake(Site('127.0.0.1', {beanstalkd.port}))"
        )
        assert await asyncio.to_thread(take_and_die, making) == 10
        assert set(await asyncio.to_thread(take_all, intake, records)) == records
        intake.close()
        await queue.close()

    asyncio.run(run())


def test_done_twice(beanstalkd: Beanstalkd) -> None:
    """What is gone already is done; what did not fit into a batch is in the next, or another's when its worker ends."""

    async def run() -> None:
        queue, intake, other = queue_in(beanstalkd), intake_of(beanstalkd), intake_of(beanstalkd)
        await queue.open()
        assert await answer(queue, b"one", b"two", b"three", b"four") is None
        for expected in ([b"one", b"two"], [b"three"]):
            batch = await asyncio.to_thread(intake.take, 10, 6, 5.0)
            assert batch is not None
            assert list(batch.records) == expected
            await asyncio.to_thread(intake.done, batch)
            await asyncio.to_thread(intake.done, batch)
        intake.close()
        assert await asyncio.to_thread(take_all, other, {b"four"}) == [b"four"]
        assert await queue.drained(10.0)
        other.close()
        await queue.close()

    asyncio.run(run())


def test_what_others_put_into_the_tube(beanstalkd: Beanstalkd) -> None:
    """It comes to the worker as it is, which sets it aside."""
    intake = intake_of(beanstalkd)
    foreign = [b"", b"{}", b"zno zlib", b"\x00\xff"]
    with greenstalk.Client(("127.0.0.1", beanstalkd.port), encoding=None, use="keeper") as client:
        for job in foreign:
            client.put(job)
    assert take_all(intake, set(foreign)) == foreign
    intake.close()
