"""Lines by TCP: one connection, of which `line_exchange` says what is asked and answered.

Nothing is read while more than `most_pending` bytes of this connection wait to be durable, or while its sender does not
read what it is told. All is called in the server's event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias, cast

from keeper.receiver.inputs.input import Read
from keeper.receiver.inputs.lines import LinesInput
from keeper.receiver.line_exchange import Asked, Exchange
from keeper.receiver.packet import Malformed, Said
from keeper.receiver.queues.queue import NotTaken

SLOT_BYTES = 512  # what an answer that waits costs besides its lines

Done: TypeAlias = Callable[[NotTaken | None], None]


class Sender(NamedTuple):
    """What is done with what one sender says. `take` makes packets with this id durable, which came in so many bytes,
    and calls `done`, at once or later. `counted` is told of all that was answered for good: what it said, and its
    bytes; what is not taken comes again, and counts then."""

    take: Callable[[Sequence[Said], int | None, int, Done], None]
    counted: Callable[[Read, int], None]


class Limits(NamedTuple):
    """`idle` seconds without a word end a connection; `patience` seconds an answer waits for the end of a line."""

    idle: float
    most_pending: int
    patience: float = 1.0


class Surroundings(NamedTuple):
    """The server. `met` says by its address who has connected, None: nobody that is known. `weigh` is told how many
    bytes more or, negative, fewer are in memory, and says whether there is room for them; they count in any case.
    `parted` is the end of one that was met."""

    met: Callable[[LineProtocol, str], Sender | None]
    weigh: Callable[[int], bool]
    parted: Callable[[LineProtocol], None]


class _Slot:
    """The place of an answer among the others."""

    __slots__ = ("answer", "ready", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.ready = False
        self.answer: bytes | None = None


class LineProtocol(asyncio.Protocol):
    def __init__(self, exchange: Exchange, lines: LinesInput, limits: Limits, surroundings: Surroundings) -> None:
        self._exchange = exchange
        self._lines = lines
        self._limits = limits
        self._surroundings = surroundings
        self._sender: Sender | None = None
        self._slots: deque[_Slot] = deque()
        self._pending = 0  # bytes that are not durable yet
        self._weighed = 0
        self._over = False  # nothing is read or written any more
        self._finishing = False  # what was asked is still answered
        self._reading = True
        self._writing = True
        self._spoke = 0.0  # when either side last said something, by the loop's clock
        self._idle: asyncio.TimerHandle | None = None
        self._waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._spoke = self._loop.time()
        peer = transport.get_extra_info("peername")
        self._sender = self._surroundings.met(self, peer[0] if isinstance(peer, tuple) else "")
        if self._sender is None:
            self._cut()
        else:
            self._idle = self._loop.call_later(self._limits.idle, self._look_idle)

    def data_received(self, data: bytes) -> None:
        if self._over or self._finishing:
            return
        self._spoke = self._loop.time()
        self._ask(self._exchange.receive(data))
        if self._waits:
            self._waits.cancel()
            self._waits = None
        if self._exchange.owed:
            self._waits = self._loop.call_later(self._limits.patience, self._patience)
        self._settle()

    def eof_received(self) -> bool:
        self.finish()
        return self._transport.get_extra_info("sslcontext") is None  # TLS cannot stay half open

    def finish(self) -> None:
        """Take nothing more, answer what was asked, and close."""
        self._finishing = True
        self._ask(self._exchange.ended())
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        for timer in (self._idle, self._waits):
            if timer:
                timer.cancel()
        self._ask(self._exchange.ended())
        self._settle()
        if self._sender:
            self._surroundings.parted(self)

    def pause_writing(self) -> None:
        self._writing = False
        self._breathe()

    def resume_writing(self) -> None:
        self._writing = True
        self._breathe()

    def _ask(self, all_asked: Sequence[Asked]) -> None:
        if self._sender is None:
            return
        for asked in all_asked:
            read = self._lines.look(asked.lines)
            if asked.wrong:
                read = read._replace(wrong=read.wrong + asked.wrong)
            slot = _Slot(len(asked.lines))
            self._slots.append(slot)
            self._pending += slot.size + SLOT_BYTES
            try:
                packets, id = self._exchange.packets(asked, read)
            except Malformed as error:
                self._answer(slot, asked, read, error)
                continue
            done = partial(self._answer, slot, asked, read)
            if packets:
                self._sender.take(packets, id, slot.size, partial(self._done, done))
            else:
                done(None)

    def _done(self, answer: Done, trouble: NotTaken | None) -> None:
        answer(trouble)
        self._settle()

    def _answer(self, slot: _Slot, asked: Asked, read: Read, trouble: NotTaken | Malformed | None) -> None:
        slot.answer = self._exchange.answer(asked, read, trouble)
        slot.ready = True
        if self._sender and not isinstance(trouble, NotTaken):
            self._sender.counted(read, slot.size)

    def _settle(self) -> None:
        """Write the answers whose turn it is, and see what that changes."""
        said: list[bytes] = []
        while self._slots and self._slots[0].ready:
            slot = self._slots.popleft()
            self._pending -= slot.size + SLOT_BYTES
            if slot.answer is None:
                self._close(b"".join(said))
            elif not self._over:
                said.append(slot.answer)
        if said and not self._over:
            self._spoke = self._loop.time()
            self._transport.write(b"".join(said))
        if self._finishing and not self._slots:
            self._close(b"")
        if not self._weigh():
            self._cut()
        self._breathe()

    def _weigh(self) -> bool:
        weight = self._pending + (0 if self._over else self._exchange.held)
        change, self._weighed = weight - self._weighed, weight
        return change == 0 or self._surroundings.weigh(change) or change < 0

    def _breathe(self) -> None:
        """Read, or do not."""
        most = self._limits.most_pending
        reading = self._writing and self._pending <= (most if self._reading else most // 2)
        if self._over or self._finishing or reading == self._reading:
            return
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _patience(self) -> None:
        self._waits = None
        if not self._over and not self._finishing:
            self._ask(self._exchange.patience())
            self._settle()

    def _look_idle(self) -> None:
        quiet = self._loop.time() - self._spoke
        if self._slots or quiet < self._limits.idle:
            wait = self._limits.idle if self._slots else self._limits.idle - quiet
            self._idle = self._loop.call_later(wait, self._look_idle)
        else:
            self._cut()

    def _close(self, said: bytes) -> None:
        """What was said still reaches the sender."""
        if not self._over:
            self._over = True
            if said:
                self._transport.write(said)
            self._transport.close()

    def _cut(self) -> None:
        self._over = True
        self._transport.abort()
