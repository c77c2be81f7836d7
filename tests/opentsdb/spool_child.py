"""A process that appends to a spool and delivers from it until it is killed, and says what it did after it was done.

`python -m tests.opentsdb.spool_child FOLDER`: `+N` says that line N was appended, `?N` that the lines up to
N are about to be done, `-N` that they are.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from pathlib import Path

from keeper.opentsdb.spool import Spool

LIMIT = 64 << 20  # more than a child writes, so that nothing falls out


def number_of(line: bytes) -> int:
    return int(line.split()[2])


def append(spool: Spool, first: int, chance: random.Random) -> None:
    while True:
        count = chance.choice([1, 1, 3, 40, 400])
        spool.append([b"m 1700000000 %d host=a" % number for number in range(first, first + count)])
        first += count
        os.write(1, b"+%d\n" % (first - 1))


def deliver(spool: Spool, chance: random.Random) -> None:
    while True:
        batch = spool.take(chance.choice([1, 10, 500]), 1 << 20)
        if batch is not None:
            os.write(1, b"?%d\n" % number_of(batch.lines[-1]))
            spool.done(batch)
            os.write(1, b"-%d\n" % number_of(batch.lines[-1]))


def main() -> None:
    folder, first, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    spool = Spool.open(folder, LIMIT, time.time)
    threading.Thread(target=deliver, args=(spool, random.Random(seed)), daemon=True).start()
    append(spool, first, random.Random(seed + 1))


if __name__ == "__main__":
    main()
