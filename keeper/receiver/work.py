"""The worker's process: `keeper work`, started by the receiver, or by a person on another machine."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from random import SystemRandom
from types import FrameType

from keeper.receiver.dead_letters import FILE as DEAD
from keeper.receiver.dead_letters import DeadLetters
from keeper.receiver.home import home
from keeper.receiver.queues.table import make_intake
from keeper.receiver.report import Report
from keeper.receiver.settings import ReceiverSettings
from keeper.receiver.stores.table import open_store
from keeper.receiver.worker import Worker
from keeper.runtime.clock import Clock

PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


def work(own: ReceiverSettings, state_dir: str, tell: Callable[[Report], None], *, child: bool) -> None:
    """Bring packets into the store until SIGTERM or SIGINT; a `child` also until its standard input ends, which is when
    the receiver tells it to. It does not outlive its receiver: one that hangs would keep what it took from the next."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN if child else stop)  # Ctrl-C reaches both, and the receiver tells us
    if child:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        threading.Thread(target=_until_end, args=(stopping,), name="receiver", daemon=True).start()
    clock = Clock()
    worker = Worker(
        make_intake(own, state_dir, clock.now),
        lambda: open_store(own, state_dir),
        DeadLetters(home(state_dir) / DEAD, clock.wall),
        tell,
        clock.now,
        SystemRandom().random,
        own.batch,
    )
    worker.run(stopping.wait)


def say(report: Report) -> None:
    """To the receiver. When it is gone there is nobody to tell, and our standard input ends as well."""
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), report.line())


def _until_end(stopping: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stopping.set()
