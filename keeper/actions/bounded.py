"""A program run to its end within a deadline, for what must act when memory or time is short.

posix_spawn starts it without copying this process, and nothing here needs a thread. Else use `script`.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from keeper.core.source import Now

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MOST_SAID = 400  # bytes of the end of its output that are kept
PIECE = 65_536
DYING = 0.2  # seconds a killed program may take to be gone


class Ended(NamedTuple):
    """`code` is the exit code, negative for a signal, None when it was killed because the time was over. `said` is the
    end of what it printed."""

    code: int | None
    said: str


def run(argv: Sequence[str], environment: Mapping[str, str], until: float, now: Now) -> Ended:
    """Run in a process group of its own, nothing on its standard input. Raises OSError when it cannot be started."""
    reading, writing = os.pipe()
    try:
        pid = os.posix_spawnp(
            argv[0],
            list(argv),
            {"PATH": PATH, **environment},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, writing, 1),
                (os.POSIX_SPAWN_DUP2, writing, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    with suppress(OSError):  # keeper and its guard are to be killed last when memory runs out, what they start is not
        Path(f"/proc/{pid}/oom_score_adj").write_text("0")
    os.set_blocking(reading, False)
    ended = os.pidfd_open(pid)
    try:
        said = _follow(reading, ended, until, now)
        late = not _ready(ended, 0)
        if late:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            if not _ready(ended, DYING):  # stuck in the kernel: nobody can wait for that
                return Ended(None, said)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return Ended(None if late else code, said)
    finally:
        os.close(reading)
        os.close(ended)


def _follow(reading: int, ended: int, until: float, now: Now) -> str:
    """Read what it prints until it ends or the time does. What it started may hold the pipe open, and print, longer."""
    waiting = select.poll()
    waiting.register(reading, select.POLLIN)
    waiting.register(ended, select.POLLIN)
    said, over = b"", False
    while not over and (left := until - now()) > 0:
        ready = dict(waiting.poll(left * 1000))
        over = ended in ready
        if reading in ready or over:
            piece = _read(reading)
            said = (said + piece)[-MOST_SAID:]
            if not piece and not over:
                waiting.unregister(reading)
    return said.decode("utf-8", "replace").strip()


def _read(reading: int) -> bytes:
    try:
        return os.read(reading, PIECE)  # as much as a pipe holds
    except BlockingIOError:
        return b""


def _ready(ended: int, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(ended, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
