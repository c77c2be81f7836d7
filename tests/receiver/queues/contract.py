"""What every queue keeps to, whatever it is made of.

A queue's tests give a `Ground` in a fixture named `ground` and take the tests by `from ... contract import *`:

    @pytest.fixture
    def ground(tmp_path: Path) -> Iterator[Ground]:
        yield Ground(lambda: MyQueue(...), lambda: MyIntake(...))

    from tests.receiver.queues.contract import *  # noqa: E402, F403
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from keeper.receiver.queues.queue import Intake, NotTaken, Queue

__all__ = [
    "test_a_batch_keeps_to_its_bounds",
    "test_all_that_was_told_durable_is_there_after_the_server_ended",
    "test_depth_says_what_waits",
    "test_done_is_called_in_the_loop_and_not_from_within",
    "test_drained_waits_for_what_was_there_when_it_was_asked",
    "test_each_record_comes_as_it_was_put",
    "test_nothing_is_taken_when_there_is_nothing",
    "test_several_intakes_share_what_there_is",
    "test_the_records_of_one_put_are_kept_or_refused_together",
    "test_what_was_taken_and_not_done_comes_again",
    "test_while_it_closes_all_that_was_put_is_answered",
]

PATIENCE = 20.0  # seconds
RECORDS = (b"a", b"", b"\0KQ\1\0\xff\r\n", b"two\nlines", b"x" * 30_000)  # payloads are bytes of any kind


class Ground(NamedTuple):
    """Where a queue stands. `queue` makes the server's end, not open yet, `intake` one of the workers'."""

    queue: Callable[[], Queue]
    intake: Callable[[], Intake]
    wide: int = 200_000  # bytes of a record that it still takes
    order: bool = True  # one intake gets records in the order in which they were put


@asynccontextmanager
async def opened(ground: Ground) -> AsyncIterator[Queue]:
    queue = ground.queue()
    await queue.open()
    try:
        yield queue
    finally:
        await queue.close()


async def put(queue: Queue, *records: bytes) -> NotTaken | None:
    """Put them and wait for the answer."""
    return await asyncio.wait_for(started(queue, *records), PATIENCE)


def started(queue: Queue, *records: bytes) -> asyncio.Future[NotTaken | None]:
    answer: asyncio.Future[NotTaken | None] = asyncio.get_running_loop().create_future()
    queue.put(records, answer.set_result)
    return answer


def take_all(intake: Intake, count: int, most: int = 100) -> list[bytes]:
    """Take and do so many records."""
    found: list[bytes] = []
    until = time.monotonic() + PATIENCE
    while len(found) < count:
        batch = intake.take(most, 1 << 24, 0.5)
        assert time.monotonic() < until, f"only {len(found)} of {count} records came"
        if batch is not None:
            found += batch.records
            intake.done(batch)
    return found


async def taken(intake: Intake, count: int) -> list[bytes]:
    return await asyncio.to_thread(take_all, intake, count)


async def until(question: Callable[[], object], what: str) -> None:
    """In the loop, which goes on meanwhile."""
    end = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < end, f"waited {PATIENCE:g} s for {what}"
        await asyncio.sleep(0.02)


def in_order(ground: Ground, found: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    return list(found) == list(expected) if ground.order else sorted(found) == sorted(expected)


def test_each_record_comes_as_it_was_put(ground: Ground) -> None:
    """Bytes of any kind and none at all, in the order in which they were put."""

    async def run() -> None:
        async with opened(ground) as queue:
            intake = ground.intake()
            for record in RECORDS:
                assert await put(queue, record) is None
            assert in_order(ground, await taken(intake, len(RECORDS)), RECORDS)
            wide = bytes(range(256)) * (ground.wide // 256)
            assert await put(queue, wide) is None
            assert await taken(intake, 1) == [wide]
            intake.close()

    asyncio.run(run())


def test_the_records_of_one_put_are_kept_or_refused_together(ground: Ground) -> None:
    """They come one after the other."""

    async def run() -> None:
        async with opened(ground) as queue:
            intake = ground.intake()
            records = [b"%d" % number for number in range(500)]
            assert await put(queue, *records) is None
            assert in_order(ground, await taken(intake, 500), records)
            intake.close()

    asyncio.run(run())


def test_done_is_called_in_the_loop_and_not_from_within(ground: Ground) -> None:
    """Once for each put, when `put` has returned; many may wait at once."""

    async def run() -> None:
        async with opened(ground) as queue:
            intake = ground.intake()
            told: list[NotTaken | None] = []

            def done(answer: NotTaken | None) -> None:
                asyncio.get_running_loop()
                told.append(answer)

            for number in range(200):
                queue.put([b"%d" % number], done)
            assert told == []
            await until(lambda: len(told) == 200, "all answers")
            assert told == [None] * 200
            assert in_order(ground, await taken(intake, 200), [b"%d" % number for number in range(200)])
            assert len(told) == 200
            intake.close()

    asyncio.run(run())


def test_nothing_is_taken_when_there_is_nothing(ground: Ground) -> None:
    """And what comes while an intake waits is taken then."""

    async def run() -> None:
        async with opened(ground) as queue:
            intake = ground.intake()
            assert await asyncio.to_thread(intake.take, 10, 1000, 0.0) is None
            assert await asyncio.to_thread(intake.take, 10, 1000, 0.1) is None
            waiting = asyncio.create_task(asyncio.to_thread(intake.take, 10, 1000, PATIENCE))
            await asyncio.sleep(0.3)
            assert await put(queue, b"late") is None
            batch = await waiting
            assert batch is not None
            assert list(batch.records) == [b"late"]
            intake.done(batch)
            intake.close()

    asyncio.run(run())


def test_a_batch_keeps_to_its_bounds(ground: Ground) -> None:
    """At most so many records and so many bytes, but one record whatever its size."""

    async def run() -> None:
        async with opened(ground) as queue:
            intake = ground.intake()
            assert await put(queue, *([b"x" * 1000] * 20)) is None
            left = 20
            for most, most_bytes, bound in ((3, 1 << 20, 3), (100, 2500, 2), (100, 10, 1), (1, 10, 1)):
                batch = await asyncio.to_thread(intake.take, most, most_bytes, PATIENCE)
                assert batch is not None
                assert 1 <= len(batch.records) <= bound
                left -= len(batch.records)
                intake.done(batch)
            assert await taken(intake, left) == [b"x" * 1000] * left
            intake.close()

    asyncio.run(run())


def test_what_was_taken_and_not_done_comes_again(ground: Ground) -> None:
    """To another intake, as soon as the one that took it is closed; what was done does not."""

    async def run() -> None:
        async with opened(ground) as queue:
            first, second = ground.intake(), ground.intake()
            records = [b"%d" % number for number in range(10)]
            assert await put(queue, *records) is None
            done = await asyncio.to_thread(take_all, first, 4, 1)
            batch = await asyncio.to_thread(first.take, 3, 1 << 20, PATIENCE)
            assert batch is not None
            first.close()
            assert sorted([*done, *await taken(second, 6)]) == records
            assert await asyncio.to_thread(second.take, 10, 1000, 0.1) is None
            second.close()

    asyncio.run(run())


def test_several_intakes_share_what_there_is(ground: Ground) -> None:
    """Each record goes to one of them, and all go to somebody."""

    async def run() -> None:
        async with opened(ground) as queue:
            intakes = [ground.intake() for _ in range(3)]
            found: list[bytes] = []
            expected = [b"%04d" % number for number in range(600)]

            def work(intake: Intake) -> None:
                end = time.monotonic() + PATIENCE
                while len(found) < len(expected) and time.monotonic() < end:
                    batch = intake.take(7, 1 << 20, 0.1)
                    if batch is not None:
                        intake.done(batch)
                        found.extend(batch.records)
                intake.close()

            working = [asyncio.create_task(asyncio.to_thread(work, intake)) for intake in intakes]
            for record in expected:
                started(queue, record)
                await asyncio.sleep(0)
            await asyncio.gather(*working)
            assert sorted(found) == expected

    asyncio.run(run())


def test_all_that_was_told_durable_is_there_after_the_server_ended(ground: Ground) -> None:
    """In order or not: the next server finds it, counts it, and workers get it."""

    async def run() -> None:
        async with opened(ground) as queue:
            assert await put(queue, b"one", b"two") is None
        async with opened(ground) as queue:
            assert await put(queue, b"three") is None
            await until(lambda: queue.depth().records == 3, "the depth of what was left")
            intake = ground.intake()
            assert in_order(ground, await taken(intake, 3), [b"one", b"two", b"three"])
            assert await queue.drained(PATIENCE)
            intake.close()

    asyncio.run(run())


def test_while_it_closes_all_that_was_put_is_answered(ground: Ground) -> None:
    """Everybody gets an answer before `close` returns; what was said to be durable is there."""

    async def run() -> None:
        queue = ground.queue()
        await queue.open()
        answers = [started(queue, b"%d" % number) for number in range(50)]
        await queue.close()
        assert all(answer.done() for answer in answers)
        durable = [b"%d" % number for number, answer in enumerate(answers) if answer.result() is None]
        late = started(queue, b"too late")
        assert await asyncio.wait_for(late, PATIENCE) is not None
        async with opened(ground):
            intake = ground.intake()
            assert set(durable) <= set(await taken(intake, len(durable)))
            intake.close()

    asyncio.run(run())


def test_depth_says_what_waits(ground: Ground) -> None:
    """Records and bytes that nobody is done with, and when the oldest came; nothing is left when all is done."""

    async def run() -> None:
        async with opened(ground) as queue:
            begun = time.time()
            assert await put(queue, b"x" * 1000, b"y" * 1000) is None
            await until(lambda: queue.depth().records == 2, "two records in the depth")
            depth = queue.depth()
            assert depth.bytes >= 2000
            assert depth.oldest is not None
            assert begun - 2 <= depth.oldest <= time.time() + 2
            assert (depth.lost, depth.trouble) == (0, "")
            intake = ground.intake()
            await taken(intake, 2)
            await until(lambda: queue.depth().records == 0, "nothing in the depth")
            assert queue.depth().oldest is None
            intake.close()

    asyncio.run(run())


def test_drained_waits_for_what_was_there_when_it_was_asked(ground: Ground) -> None:
    """Not for what comes later; and it gives up when nobody takes anything."""

    async def run() -> None:
        async with opened(ground) as queue:
            assert await queue.drained(0.0)
            assert await put(queue, b"one", b"two") is None
            assert not await queue.drained(0.1)
            intake = ground.intake()
            waiting = asyncio.create_task(queue.drained(PATIENCE))
            await taken(intake, 2)
            assert await waiting
            intake.close()

    asyncio.run(run())
