"""A server or a worker on a disk that fails, which strace plays.

`python -m tests.receiver.queues.segments_disk serve FOLDER COUNT`: puts records one after the other until COUNT are
durable, and says which: `+N`, or `-N WHY`, and what its trouble is then. `... take FOLDER`: says what there is, and is
done with it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from keeper.errors import SourceError
from tests.receiver.queues.server import Server, segment_intake


def serve(folder: Path, count: int) -> None:
    with Server(folder) as server:
        number = 0
        while count:
            refused = server.put(b"%d" % number + b" " * 1000)
            print(f"-{number} {refused.why}" if refused else f"+{number}", flush=True)
            if refused:
                time.sleep(0.3)
            else:
                count -= 1
            number += 1
        if trouble := server.queue.depth().trouble:
            print(f"trouble: {trouble}")


def take(folder: Path) -> None:
    intake = segment_intake(folder)
    while True:
        try:
            batch = intake.take(2, 1 << 20, 0.0)
            if batch is None:
                return
            print(*map(int, batch.records), sep="\n")
            intake.done(batch)
        except SourceError as error:
            print(error)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        take(Path(sys.argv[2]))
