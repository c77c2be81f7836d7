"""Programs of the operator's, run without a shell, in a process group of their own, for a bounded time."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import sh

from keeper.actions.trust import why_not_trusted
from keeper.core.source import Now, Wait
from keeper.errors import KeeperError

LOOK = 0.1  # seconds between two looks at whether it ended
GRACE = 5.0  # seconds between TERM and KILL for one that took too long
HURRY = 1.0  # the same for one that is told to stop: keeper itself may have to end
MOST_SAID = 200  # bytes of its error output that are told
LONGEST_LINE = 4096  # bytes
PIECE = 4096  # bytes read at once
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


def run(
    argv: Sequence[str],
    environment: dict[str, str],
    seconds: float,
    line: Callable[[bytes], None],
    now: Now,
    wait: Wait,
) -> str:
    """Run a program to its end and hand every line it prints to `line`, at its end the last. It has nothing to read.

    Returns what went wrong in half a sentence, empty when it ended with 0. `wait` waits, and says when to stop: then,
    and after `seconds`, its process group is told to end. What is left of the group GRACE or HURRY seconds later, or
    when the program itself has ended, is killed; and the program with the thread that called this, so that it does not
    outlive a keeper that was killed. Raises KeeperError when it must not or cannot be started.
    """
    if why := why_not_trusted(Path(argv[0])):
        raise KeeperError(why)
    lines, errors = _Lines(line), bytearray()

    def complain(piece: str) -> None:
        errors.extend(piece.encode("latin-1"))
        del errors[:-MOST_SAID]

    try:
        running = sh.Command(argv[0])(
            *argv[1:],
            _bg=True, _bg_exc=False, _new_session=True, _env=environment, _cwd="/", _tty_out=False, _in="",
            _out=lines.feed, _out_bufsize=PIECE, _err=complain, _err_bufsize=PIECE, _internal_bufsize=1,
            _encoding="latin-1", _preexec_fn=partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, signal.SIGKILL),
        )  # fmt: skip
    except (OSError, sh.CommandNotFound, sh.ForkException) as error:
        raise KeeperError(f"{argv[0]} cannot be started: {error}") from error
    until, ended = now() + seconds, ""
    while not ended and running.is_alive():
        if wait(LOOK):
            ended = "it was told to stop"
            _ask_to_end(running, HURRY)
        elif now() >= until:
            ended = f"it did not end within {seconds:g} s"
            _ask_to_end(running, GRACE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(running.pid, signal.SIGKILL)  # its children, too: they hold its output, and nobody waits for them
    running.process.wait()  # and for the last it printed: RunningCommand.wait() does not a second time
    lines.end()
    if ended:
        return ended
    code = running.process.exit_code
    said = bytes(errors).decode("utf-8", "replace").strip().splitlines()
    return "" if code == 0 else f"it ended with {code}{f': {said[-1]}' if said else ''}"


def _ask_to_end(running: sh.RunningCommand, grace: float) -> None:
    """TERM to its group, and so many seconds for the program to follow."""
    with suppress(ProcessLookupError):
        running.signal_group(signal.SIGTERM)
    with suppress(sh.ErrorReturnCode, sh.TimeoutException):
        running.wait(timeout=grace)


class _Lines:
    """Puts lines together from pieces; the rest of one that is too long is left out."""

    def __init__(self, line: Callable[[bytes], None]) -> None:
        self._line = line
        self._held = b""

    def feed(self, piece: str) -> None:
        data = self._held + piece.encode("latin-1")
        *whole, held = data.split(b"\n")
        self._held = held[:LONGEST_LINE]
        for one in whole:
            self._line(one[:LONGEST_LINE])

    def end(self) -> None:
        if self._held:
            self._line(self._held)
        self._held = b""
