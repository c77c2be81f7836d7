"""One packet, one POST, one answer: bounded in time and size, and exact about whether the server can have the packet.

That is why it is not built on `requests`, whose errors do not tell whether the request had left the house.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from keeper import __version__
from keeper.core.options import shown_url
from keeper.core.source import Now
from keeper.delivery.outcome import TIMED_OUT, Outcome, Reply, Result, judge
from keeper.delivery.wire import Wire
from keeper.errors import KeeperError, SourceError
from keeper.notifiers.post import basic, bearer
from keeper.sources.http_budget import Budget, BudgetedResponse
from keeper.sources.http_reason import reason, timed_out

MAX_ANSWER = 65_536  # bytes of headers, and of a body: nothing in it is needed
WIRE_BYTES_PER_BYTE = 6  # as in http_get


class Line:
    """A connection to the server that is kept for the next packet. For one thread. Nothing is taken from the
    environment, no redirect is followed, and nothing is ever sent twice by itself."""

    def __init__(
        self,
        url: str,
        wire: Wire,
        now: Now,
        *,
        connect_timeout: float,
        request_timeout: float,
        ca_file: str = "",
        token: str = "",
    ) -> None:
        scheme, network, path, query, _ = urlsplit(url)
        login, _, host = network.rpartition("@")
        self._target = urlunsplit(("", "", path or "/", query, ""))
        self._wire = wire
        self._now = now
        self._connect_timeout = connect_timeout
        self._request_timeout = request_timeout
        self._budget = Budget(now)
        self._headers = {
            "User-Agent": f"keeper/{__version__}",
            "Content-Type": wire.kind,
            "Accept": wire.kind,
            "Accept-Encoding": "identity",
        }
        if login:
            user, _, password = login.partition(":")
            self._headers["Authorization"] = basic(unquote(user), unquote(password))
        elif token:
            self._headers["Authorization"] = bearer(token)
        self._connection = _connection(scheme, host, ca_file)
        self._connection.response_class = partial(_Response, self._budget)  # type: ignore[assignment]  # http.client only calls it

    def send(self, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send one packet and say what became of it. Takes no longer than both timeouts together, but for looking the
        host's name up."""
        if failed := self._connect():
            return failed
        whole = False
        try:
            self._budget.begin(self._request_timeout, MAX_ANSWER)
            self._socket_timeout(self._request_timeout)
            with suppress(BrokenPipeError, ConnectionResetError):
                # A server may refuse a packet before it has read it all: its answer is read all the same.
                self._connection.request("POST", self._target, body, {**self._headers, **headers})
                whole = True
            reply = self._answer()
        except (SourceError, http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            if isinstance(error, SourceError):
                why = str(error)
            else:
                why = str(self._budget.too_late()) if timed_out(error) else reason(error)
            if whole:
                return Outcome(Result.UNKNOWN, TIMED_OUT, why)
            return Outcome(Result.FAILED, TIMED_OUT, f"{why}, before it had the whole packet")
        if not whole:
            self.close()
            if reply.status == 200:
                return Outcome(Result.UNKNOWN, 200, "answered 200 before it had the whole packet")
        return judge(reply, self._wire.doubt(reply) if reply.status == 200 else "")

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> Outcome | None:
        """None when there is a connection; else why not: then nothing was sent."""
        sock = self._connection.sock
        if sock is not None:
            if not select.select([sock], [], [], 0)[0]:
                return None
            self.close()  # the server has closed it, or speaks out of turn
        try:
            self._connection.timeout = self._connect_timeout
            self._connection.connect()
        except (OSError, ValueError) as error:
            self.close()
            late = f"no connection within {self._connect_timeout:g} s"
            return Outcome(Result.FAILED, TIMED_OUT, late if timed_out(error) else reason(error))
        return None

    def _answer(self) -> Reply:
        """The answer. One of status 200 is read to its end, or raises; of any other the status stands, whatever becomes
        of the body."""
        response = self._connection.getresponse()
        self._budget.allow(WIRE_BYTES_PER_BYTE * MAX_ANSWER)
        body = b""
        try:
            body = response.read(MAX_ANSWER)
            if len(body) < MAX_ANSWER and response.length:
                raise http.client.IncompleteRead(body, response.length)
        except (SourceError, http.client.HTTPException, OSError):
            if response.status == 200:
                raise
            self.close()
        if response.will_close or not response.isclosed():
            self.close()
        headers = response.headers
        location = shown_url(headers.get("Location", ""))[:200]
        retry_after = self._retry_after(headers.get("Retry-After", ""), headers.get("Date", ""))
        return Reply(response.status, body, headers.get("Content-Type", ""), location, retry_after)

    def _socket_timeout(self, seconds: float) -> None:
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)

    def _retry_after(self, asked: str, date: str) -> float | None:
        """Seconds, or a date on the server's clock."""
        if asked.isascii() and asked.isdigit():
            return float(asked[:9])
        with suppress(ValueError, TypeError):
            there = parsedate_to_datetime(date).timestamp() if date else self._now()
            return max(0.0, parsedate_to_datetime(asked).timestamp() - there)
        return None


class _Response(BudgetedResponse):
    """An answer whose head must be whole: http.client takes the end of the connection for the end of the headers."""

    def __init__(self, budget: Budget, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(budget, sock, *args, **kwargs)
        self._lines = _Lines(self.fp.detach())
        self.fp = self._lines

    def begin(self) -> None:
        super().begin()
        if self._lines.last not in (b"\r\n", b"\n"):
            raise http.client.IncompleteRead(self._lines.last)


class _Lines(io.BufferedReader):
    """Remembers the last line that was read as one: of a head that is the empty line behind it."""

    last = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        self.last = super().readline(size)
        return self.last


def _connection(scheme: str, host: str, ca_file: str) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host)
    try:
        return http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=ca_file or None))
    except OSError as error:
        raise KeeperError(f"the trusted certificates in {ca_file} cannot be read: {error.strerror}") from error
