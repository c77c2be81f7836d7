"""The embedded queue: how fast records become durable, against the disk alone, and how fast workers get them.

python -m bench queue
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench.figures import Figure, at_least
from keeper.receiver.queues.queue import NotTaken
from keeper.receiver.queues.segments.intake import SegmentIntake, bell
from keeper.receiver.queues.segments.queue import SegmentQueue

KIBIBYTE = b"x" * 1024
SMALL = b"x" * 100


class Run(NamedTuple):
    """`rate` in records a second; times until records were durable in milliseconds."""

    rate: float
    half: float
    most: float  # p99


def figures(directory: Path, quick: bool) -> Iterator[Figure]:
    seconds = 0.2 if quick else 4.0
    one = synced(directory / "one", KIBIBYTE, seconds)
    yield Figure("disk: 1 KiB a write and a sync", f"{one:,.0f}/s")
    for outstanding in (64, 256):
        raw = outstanding * synced(directory / "raw", KIBIBYTE * outstanding, seconds)
        run = put(directory / f"queue-{outstanding}", outstanding, seconds)
        yield Figure(
            f"queue: 1 KiB, {outstanding} at once", f"{run.rate:,.0f}/s, p50 {run.half:.2f} ms, p99 {run.most:.2f} ms"
        )
        yield at_least(f"... against a write and a sync each, {outstanding} at once", run.rate / one, 3, "x")
        yield Figure(f"... against writes of {outstanding} KiB and a sync each", f"{run.rate / raw:.2f} x")
    yield at_least("worker: 100 bytes a record, read and done", read(directory / "read", quick) / 1000, 300, "k/s")


def synced(path: Path, data: bytes, seconds: float) -> float:
    """Writes a second, each on the disk before the next."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        os.write(file, data)
        os.fdatasync(file)
        count += 1
    rate = count / (time.perf_counter() - begun)
    os.close(file)
    path.unlink()
    return rate


def put(folder: Path, outstanding: int, seconds: float) -> Run:
    """So many senders, each of which puts its next record when the one before is durable. A worker reads on meanwhile,
    in a process of its own."""
    worker = os.fork()
    if worker == 0:
        try:
            work(folder)
        finally:
            os._exit(1)
    try:
        return uvloop.run(_put(folder, outstanding, seconds))
    finally:
        os.kill(worker, 9)
        os.waitpid(worker, 0)


def work(folder: Path) -> None:
    while not folder.exists():
        time.sleep(0.01)
    intake = SegmentIntake(folder, time.monotonic, bell())
    while True:
        if (batch := intake.take(2000, 4 << 20, 1.0)) is not None:
            time.sleep(0.005)  # a transaction
            intake.done(batch)


async def _put(folder: Path, outstanding: int, seconds: float) -> Run:
    queue = segment_queue(folder)
    await queue.open()
    took: list[float] = []
    until = time.perf_counter() + seconds
    ended = asyncio.Event()

    def send() -> None:
        begun = time.perf_counter()

        def done(answer: NotTaken | None) -> None:
            if answer is not None:
                raise RuntimeError(answer.why)
            now = time.perf_counter()
            took.append(now - begun)
            if now < until:
                send()
            else:
                ended.set()

        queue.put([KIBIBYTE], done)

    for _ in range(outstanding):
        send()
    await ended.wait()
    await queue.close()
    took.sort()
    return Run(len(took) / seconds, took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000)


def read(folder: Path, quick: bool) -> float:
    """Records a second, in batches as workers take them."""
    count = 10_000 if quick else 1_000_000
    asyncio.run(_fill(folder, count))
    intake = SegmentIntake(folder, time.monotonic, None)
    begun, found = time.perf_counter(), 0
    while found < count and (batch := intake.take(2000, 4 << 20, 0.0)) is not None:
        found += len(batch.records)
        intake.done(batch)
    if found != count:
        raise RuntimeError(f"{found} of {count} records came")
    return found / (time.perf_counter() - begun)


async def _fill(folder: Path, count: int) -> None:
    queue = segment_queue(folder)
    await queue.open()
    for _ in range(count // 10_000):
        answer: asyncio.Future[NotTaken | None] = asyncio.get_running_loop().create_future()
        queue.put([SMALL] * 10_000, answer.set_result)
        if (refused := await answer) is not None:
            raise RuntimeError(refused.why)
    await queue.close()


def segment_queue(folder: Path) -> SegmentQueue:
    return SegmentQueue(folder, queue_bytes=4 << 30, min_free=0, now=time.time, failed=print)
