"""One HTTP connection, over real sockets in a real event loop; what it serves is this file's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from keeper.receiver.http_answer import Answer, refused
from keeper.receiver.http_connection import MAX_HEAD, Connection, Limits, Reply
from keeper.receiver.http_request import Request

LIMITS = Limits(body=1000, request_timeout=5.0, idle_timeout=5.0)
Client = Callable[["Desk", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Desk:
    """Serves: `/404` is refused by its head, `/late` is answered when `let` is called, all else with its own body."""

    date = b"Date: today\r\n"

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.reserved = 0
        self.room = 1 << 20
        self.most = 100
        self.waiting: list[Reply] = []
        self.statuses: list[int] = []

    def admit(self, request: Request) -> Answer | None:
        return refused(404, "nothing here") if request.path == "/404" else None

    def serve(self, request: Request, reply: Reply) -> None:
        if request.path == "/bug":
            raise RuntimeError("a bug")
        if request.path == "/bug-after":
            reply(Answer(200, b"so far so good"))
            raise RuntimeError("a bug behind the answer")
        if request.path == "/late":
            self.waiting.append(reply)
        else:
            reply(Answer(200, request.method + b":" + request.body))

    def reserve(self, size: int) -> bool:
        self.reserved += size
        if self.reserved > self.room:
            self.reserved -= size
            return False
        return True

    def release(self, size: int) -> None:
        self.reserved -= size

    def answered(self, status: int) -> None:
        self.statuses.append(status)

    def opened(self, connection: Connection) -> bool:
        if len(self.connections) >= self.most:
            return False
        self.connections.add(connection)
        return True

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)


def play(client: Client, desk: Desk | None = None) -> Desk:
    """Run one client against a server of one desk; all that was reserved must be given back in the end."""
    desk = desk or Desk()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(desk, LIMITS, loop.time), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        async with asyncio.timeout(20):
            await client(desk, reader, writer)
            writer.close()
            while desk.connections:
                await asyncio.sleep(0.001)
        server.close()

    asyncio.run(run())
    assert desk.reserved == 0
    return desk


async def answer(reader: asyncio.StreamReader, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
    status = int((await reader.readline()).split()[1])
    headers = {}
    while (line := await reader.readline()) != b"\r\n":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return status, headers, b"" if head_only else await reader.readexactly(int(headers["content-length"]))


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_requests_are_answered_in_their_order() -> None:
    """Also when a later one is ready first, and all came at once."""

    async def client(desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            post("/late", b"1") + post("/", b"two") + post("/late", b"3") + post("/404", b"") + post("/", b"5")
        )
        while len(desk.waiting) < 2:
            await asyncio.sleep(0.001)
        desk.waiting[1](Answer(200, b"third"))
        desk.waiting[0](Answer(200, b"first"))
        got = [await answer(reader) for _ in range(5)]
        assert [(status, body) for status, _, body in got if status == 200] == [
            (200, b"first"), (200, b"POST:two"), (200, b"third"), (200, b"POST:5")
        ]  # fmt: skip
        assert got[3][0] == 404, "the head alone was enough to refuse it, and its connection is still good"
        assert got[0][1]["date"] == "today"

    play(client)


def test_a_request_may_come_in_any_pieces() -> None:
    """Byte by byte, and with its body in chunks."""

    async def client(_desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chunked = (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"
        )
        for byte in post("/", b"hello") + chunked:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await answer(reader))[2] == b"POST:hello"
        assert (await answer(reader))[2] == b"POST:abcdefg"

    play(client)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (post("/404", b"x" * 500), 404),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + b"x" * 1024 + b"\r\n", 413),
        (b"POST /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n", 431),
        (b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 103, 431),
        (b"POST / HTTP/1.1\r\nA: " + b"b" * MAX_HEAD + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nA: " + b"b" * 400_000, 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (post("/bug", b""), 500),
    ],
)
def test_what_is_refused_ends_the_connection(request_bytes: bytes, status: int) -> None:
    """With an answer that says why; whatever would follow cannot be told from the rest of a body."""

    async def client(_desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request_bytes)
        got, headers, body = await answer(reader)
        assert (got, headers["connection"]) == (status, "close")
        assert b"error" in body
        assert await reader.read() == b""

    assert play(client).statuses == [status]


def test_a_bug_behind_an_answer_is_no_second_answer() -> None:
    """And what was reserved for the body is given back once."""

    async def client(_desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(post("/bug-after", b"body") + post("/", b"next"))
        assert [(await answer(reader))[2] for _ in range(2)] == [b"so far so good", b"POST:next"]

    assert play(client).statuses == [200, 200]


def test_old_and_other_clients() -> None:
    """HTTP/1.0 with and without keep-alive, HEAD, Expect, and one that would like another protocol."""

    async def client(_desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na")
        status, headers, body = await answer(reader)
        assert (status, headers["connection"], body) == (200, "keep-alive", b"POST:a")
        writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, _ = await answer(reader, head_only=True)
        assert (status, headers["content-length"]) == (200, "5")
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert await reader.readline() == b"\r\n"
        writer.write(b"ab")
        assert (await answer(reader))[2] == b"POST:ab"
        writer.write(b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\na")
        assert (await answer(reader))[1]["connection"] == "close"
        assert await reader.read() == b""

    play(client)

    async def upgrade(_desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        status, headers, body = await answer(reader)
        assert (status, body, headers["connection"]) == (200, b"GET:", "close")

    play(upgrade)


def test_a_client_that_has_said_all_gets_its_answer() -> None:
    """It shut its half of the connection, and still listens."""

    async def client(desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(post("/late", b"1"))
        writer.write_eof()
        while not desk.waiting:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        desk.waiting[0](Answer(200, b"late"))
        assert (await answer(reader))[2] == b"late"
        assert await reader.read() == b""

    play(client)


def test_a_client_that_is_gone_is_forgotten() -> None:
    """Its answer comes to nothing, and what was kept of its body is given back."""

    async def client(desk: Desk, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(post("/late", b"1") + b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
        while not desk.waiting or desk.reserved < 4:
            await asyncio.sleep(0.001)
        writer.transport.abort()
        while desk.reserved > 1:
            await asyncio.sleep(0.001)
        desk.waiting[0](Answer(200, b"late"))

    play(client)


def test_bodies_over_the_room_in_memory_are_put_off() -> None:
    """503, and when to come again."""

    async def client(_desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(post("/", b"x" * 200))
        status, headers, _ = await answer(reader)
        assert (status, headers["retry-after"]) == (503, "5")

    desk = Desk()
    desk.room = 100
    play(client, desk)


def test_too_many_connections_are_closed_at_once() -> None:
    """Without a word: there is no room for words."""

    async def client(_desk: Desk, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
            raise ConnectionResetError

    desk = Desk()
    desk.most = 0
    with suppress(asyncio.IncompleteReadError):
        play(client, desk)


def test_time_is_over() -> None:
    """A request that is not whole gets 408; a connection that never asked anything is cut."""

    async def slow(desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
        while not desk.reserved:
            await asyncio.sleep(0.001)
        [connection] = desk.connections
        assert connection.deadline <= asyncio.get_running_loop().time() + LIMITS.request_timeout
        connection.cut()
        assert (await answer(reader))[0] == 408
        assert await reader.read() == b""

    play(slow)

    async def idle(desk: Desk, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while not desk.connections:
            await asyncio.sleep(0.001)
        next(iter(desk.connections)).cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)

    play(idle)


def test_a_flood_of_requests_is_read_no_faster_than_answered() -> None:
    """What is pipelined waits in the kernel, not in our memory."""

    async def client(desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = 3000
        writer.write(post("/late", b"x" * 900) * count)
        for answered in range(count):
            while not desk.waiting:
                await asyncio.sleep(0.001)
            assert desk.reserved < 600_000
            desk.waiting.pop(0)(Answer(200, b"%d" % answered))
            assert (await answer(reader))[2] == b"%d" % answered

    play(client)


def test_a_leaving_server_answers_what_it_owes() -> None:
    """And closes the connection behind it."""

    async def client(desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(post("/late", b"1"))
        while not desk.waiting:
            await asyncio.sleep(0.001)
        next(iter(desk.connections)).leave()
        desk.waiting[0](Answer(200, b"late"))
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        assert await reader.read() == b""

    play(client)
