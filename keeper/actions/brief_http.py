"""One small HTTP/1.1 question to a server on this host, over TCP or a Unix socket, on a connection of its own.

For what has to act when little is left, time or memory: it imports next to nothing (`requests` takes 0.1 s and 18 MB),
and every single step is bounded by one deadline.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, NamedTuple

from keeper.errors import KeeperError, SourceError
from keeper.formats.http_answer import HttpAnswer

if TYPE_CHECKING:  # it imports all kinds of events
    from keeper.core.source import Now

MAX_BYTES = 262_144  # of an answer, head and all


class Absent(KeeperError):  # noqa: N818  # it is an answer, and reads as one where it is caught
    """Nobody listens at the address: the connection was refused. No process has the port, or the socket, open."""


class Address(NamedTuple):
    """`host` is empty for a Unix socket at `path`; `shown` is how a person wrote it."""

    host: str
    port: int
    path: str
    shown: str


class Reply(NamedTuple):
    status: int
    body: bytes


def read_address(text: str) -> Address:
    """`http://HOST[:PORT]` or `unix:/path/of/socket`. Raises ValueError with the sentence for it."""
    if text.startswith("unix:"):
        path = "/" + text.removeprefix("unix:").lstrip("/")
        return Address("", 0, path, f"unix:{path}")
    match = re.fullmatch(r"(?:http|tcp)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?/?", text)
    if not match:
        raise ValueError(
            f"{text!r} is not an address on this host: write http://127.0.0.1:PORT or unix:/path/of/socket"
        )
    return Address(match[1].strip("[]"), int(match[2] or 80), "", text.rstrip("/"))


def resolved(address: Address) -> Address:
    """The same address by number: looking a name up is the one step that cannot be bounded. Raises OSError."""
    if not address.host:
        return address
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return address._replace(host=str(found[0][4][0]))


def ask(address: Address, method: str, path: str, until: float, now: Now, body: bytes = b"") -> Reply:
    """Ask once; an answer comes, or an exception, at `until`.

    Raises Absent when nobody listens, SourceError for everything else that is no answer.
    """
    exchange = _Exchange(until, now)
    try:
        with exchange.connect(address) as connection:
            head = f"{method} {path} HTTP/1.1\r\nHost: {_host(address)}\r\nUser-Agent: keeper\r\nConnection: close\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.settimeout(exchange.left())
            connection.sendall(head.encode("latin-1") + body)
            return exchange.read(connection)
    except TimeoutError:
        raise SourceError("no complete answer in time") from None
    except ConnectionResetError:
        raise SourceError("reset the connection") from None
    except OSError as error:
        raise SourceError((error.strerror or type(error).__name__).lower()) from error


class _Exchange:
    def __init__(self, until: float, now: Now) -> None:
        self._until = until
        self._now = now

    def left(self) -> float:
        """More than 0. Raises TimeoutError after the deadline."""
        left = self._until - self._now()
        if left <= 0:
            raise TimeoutError
        return left

    def connect(self, address: Address) -> socket.socket:
        family = socket.AF_UNIX if not address.host else socket.AF_INET6 if ":" in address.host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.left())
            connection.connect((address.host, address.port) if address.host else address.path)
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            raise Absent(f"nobody listens at {address.shown}") from None
        except BaseException:
            connection.close()
            raise
        return connection

    def read(self, connection: socket.socket) -> Reply:
        answer, pieces, size = HttpAnswer(), [], 0
        while not answer.ended:
            connection.settimeout(self.left())
            data = connection.recv(65_536)
            if not data:
                answer.closed()
                break
            size += len(data)
            if size > MAX_BYTES:
                raise SourceError(f"the answer is larger than {MAX_BYTES:,} bytes")
            pieces += answer.feed(data)
        if not answer.ended:
            what = "in the middle of the answer" if answer.status else "without an answer"
            raise SourceError(f"closed the connection {what}")
        return Reply(answer.status, b"".join(pieces))


def _host(address: Address) -> str:
    if not address.host:
        return "localhost"
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
