"""Programs of the operator's, run without a shell, in a process group of their own, for a bounded time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import sh

from keeper.actions.trust import why_not_trusted
from keeper.core.source import Now, Wait
from keeper.errors import KeeperError

LOOK = 0.1  # seconds between two looks at whether it ended
GRACE = 5.0  # seconds between TERM and KILL
MOST_SAID = 200  # bytes of its error output that are told
LONGEST_LINE = 4096  # bytes
PIECE = 4096  # bytes read at once


def run(
    argv: Sequence[str],
    environment: dict[str, str],
    seconds: float,
    line: Callable[[bytes], None],
    now: Now,
    wait: Wait,
) -> str:
    """Run a program to its end and hand every line it prints to `line`, as it comes.

    Returns what went wrong in half a sentence, empty when it ended with 0. `wait` waits, and says when to stop: then,
    and after `seconds`, its process group is told to end and killed GRACE seconds later. Raises KeeperError when it
    must not or cannot be started.
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
            _bg=True, _bg_exc=False, _new_session=True, _env=environment, _cwd="/", _tty_out=False,
            _out=lines.feed, _out_bufsize=PIECE, _err=complain, _err_bufsize=PIECE, _internal_bufsize=1,
            _encoding="latin-1",
        )  # fmt: skip
    except (OSError, sh.CommandNotFound, sh.ForkException) as error:
        raise KeeperError(f"{argv[0]} cannot be started: {error}") from error
    until, ended = now() + seconds, ""
    while running.is_alive():
        if not ended and wait(LOOK):
            ended = "it was told to stop"
        elif not ended and now() >= until:
            ended = f"it did not end within {seconds:g} s"
        if ended:
            _end(running)
            break
    with suppress(sh.ErrorReturnCode):
        running.wait()
    lines.end()
    if ended:
        return ended
    code = running.exit_code
    said = bytes(errors).decode("utf-8", "replace").strip().splitlines()
    return "" if code == 0 else f"it ended with {code}{f': {said[-1]}' if said else ''}"


def _end(running: sh.RunningCommand) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            running.signal_group(number)
        with suppress(sh.ErrorReturnCode):
            try:
                running.wait(timeout=GRACE)
            except sh.TimeoutException:
                continue
        return


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
