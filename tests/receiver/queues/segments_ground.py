"""A server and workers that are killed and started again, all of them children of this process.

`python -m tests.receiver.queues.segments_ground FOLDER SEED SECONDS`: the queue is FOLDER/queue. FOLDER/durable gets
the numbers of the records that were said to be durable, FOLDER/stored those that workers stored, which they say before
they are done with them. Ends by itself, with all of its children; these end when it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from keeper.receiver.queues.queue import NotTaken
from tests.receiver.queues.server import segment_intake, segment_queue

QUEUE_BYTES = 1 << 20  # a segment has 64 KiB
OUTSTANDING = 20
WORKERS = 2
EACH = 1_000_000  # numbers of one server's life


def serve(parent: int, folder: Path, first: int, chance: random.Random) -> None:
    """Put numbered records, so many at once, until it is killed."""
    durable = os.open(folder / "durable", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def run() -> None:
        queue = segment_queue(folder / "queue", QUEUE_BYTES)
        await queue.open()
        loop = asyncio.get_running_loop()
        number = first

        def send() -> None:
            nonlocal number
            mine = range(number, number + chance.choice([1, 1, 1, 5]))
            number = mine.stop

            def done(answer: NotTaken | None) -> None:
                if answer is None:
                    os.write(durable, b"".join(b"%d\n" % each for each in mine))
                loop.call_later(0.0 if answer is None else 0.02, send)

            queue.put([b"%d" % each + b" " * chance.choice([0, 100, 3000]) for each in mine], done)

        for _ in range(OUTSTANDING):
            send()
        while os.getppid() == parent:
            await asyncio.sleep(0.5)

    asyncio.run(run())


def work(parent: int, folder: Path, chance: random.Random) -> None:
    """Store what comes until it is killed."""
    stored = os.open(folder / "stored", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while not (folder / "queue").exists():
        time.sleep(0.01)
    intake = segment_intake(folder / "queue")
    while os.getppid() == parent:
        batch = intake.take(chance.choice([1, 10, 100]), 1 << 20, 1.0)
        if batch is not None:
            os.write(stored, b"".join(b"%d\n" % int(record) for record in batch.records))
            intake.done(batch)


def born(life: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        try:
            life()
        finally:
            os._exit(1)  # before it was killed: that is a failure, which the parent sees
    return child


def killed(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit("a child ended by itself")


def main() -> None:
    folder, seed, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    chance = random.Random(seed)
    lives = kills = 0
    parent = os.getpid()

    def server() -> int:
        nonlocal lives
        lives += 1
        return born(lambda: serve(parent, folder, lives * EACH, random.Random(seed + lives)))

    def worker() -> int:
        return born(lambda: work(parent, folder, random.Random(seed + kills)))

    children = [server(), *(worker() for _ in range(WORKERS))]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(chance.choice([0.005, 0.02, 0.1, 0.3]) * chance.random())
        for number in chance.choice([[0], [0], [1], [2], [0, 1], [1, 0], [0, 1, 2]]):
            if number and chance.random() < 0.3:
                os.kill(children[number], signal.SIGSTOP)  # hangs a moment before it is ended
                time.sleep(0.05)
            killed(children[number])
            kills += 1
            children[number] = worker() if number else server()
    for child in children:
        killed(child)
    with contextlib.suppress(OSError):
        print(lives, kills)


if __name__ == "__main__":
    main()
