"""What is said by TCP, as values: bytes in, lines that want an answer out, and the answer to each. No sockets here.

    Reads                                  Batches
    > web 2026-03-01 GET /                 > web 2026-03-01 GET /
    > web 2026-03-01 GET /robots.txt       > web 2026-03-01 GET /robots.txt
    < 0                                    > END 17
                                           < OK 17 2 0                           2 lines are stored, 0 left out
                                           < NO 17 5 the disk is full            send all of it again in 5 s
                                           < NO 17 never no line is good: ...    do not send it again

`Reads` is how the old collection server speaks: `0`, without a newline, for what it read. It has no word for no, so the
connection is closed then; and a line has no identity but its content: the same line is the same one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

from keeper.formats.json_answer import one_line
from keeper.receiver.inputs.body_lines import some
from keeper.receiver.inputs.input import Read
from keeper.receiver.packet import Malformed, Said, id_of
from keeper.receiver.queues.queue import NotTaken

_END = re.compile(rb"END ([!-~]{1,200})\r?\n")
_LONGEST_END = 300  # bytes: a line of more is none
SHOWN = 200  # characters of a reason

Packets: TypeAlias = tuple[Sequence[Said], int | None]
"""What shall be stored, and its id."""


class Asked(NamedTuple):
    """Whole lines that came together. `key` is the name of a batch. `refused` says why its lines, which are not kept,
    are not taken. `wrong` lines more are not kept. `more`: the answer comes with the end of another line."""

    lines: bytes
    key: str = ""
    refused: str = ""
    wrong: int = 0
    more: bool = False


class Exchange(Protocol):
    """One connection's. Answers are given in the order of what was asked."""

    @property
    def held(self) -> int:
        """Bytes that wait for the end of their line or batch."""

    @property
    def owed(self) -> bool:
        """An answer waits for the end of a line: if that does not come in a while, ask `patience`."""

    def receive(self, data: bytes) -> Sequence[Asked]: ...

    def patience(self) -> Sequence[Asked]:
        """What is answered without the end of the line."""

    def ended(self) -> Sequence[Asked]:
        """What is to be taken of what is held when nothing more will come; then nothing is held."""

    def packets(self, asked: Asked, read: Read) -> Packets:
        """Raises Malformed when the answer is that they are none. `read` is what the lines say."""

    def answer(self, asked: Asked, read: Read, trouble: NotTaken | Malformed | None) -> bytes | None:
        """What to write; None: there are no words for it, and the connection is closed, so that the sender repeats."""


class Reads:
    """Answers each read with `0` when its lines are durable; bad lines are left out without a word.

    A read that ends within a line is answered together with the one that brings the line's end: networks cut where they
    like, and a sender that gets two answers for one line takes the second for that of its next, before that is durable.
    Who sends a line without a newline and waits gets its `0` after a while all the same. That one says only that the
    bytes were read; the line is taken when the connection ends. Any other line without an end was cut when its sender
    was, and is not taken.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held = bytearray()
        self._skipping = False
        self._owed = False
        self._told = False  # what is held was answered

    @property
    def held(self) -> int:
        return len(self._held)

    @property
    def owed(self) -> bool:
        return self._owed

    def receive(self, data: bytes) -> Sequence[Asked]:
        self._told = False
        if self._skipping:
            begin = data.find(b"\n") + 1
            if not begin:
                self._owed = True
                return ()
            self._skipping, data = False, data[begin:]
        end = data.rfind(b"\n") + 1
        lines = bytes(self._held) + data[:end] if end else b""
        if end:
            self._held.clear()
        self._held += data[end:]
        too_long = len(self._held) > self._longest + 1  # it may end with a carriage return
        if too_long:
            self._held.clear()
            self._skipping = True
        self._owed = self._skipping or bool(self._held)
        if self._owed and not lines and not too_long:
            return ()
        return (Asked(lines, wrong=int(too_long), more=self._owed),)

    def patience(self) -> Sequence[Asked]:
        if not self._owed:
            return ()
        self._owed, self._told = False, True
        return (Asked(b""),)

    def ended(self) -> Sequence[Asked]:
        held = bytes(self._held)
        self._held.clear()
        return (Asked(held),) if held and self._told else ()

    def packets(self, asked: Asked, read: Read) -> Packets:
        return [Said(said.type, (event,)) for said in read.packets for event in said.events], None

    def answer(self, asked: Asked, read: Read, trouble: NotTaken | Malformed | None) -> bytes | None:
        return None if trouble else b"" if asked.more else b"0"


class Batches:
    """Collects lines until a line `END ID`, and answers for them all by this ID. A batch larger than `most` bytes is
    refused when its end comes; one without an end was never sent."""

    owed = False

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = bytearray()
        self._looked = 0  # no end begins before
        self._too_large = False

    @property
    def held(self) -> int:
        return len(self._held)

    def receive(self, data: bytes) -> Sequence[Asked]:
        self._held += data
        asked = []
        if b"\n" in data:
            begin = 0
            while end := self._end():
                asked.append(self._batch(bytes(self._held[begin : end.start()]), end[1].decode()))
                begin = self._looked = end.end()
            self._looked = self._held.rfind(b"\n", self._looked) + 1 or self._looked
            del self._held[:begin]
            self._looked -= begin
        if self._too_large or len(self._held) > self._most:
            self._too_large = True
            self._held = self._held[self._looked : self._looked + _LONGEST_END]
            self._looked = 0
        return asked

    def _end(self) -> re.Match[bytes] | None:
        at = self._looked
        while (at := self._held.find(b"END ", at)) >= 0:
            if (at == 0 or self._held[at - 1] == ord("\n")) and (end := _END.match(self._held, at)):
                return end
            at += 1
        return None

    def _batch(self, lines: bytes, key: str) -> Asked:
        if self._too_large or len(lines) > self._most:
            self._too_large = False
            return Asked(b"", key, f"it has more than {self._most} bytes")
        return Asked(lines, key)

    def patience(self) -> Sequence[Asked]:
        return ()

    def ended(self) -> Sequence[Asked]:
        self._held.clear()
        return ()

    def packets(self, asked: Asked, read: Read) -> Packets:
        if asked.refused:
            raise Malformed(asked.refused)
        return some(read).packets, id_of(asked.key)

    def answer(self, asked: Asked, read: Read, trouble: NotTaken | Malformed | None) -> bytes | None:
        if trouble is None:
            return b"OK %b %d %d\n" % (asked.key.encode(), sum(len(said.events) for said in read.packets), read.wrong)
        when, why = "never", str(trouble)
        if isinstance(trouble, NotTaken):
            why = trouble.why
            when = when if trouble.too_large else str(max(1, math.ceil(trouble.retry_after)))
        return f"NO {asked.key} {when} {one_line(why, SHOWN)}\n".encode("utf-8", "backslashreplace")
