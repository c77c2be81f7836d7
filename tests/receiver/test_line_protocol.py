"""Lines by TCP, over real connections: nothing is answered before it is durable."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import pytest
import uvloop

from keeper.receiver.inputs.input import Read
from keeper.receiver.inputs.lines import LinesInput
from keeper.receiver.line_exchange import Batches, Exchange, Reads
from keeper.receiver.line_protocol import Done, Limits, LineProtocol, Sender, Surroundings
from keeper.receiver.packet import Said
from keeper.receiver.queues.queue import NotTaken

A, B = b"a 2026-03-01 x\n", b"b 2026-03-01 y\n"
SECONDS = 10  # more than anything here takes


class Shelf:
    """Where packets are taken to: `durable` says that the oldest are, at once if `quick`."""

    def __init__(self, quick: bool = True) -> None:
        self.quick = quick
        self.taken: list[tuple[Sequence[Said], int | None, int]] = []
        self.waiting: list[Done] = []
        self.reads: list[tuple[Read, int]] = []
        self.weight = 0
        self.room = 1 << 20
        self.known = True
        self.open: list[LineProtocol] = []
        self.changed = asyncio.Event()

    def take(self, packets: Sequence[Said], id: int | None, size: int, done: Done) -> None:
        self.taken.append((packets, id, size))
        self.waiting.append(done)
        if self.quick:
            self.durable()
        self.changed.set()

    def durable(self, trouble: NotTaken | None = None) -> None:
        self.waiting.pop(0)(trouble)

    def met(self, line: LineProtocol, peer: str) -> Sender | None:
        assert peer == "127.0.0.1"
        self.open.append(line)
        return Sender(self.take, lambda read, size: self.reads.append((read, size))) if self.known else None

    def weigh(self, change: int) -> bool:
        self.weight += change
        return self.weight <= self.room

    def parted(self, line: LineProtocol) -> None:
        self.open.remove(line)
        self.changed.set()

    async def until(self, question: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not question():
                self.changed.clear()
                await self.changed.wait()

    def data(self) -> list[str]:
        return [f"{said.type} {len(said.events)}" for packets, _, _ in self.taken for said in packets]


class Line:
    """A client's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, count: int = 1) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(count)

    async def hear_line(self) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readline()

    async def nothing(self) -> None:
        """Nothing has come, though there was time for it."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await self.reader.readexactly(1)

    async def rest(self) -> bytes:
        """All that still comes until the server closes."""
        async with asyncio.timeout(SECONDS):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


Play = Callable[[Shelf, Callable[[], Awaitable[Line]]], Coroutine[Any, Any, None]]


def over_tcp(
    new: Callable[[], Exchange], limits: Limits | None = None
) -> Callable[[Play], Callable[[Callable[[], asyncio.AbstractEventLoop]], None]]:
    """Play against a real server, on each of both loops; at the end nothing weighs anything and all is closed."""

    async def whole(play: Play) -> None:
        shelf, loop = Shelf(), asyncio.get_running_loop()
        surroundings = Surroundings(shelf.met, shelf.weigh, shelf.parted)
        bounds = limits or Limits(idle=SECONDS, most_pending=1 << 20, patience=SECONDS)
        server = await loop.create_server(
            lambda: LineProtocol(new(), LinesInput(1000), bounds, surroundings), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        lines = []

        async def connect() -> Line:
            lines.append(Line(*await asyncio.open_connection("127.0.0.1", port)))
            return lines[-1]

        async with server:
            await play(shelf, connect)
            for line in lines:
                line.writer.close()
            while shelf.waiting:
                shelf.durable()
            await shelf.until(lambda: not shelf.open)
            assert shelf.weight == 0

    def wrap(play: Play) -> Callable[[Callable[[], asyncio.AbstractEventLoop]], None]:
        @pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
        def test(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
            with asyncio.Runner(loop_factory=loop) as runner:
                runner.run(whole(play))

        test.__doc__ = play.__doc__
        test.__name__ = play.__name__
        test.__module__ = play.__module__
        return test

    return wrap


old_way = over_tcp(lambda: Reads(1000))
batches = over_tcp(lambda: Batches(100_000))


@old_way
async def test_the_answer_comes_when_the_lines_are_durable(shelf: Shelf, connect: Any) -> None:
    """And not before; in the order in which they came, whichever is durable first."""
    shelf.quick = False
    line = await connect()
    await line.say(A + B)
    await shelf.until(lambda: len(shelf.taken) == 1)
    await line.say(A)
    await shelf.until(lambda: len(shelf.taken) == 2)
    assert [id for _, id, _ in shelf.taken] == [None, None]
    assert shelf.data() == ["a 1", "b 1", "a 1"]
    assert shelf.weight > len(A + B + A)
    shelf.waiting.reverse()
    shelf.durable()
    await line.nothing()
    shelf.durable()
    assert await line.hear(2) == b"00"
    assert [size for _, size in shelf.reads] == [len(A), len(A + B)]


@old_way
async def test_bad_and_empty_lines_are_answered_and_counted(shelf: Shelf, connect: Any) -> None:
    """The old server wrote them into its log, and said 0."""
    line = await connect()
    await line.say(b"../x 2026-03-01 x\n")
    assert await line.hear() == b"0"
    await line.say(b"\r\n")
    assert await line.hear() == b"0"
    assert shelf.taken == []
    assert [read.wrong for read, _ in shelf.reads] == [1, 0]


@old_way
async def test_what_is_not_taken_is_not_answered(shelf: Shelf, connect: Any) -> None:
    """The connection is closed behind what is durable, so that the sender sends it again; it is not counted."""
    shelf.quick = False
    line = await connect()
    for number in (1, 2, 3):
        await line.say(A)
        await shelf.until(functools.partial(lambda n: len(shelf.taken) == n, number))
    shelf.durable()
    shelf.durable(NotTaken("full", 5, full=True))
    shelf.durable()
    assert await line.rest() == b"0"
    assert len(shelf.reads) == 2


@old_way
async def test_a_line_cut_by_the_network_is_one_line_with_one_answer(shelf: Shelf, connect: Any) -> None:
    """However small the pieces are."""
    line = await connect()
    for byte in A:
        await line.say(bytes((byte,)))
        await asyncio.sleep(0)
    assert await line.hear() == b"0"
    await line.nothing()
    assert shelf.data() == ["a 1"]


@over_tcp(lambda: Reads(1000), Limits(idle=SECONDS, most_pending=1 << 20, patience=0.02))
async def test_a_sender_without_newlines_gets_its_answer(shelf: Shelf, connect: Any) -> None:
    """After a while; its line is taken when it has said all, and answered before the connection is closed."""
    line = await connect()
    await line.say(A[:-1])
    assert await line.hear() == b"0"
    assert shelf.taken == []
    shelf.quick = False
    line.writer.write_eof()
    await shelf.until(lambda: len(shelf.taken) == 1)
    shelf.durable()
    assert await line.rest() == b"0"


@old_way
async def test_a_line_that_was_cut_with_its_sender_is_not_taken(shelf: Shelf, connect: Any) -> None:
    """A process that is killed ends its connections like any other."""
    line = await connect()
    await line.say(A + B[:-1])
    await shelf.until(lambda: len(shelf.taken) == 1)
    line.writer.close()
    await shelf.until(lambda: not shelf.open)
    assert shelf.data() == ["a 1"]


@batches
async def test_a_batch_is_confirmed_by_name(shelf: Shelf, connect: Any) -> None:
    """With what was taken and what was left out; two of them may be under way."""
    shelf.quick = False
    line = await connect()
    await line.say(A + B + b"bad\n" + A + b"END 17\n" + B + b"END x\n")
    await shelf.until(lambda: len(shelf.taken) == 2)
    await line.nothing()
    shelf.durable()
    assert await line.hear_line() == b"OK 17 3 1\n"
    shelf.durable(NotTaken("the disk is full", 5, full=True))
    assert await line.hear_line() == b"NO x 5 the disk is full\n"
    shelf.quick = True
    await line.say(B + b"END x\n" + b"bad\nEND y\n")
    assert await line.hear_line() == b"OK x 1 0\n"
    assert (await line.hear_line()).startswith(b"NO y never no line is good")
    assert shelf.data() == ["a 2", "b 1", "b 1", "b 1"]
    assert shelf.taken[0][1] == 17
    assert [read.wrong for read, _ in shelf.reads] == [1, 0, 1]


@batches
async def test_a_batch_without_end_is_not_taken(shelf: Shelf, connect: Any) -> None:
    """When its sender ends, it has not sent it."""
    line = await connect()
    await line.say(A + b"END 1\n" + B)
    assert await line.hear_line() == b"OK 1 1 0\n"
    line.writer.write_eof()
    assert await line.rest() == b""
    assert shelf.data() == ["a 1"]


@over_tcp(lambda: Batches(100_000), Limits(idle=SECONDS, most_pending=20_000))
async def test_nothing_is_read_while_too_much_is_not_durable(shelf: Shelf, connect: Any) -> None:
    """A sender that does not wait for answers is held back, and all of it arrives in the end."""
    shelf.quick = False
    line = await connect()
    batch = (b"a 2026-03-01 " + b"x" * 900 + b"\n") * 20 + b"END 1\n"
    many = 600
    sending = asyncio.create_task(line.say(batch * many))
    await shelf.until(lambda: len(shelf.taken) >= 2)
    await asyncio.sleep(0.1)
    assert not sending.done()
    assert shelf.weight < 1_000_000
    shelf.quick = True
    while shelf.waiting:
        shelf.durable()
    for _ in range(many):
        assert await line.hear_line() == b"OK 1 20 0\n"
    await sending


@over_tcp(lambda: Batches(100_000), Limits(idle=SECONDS, most_pending=1 << 20))
async def test_a_sender_that_does_not_listen_is_not_read(shelf: Shelf, connect: Any) -> None:
    """Answers do not pile up in memory: it is cut when it has said nothing that could be read for a while."""
    line = await connect()
    line.writer.transport.pause_reading()
    endless = (b"END " + b"x" * 200 + b"\n") * 1000
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            while True:
                await line.say(endless)
    assert shelf.weight < 1_000_000
    line.writer.transport.abort()


@over_tcp(lambda: Reads(1000), Limits(idle=0.1, most_pending=1 << 20, patience=SECONDS))
async def test_a_silent_connection_is_closed(shelf: Shelf, connect: Any) -> None:
    """Unless it waits for an answer."""
    shelf.quick = False
    silent, waiting = await connect(), await connect()
    await waiting.say(A)
    assert await silent.rest() == b""
    await asyncio.sleep(0.2)
    shelf.durable()
    assert await waiting.hear() == b"0"
    assert await waiting.rest() == b""


@batches
async def test_a_connection_for_which_there_is_no_room_is_closed(shelf: Shelf, connect: Any) -> None:
    """What it holds is given back; others go on."""
    shelf.room = 5000
    small, large = await connect(), await connect()
    await small.say(A)
    await large.say(A * 1000)
    assert await large.rest() == b""
    await small.say(b"END 1\n")
    assert await small.hear_line() == b"OK 1 1 0\n"


@old_way
async def test_a_stranger_is_closed_at_once(shelf: Shelf, connect: Any) -> None:
    """Nothing it says is looked at."""
    shelf.known = False
    line = await connect()
    line.writer.write(A)
    assert await line.rest() == b""
    assert (shelf.taken, shelf.reads) == ([], [])
    shelf.open.clear()


@old_way
async def test_a_server_that_stops_answers_what_it_took(shelf: Shelf, connect: Any) -> None:
    """And closes; what comes after is not taken."""
    shelf.quick = False
    line = await connect()
    await line.say(A)
    await shelf.until(lambda: len(shelf.taken) == 1)
    shelf.open[0].finish()
    await line.say(B)
    await line.nothing()
    shelf.durable()
    assert await line.rest() == b"0"
    assert shelf.data() == ["a 1"]
