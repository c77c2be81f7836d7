"""Workers for tests that are killed: `python -m tests.receiver.stores.nursery KIND WHERE` starts one for each line it
reads, `SEED FIRST ROTATE`, and says its process id. A worker stores batch after batch until it is killed; it says `?N`
before batch N and `+N` after it. Both are made from SEED and N alone.

One process starts them all, as importing takes longer than being killed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from keeper.receiver.packet import Packet
from tests.receiver.stores.build import Place, line, said

REPOSITORY = Path(__file__).parents[3]


def batch(seed: int, number: int) -> list[Packet]:
    """Packets with and without ids, and lines, of three sources; some come twice, none is in another batch."""
    chance = random.Random(f"{seed} {number}")
    found: list[Packet] = []
    for n in range(chance.choice([1, 7, 60, 400])):
        key = {"batch": number, "n": n, "text": "x" * chance.choice([0, 40, 3000])}
        name = number * 1000 + n
        found.append(
            chance.choice(
                [
                    said(name + (seed << 32), key, "agent"),
                    said(None, key, "lines"),
                    said(chance.choice([None, name + (seed << 32)]), key, "both"),
                    line("game", f"2026-11-{chance.randrange(10, 30)}", repr(key), "lines"),
                ]
            )
        )
    return found + chance.sample(found, len(found) // 4)


class Nursery:
    def __init__(self, orders: IO[bytes], words: IO[bytes]) -> None:
        self._orders = orders
        self._words = words

    def start(self, seed: int, first: int) -> int:
        """The process id of a worker that stores batches of this seed from this number on."""
        self._orders.write(b"%d %d\n" % (seed, first))
        self._orders.flush()
        return int(self._words.readline())

    def word(self) -> str:
        """What a worker said last; empty when it ended."""
        return self._words.readline().decode().strip()


@contextmanager
def nursery(place: Place) -> Iterator[Nursery]:
    argv = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.receiver.stores.nursery", *place]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Nursery(process.stdin, process.stdout)
        finally:
            process.kill()


def main() -> None:
    place = Place(*sys.argv[1:])
    for order in sys.stdin:
        seed, first = map(int, order.split())
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.write(1, b"%d\n" % os.getpid())
            _work(place, seed, first)
        os.waitpid(child, 0)
        os.write(1, b"\n")


def _work(place: Place, seed: int, first: int) -> None:
    store = place.store()
    with suppress(BrokenPipeError):  # the test is over
        for number in range(first, 1 << 30):
            packets = batch(seed, number)
            os.write(1, b"?%d\n" % number)
            store.store(packets)
            os.write(1, b"+%d\n" % number)
    os._exit(0)


if __name__ == "__main__":
    main()
