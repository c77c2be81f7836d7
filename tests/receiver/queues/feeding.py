"""A sender that repeats what was refused, and what must hold whatever happens meanwhile: all that was told durable is
taken, at least once."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from keeper.errors import SourceError
from keeper.receiver.packet import Event, Said, pack, packet_of
from keeper.receiver.queues.queue import Intake, NotTaken, Queue

PATIENCE = 60.0  # seconds


def record(number: int) -> bytes:
    return pack(packet_of(Said("t", [Event(None, b'{"n":%d}' % number)]), "feed", number, 1.0))


class Feed:
    """Puts numbered records, some at once, until it is told to end; each is repeated until it is durable."""

    def __init__(self, queue: Queue, at_once: int = 8) -> None:
        self._queue = queue
        self._at_once = at_once
        self._next = 0
        self._ending = False
        self.confirmed: set[bytes] = set()
        self.refused: list[NotTaken] = []

    async def run(self) -> None:
        await asyncio.gather(*[self._send() for _ in range(self._at_once)])

    def end(self) -> None:
        self._ending = True

    async def _send(self) -> None:
        while not self._ending:
            self._next += 1
            mine = record(self._next)
            while (refused := await answer(self._queue, mine)) is not None and not self._ending:
                self.refused.append(refused)
                await asyncio.sleep(0.05)
            if refused is None:
                self.confirmed.add(mine)
            await asyncio.sleep(0.002)

    async def more(self, count: int = 20) -> None:
        """So many more are confirmed."""
        wanted = len(self.confirmed) + count
        await until(lambda: len(self.confirmed) >= wanted, f"{count} more records to be durable")


async def answer(queue: Queue, *records: bytes) -> NotTaken | None:
    """What came of a put: every put is answered."""
    told: asyncio.Future[NotTaken | None] = asyncio.get_running_loop().create_future()
    queue.put(records, told.set_result)
    return await asyncio.wait_for(told, PATIENCE)


async def until(question: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < end, f"waited {PATIENCE:g} s for {what}"
        await asyncio.sleep(0.02)


def take_all(intake: Intake, wanted: set[bytes]) -> list[bytes]:
    """All that comes until the wanted ones have. A queue that is away for now is asked again."""
    found: list[bytes] = []
    missing = set(wanted)
    end = time.monotonic() + PATIENCE
    while missing:
        assert time.monotonic() < end, f"{len(missing)} of {len(wanted)} never came, such as {min(missing)!r}"
        with contextlib.suppress(SourceError):
            batch = intake.take(500, 1 << 20, 0.2)
            if batch is not None:
                found += batch.records
                missing.difference_update(batch.records)
                intake.done(batch)
    return found


def work(intake: Intake, found: set[bytes], ending: threading.Event) -> None:
    """As a worker does, in a thread: whatever happens, take the next. `found` gets all that came."""
    while not ending.is_set():
        try:
            batch = intake.take(100, 1 << 20, 0.2)
            if batch is not None:
                found.update(batch.records)
                intake.done(batch)
        except SourceError:
            ending.wait(0.1)


@asynccontextmanager
async def fed(queue: Queue, intake: Intake) -> AsyncIterator[Feed]:
    """A queue that is opened, fed and emptied all the time. At the end all that was told durable must have been taken,
    and nothing be left."""
    await queue.open()
    feed, found, ending = Feed(queue), set[bytes](), threading.Event()
    feeding = asyncio.create_task(feed.run())
    working = asyncio.create_task(asyncio.to_thread(work, intake, found, ending))
    try:
        yield feed
        feed.end()
        await feeding
        await until(lambda: feed.confirmed <= found, "all that was told durable to be taken")
        assert await queue.drained(PATIENCE)
    finally:
        feed.end()
        ending.set()
        await working
        intake.close()
        await queue.close()


def take_and_die(making: str) -> int:
    """A process of its own runs `making`, which makes `intake`, takes a batch, says how many records that are, and is
    killed."""
    script = f"{making}\nbatch = intake.take(100, 1 << 20, 10.0)\nprint(len(batch.records), flush=True)\ninput()\n"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.kill()
    return int(said)
