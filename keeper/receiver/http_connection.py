"""One HTTP connection: httptools knows the grammar, this knows the bounds.

A request's head is bounded before it is looked at, its body before it is kept; a request must be whole in time, a
connection without one is closed after a while; answers go out in the order of the requests. What is refused before
its body came is answered at once and the connection closed, so that nobody sends us a gigabyte for a 404.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httptools

from keeper.receiver.http_answer import CLOSE, KEEP, Answer, busy, refused, written
from keeper.receiver.http_request import Request

log = logging.getLogger("keeper")

MAX_HEAD = 16_384  # bytes of a request's line and headers
MAX_HEADERS = 100
SLICE = 4096  # bytes taken apart at once: of so many requests the answers are written before we see if they are read
MAX_WAITING = 32  # requests of one connection that are not answered yet; then it is not read from
LINGER = 2.0  # seconds to read on after a refusal, so that the answer is not lost in a reset

Reply = Callable[[Answer], None]


class Host(Protocol):
    """Who the connections belong to. Everything is called in the event loop."""

    date: bytes

    def admit(self, request: Request) -> Answer | None:
        """Looks at the head: None when its body is wanted. May set `request.plan`."""

    def serve(self, request: Request, reply: Reply) -> None:
        """Answer a whole request, now or later, once."""

    def reserve(self, size: int) -> bool:
        """Room in memory for so many bytes of bodies; False: there is none."""

    def release(self, size: int) -> None: ...

    def answered(self, status: int) -> None: ...

    def opened(self, connection: Connection) -> bool:
        """False: there are too many."""

    def closed(self, connection: Connection) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes and seconds."""

    body: int
    request_timeout: float
    idle_timeout: float


@dataclass(slots=True)
class _Slot:
    """An answer's place in the row."""

    head_only: bool
    close: bool
    old: bool = False  # HTTP/1.0 that keeps the connection, and wants to hear so
    answer: Answer | None = None


@dataclass(slots=True)
class _Coming:
    """A request whose end has not come."""

    request: Request
    head: int = 0
    fed: int = 0  # bytes received that brought it no further
    count: int = 0
    size: int = 0
    body: bytes | bytearray = b""


class Connection(asyncio.Protocol):
    def __init__(self, host: Host, limits: Limits, now: Callable[[], float]) -> None:
        self.deadline = 0.0  # when it is cut
        self._host = host
        self._limits = limits
        self._now = now
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._peer = ""
        self._coming: _Coming | None = None
        self._row: deque[_Slot] = deque()
        self._over = False  # nothing more is read
        self._paused = False
        self._full = False  # the client does not read its answers
        self._held = b""  # received while paused
        self._reserved = 0

    # -- asyncio ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self.deadline = self._now() + self._limits.request_timeout
        if not self._host.opened(self):
            self._over = True
            self._transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        self._over = True
        self._row.clear()
        self._drop_body()
        self._parser = None  # the one ring there is: it holds on to our methods
        self._host.closed(self)

    def data_received(self, data: bytes) -> None:
        if self._held:
            self._held += data  # paused already, and this was on its way
        else:
            self._take_apart(data)

    def _take_apart(self, data: bytes) -> None:
        for begin in range(0, len(data), SLICE):
            if self._over:
                return
            if self._paused:
                self._held = data[begin:]
                return
            self._feed(data[begin : begin + SLICE])

    def _feed(self, data: bytes) -> None:
        before = self._coming
        size = before.size if before is not None else 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end(None)  # it wants another protocol: it gets its answer in this one
        except httptools.HttpParserCallbackError:  # the one boundary around a head: a bug costs one answer
            log.exception("peer=%s state=failed", self._peer)
            self._end(refused(500, "keeper failed at this; its log says how"))
        except httptools.HttpParserError as error:
            if not self._over:
                self._end(refused(400, f"this is not HTTP as it should be: {error}"))
        coming = self._coming
        # The parser keeps a header until its end, be it in the head or behind chunks.
        if coming is not None and coming is before and coming.size == size:
            coming.fed += len(data)
            if coming.fed > MAX_HEAD and not self._over:
                self._end(refused(431, f"its headers are longer than {MAX_HEAD} bytes"))

    def eof_received(self) -> bool:
        """A client that has said all may still listen: it gets what it is owed."""
        self._over = True
        self._drop_body()
        return bool(self._row)

    def pause_writing(self) -> None:
        """It does not read its answers: neither do we read more of it."""
        self._full = True
        self.deadline = self._now() + self._limits.request_timeout
        self._pause()

    def resume_writing(self) -> None:
        self._full = False
        self._flush()

    def cut(self) -> None:
        """Its time is over."""
        if self._row and not self._full:
            return  # we owe it an answer; the queue says yes or no in bounded time
        if self._coming is not None and not self._over:
            self._end(refused(408, f"the request was not whole within {self._limits.request_timeout:g} s"))
        else:
            self._transport.abort()

    def leave(self) -> None:
        """The server ends: no further request; what is owed is answered."""
        self._over = True
        if not self._row:
            self._transport.close()
        else:
            self._row[-1].close = True

    # -- httptools -------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._coming = _Coming(Request(self._peer, began=self._now()))
        if not self._row:
            self.deadline = self._coming.request.began + self._limits.request_timeout

    def on_url(self, url: bytes) -> None:
        coming = self._coming
        if coming is None or self._over:
            return
        coming.request.target += url
        coming.head += len(url)
        if coming.head > MAX_HEAD:
            self._end(refused(431, f"its line is longer than {MAX_HEAD} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        coming = self._coming
        if coming is None or self._over:
            return
        coming.head += len(name) + len(value) + 4
        coming.count += 1
        if coming.head > MAX_HEAD or coming.count > MAX_HEADERS:
            self._end(refused(431, f"its headers are more than {MAX_HEADERS}, or longer than {MAX_HEAD} bytes"))
            return
        headers, name = coming.request.headers, name.lower()
        headers[name] = headers[name] + b", " + value if name in headers else value

    def on_headers_complete(self) -> None:
        coming = self._coming
        if coming is None or self._over:
            return
        request = coming.request
        request.method = self._parser.get_method()
        answer = self._host.admit(request)
        length = request.headers.get(b"content-length", b"")
        if answer is None and length.isdigit() and int(length) > self._limits.body:
            answer = refused(413, f"a body of {int(length)} bytes is too large; the most is {self._limits.body}")
        if answer is not None:
            # With a body on its way the connection is spoiled: reading it only to throw it away is what attackers want.
            if answer.close or (length not in (b"", b"0")) or b"transfer-encoding" in request.headers:
                self._end(answer)
            else:
                request.plan = answer
        elif request.headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        coming = self._coming
        if coming is None or self._over:
            return
        coming.size += len(body)
        if coming.size > self._limits.body:
            self._end(refused(413, f"the body is larger than {self._limits.body} bytes"))
        elif not self._host.reserve(len(body)):
            self._end(busy("too many bodies are being received"))
        else:
            self._reserved += len(body)
            if not coming.body:
                coming.body = body
            else:  # of many small pieces, each as an object would be many times their size
                if isinstance(coming.body, bytes):
                    coming.body = bytearray(coming.body)
                coming.body += body

    def on_message_complete(self) -> None:
        coming, self._coming = self._coming, None
        if coming is None or self._over:
            return
        request = coming.request
        request.body = bytes(coming.body)
        reserved, self._reserved = self._reserved, 0
        keep = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        old = keep and self._parser.get_http_version() == "1.0"
        slot = _Slot(request.method == b"HEAD", not keep, old)
        self._row.append(slot)
        if len(self._row) >= MAX_WAITING:
            self._pause()

        def reply(answer: Answer) -> None:
            if slot.answer is not None:
                return  # what failed had been answered
            self._host.release(reserved)
            slot.answer = answer
            self._flush()

        if isinstance(request.plan, Answer):
            reply(request.plan)
            return
        try:
            self._host.serve(request, reply)
        except Exception:  # the one boundary around a request: a bug costs one answer, and is told with its traceback
            log.exception("request=%r state=failed", request.target[:200])
            reply(refused(500, "keeper failed at this; its log says how", close=True))

    # -- answers ---------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Write every answer whose turn it is."""
        while not self._full and self._row and (answer := self._row[0].answer) is not None:
            slot = self._row.popleft()
            close = slot.close or answer.close
            self._host.answered(answer.status)
            if self._transport.is_closing():
                return
            connection = CLOSE if close else KEEP if slot.old else b""
            self._transport.write(written(answer, self._host.date, connection, head_only=slot.head_only))
            if close:
                self._shut()
                return
        if not self._row:
            if self._over:
                self._transport.close()
                return
            coming = self._coming
            if coming is None:
                self.deadline = self._now() + self._limits.idle_timeout
            else:
                self.deadline = coming.request.began + self._limits.request_timeout
        if self._paused and not self._full and len(self._row) < MAX_WAITING // 2:
            self._resume()

    def _end(self, answer: Answer | None) -> None:
        """Read nothing more. `answer` is the last one; None: the last that is owed is."""
        self._over = True
        self._drop_body()
        if answer is not None:
            self._row.append(_Slot(False, True, answer=answer))
        elif self._row:
            self._row[-1].close = True
        else:
            self._shut()
        self._flush()

    def _shut(self) -> None:
        """What was written goes out; what still comes is thrown away for a moment, or the kernel would answer it with a
        reset, which may overtake our answer."""
        self._over = True
        self._row.clear()
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self.deadline = self._now() + LINGER
            self._resume()
        else:
            self._transport.close()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            held, self._held = self._held, b""
            self._take_apart(held)
            if not self._paused:
                self._transport.resume_reading()

    def _drop_body(self) -> None:
        self._coming = None
        self._host.release(self._reserved)
        self._reserved = 0
