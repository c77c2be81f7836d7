"""Reading a long recorded log on a second processor: a child process parses ahead of the one that judges."""

from __future__ import annotations

import fcntl
import marshal
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby, repeat
from typing import BinaryIO, get_args

from keeper.core.batch import Parsed
from keeper.core.event import Event
from keeper.errors import KeeperError

KINDS: tuple[type, ...] = get_args(Event)
_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}

# Linux gives a pipe 64 KiB, two or three pieces: while a piece takes long to judge the child would wait, and the parent
# for it afterwards. This is the most anybody may ask for.
_AHEAD_BYTES = 1 << 20
_PARSED, _ERROR, _END = b"p", b"e", b"."
_LENGTH_BYTES = 4


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def apart(read: Callable[[], Iterator[Parsed]]) -> Iterator[Parsed]:
    """Give what `read()` gives, made in a child process that is ahead by what a pipe holds.

    For a process without threads: it forks. Raises the KeeperError that `read` raised, after all that came before it;
    KeeperError too if the child failed, whose traceback is on standard error then, or was killed.
    """
    incoming, outgoing = os.pipe()
    with suppress(OSError):  # a user who has many pipes open gets no more than 64 KiB
        fcntl.fcntl(outgoing, fcntl.F_SETPIPE_SZ, _AHEAD_BYTES)
    child = os.fork()
    if child == 0:
        os.close(incoming)
        _tell(read, outgoing)
    os.close(outgoing)
    try:
        with os.fdopen(incoming, "rb", 1 << 20) as pipe:
            yield from _heard(pipe)
    finally:
        # If nobody wants more, the child finds its pipe closed and ends.
        os.waitpid(child, 0)


def _tell(read: Callable[[], Iterator[Parsed]], outgoing: int) -> None:
    """Body of the child: never returns, and touches nothing that belongs to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = 1
    with suppress(BrokenPipeError):
        try:
            with os.fdopen(outgoing, "wb", 1 << 16) as pipe:
                try:
                    for parsed in read():
                        _write(pipe, _PARSED, packed(parsed))
                    _write(pipe, _END, b"")
                except KeeperError as error:
                    _write(pipe, _ERROR, str(error).encode("utf-8", "surrogateescape"))
            code = 0
        except BrokenPipeError:
            raise
        except Exception:  # noqa: BLE001  # the one boundary of this process: it must not run its parent's code any further
            traceback.print_exc(file=sys.stderr)
    os._exit(code)


def _heard(pipe: BinaryIO) -> Iterator[Parsed]:
    while True:
        head = pipe.read(1 + _LENGTH_BYTES)
        size = int.from_bytes(head[1:], "big")
        body = pipe.read(size)
        if len(head) <= _LENGTH_BYTES or len(body) < size:
            raise KeeperError("the process that reads the log ended in the middle of it; was it killed for its memory?")
        if head[:1] == _END:
            return
        if head[:1] == _ERROR:
            raise KeeperError(body.decode("utf-8", "surrogateescape"))
        yield unpacked(body)


def _write(pipe: BinaryIO, what: bytes, body: bytes) -> None:
    pipe.write(what + len(body).to_bytes(_LENGTH_BYTES, "big") + body)


def packed(parsed: Parsed) -> bytes:
    """As plain values, runs of events of one kind together: a fifth of what pickling named tuples costs."""
    runs = [(_NUMBERS[kind], list(map(tuple, run))) for kind, run in groupby(parsed.events, type)]
    return marshal.dumps((runs, *parsed[1:]))


def unpacked(body: bytes) -> Parsed:
    runs, *counts = marshal.loads(body)  # noqa: S302  # our own child wrote it
    events: list[Event] = []
    for number, rows in runs:
        events += map(tuple.__new__, repeat(KINDS[number]), rows)
    return Parsed(events, *counts)
