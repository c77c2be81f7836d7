"""The collector runner's process: `python -m keeper.collectors.process`, started by keeper and by nobody else.

Apart from keeper, so that a hostile script costs neither its memory nor its time. Whatever the scripts start is its
child in the end, as it is their subreaper: when keeper goes, by whatever way, its standard input ends, and it kills all
of that before it ends itself.

    keeper ──terms, again, stop──────────► runner ──► scripts
           ◄──points, stands, complaints──        ◄── lines
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
from collections import deque
from random import SystemRandom

from keeper.collectors.frames import Frames, frame
from keeper.collectors.launch import sweep
from keeper.collectors.ready import Ready
from keeper.collectors.runner import Message, Runner, own_children
from keeper.collectors.terms import read_terms
from keeper.errors import KeeperError
from keeper.runtime.clock import Clock, since_boot

BACKLOG = 8 << 20  # bytes that may wait for keeper; points beyond them are dropped and counted
ROOM = 1 << 20  # of them for what is not points
TURN = 1.0  # seconds
STOP_WITHIN = 1.5  # seconds the scripts get to end when keeper stops
FILES = 4096  # open files: three for each script that runs
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


class Line:
    """The messages to keeper: written as they come while it reads, else held, up to BACKLOG bytes."""

    def __init__(self, descriptor: int, ready: Ready) -> None:
        self._descriptor = descriptor
        self._ready = ready
        self._waiting: deque[bytes] = deque()
        self._size = 0

    def tell(self, message: Message) -> bool:
        """False when it is dropped. What is not points gets through as long as there is any room."""
        data = frame(message)
        if self._size + len(data) > BACKLOG + ROOM * (message[0] != "points"):
            return False
        self._waiting.append(data)
        self._size += len(data)
        if len(self._waiting) == 1:
            self._write()
            if self._waiting:
                self._ready.write(self._descriptor, self._write_on)
        return True

    def _write(self) -> None:
        while self._waiting:
            data = self._waiting[0]
            try:
                wrote = os.write(self._descriptor, data)
            except BlockingIOError:
                return
            self._size -= wrote
            if wrote < len(data):
                self._waiting[0] = data[wrote:]
                return
            self._waiting.popleft()

    def _write_on(self) -> None:
        self._write()
        if not self._waiting:
            self._ready.forget(self._descriptor)


class Orders:
    """What keeper says. `over` when it is gone; `stop` when it asked for the end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._frames = Frames()
        self.waiting: list[Message] = []
        self.over = False

    def read(self) -> None:
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return
        self.over = not data
        self.waiting += self._frames.feed(data)


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: keeper gets it, too, and decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # of systemd, to all of us at once: keeper's end is our end
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(FILES, hard)), hard))
    orders = Orders(0)
    while not orders.waiting and not orders.over:
        orders.read()  # blocks: the first message is the terms
    if not orders.waiting:
        return 0
    terms = read_terms(orders.waiting.pop(0)[1])
    sweep(terms.cookie, lambda _pid, _name: False)  # of a runner before us that was killed
    os.set_blocking(0, False)
    os.set_blocking(1, False)
    gc.freeze()
    ready = Ready()
    ready.read(0, orders.read)
    runner = Runner(terms, Line(1, ready).tell, ready, since_boot, Clock().wall, SystemRandom(), own_children)
    try:
        grace = _run(runner, orders)
    except BrokenPipeError:
        grace = 0.0
    except KeeperError as error:
        sys.stderr.write(f"the collector runner does not understand keeper: {error}\n")
        grace = 0.0
    runner.stop(grace)
    return 0


def _run(runner: Runner, orders: Orders) -> float:
    """Until keeper is gone or says stop; returns how many seconds the scripts get to end."""
    while not orders.over:
        runner.turn(TURN)
        while orders.waiting:
            kind, *words = orders.waiting.pop(0)
            if kind == "stop":
                return STOP_WITHIN
            if kind == "terms":
                runner.adopt(read_terms(words[0]))
            elif kind == "again":
                runner.again(words[0])
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
