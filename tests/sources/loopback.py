"""A real TCP server on loopback that does to each connection what a test's function says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self


class Loopback:
    """Accepts connections and gives each, in a thread of its own, to `treat(connection, number)`, counting from 1.

    `stopping` is set when the test is over: what wants to wait waits on it. `requests` holds the heads that were read.
    """

    def __init__(
        self, treat: Callable[[Loopback, socket.socket, int], None], tls: Path | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.stopping = threading.Event()
        self.requests: list[str] = []
        self.connections = 0
        self._treat = treat
        self._host = f"[{host}]" if ":" in host else host
        self._tls: ssl.SSLContext | None = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(tls)
        self._listening = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    def url(self, path: str = "", credentials: str = "") -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{credentials}{self._host}:{self.port}{path}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open.copy():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive(), "the test's server hangs"

    def head(self, connection: socket.socket) -> str:
        """Read one request; empty when the client closed."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            piece = connection.recv(65_536)
            if not piece:
                return ""
            data += piece
        self.requests.append(data.decode("latin-1"))
        return self.requests[-1]

    def drip(self, connection: socket.socket, data: bytes, every: float) -> None:
        """Send a byte each `every` seconds until there are no more, the client leaves or the test is over."""
        for byte in data:
            connection.sendall(bytes((byte,)))
            if self.stopping.wait(every):
                return

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.settimeout(10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # the client may leave at any point
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            if not self.stopping.is_set():
                self._treat(self, connection, number)
        self._open.discard(connection)
        connection.close()


def answer(body: bytes | str, status: str = "200 OK", headers: str = "Content-Type: application/json\r\n") -> bytes:
    """A complete HTTP/1.1 answer that keeps the connection."""
    data = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n{headers}\r\n".encode() + data


def always(*answers: bytes) -> Callable[[Loopback, socket.socket, int], None]:
    """Answer the requests of every connection with these, the last again and again."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        for reply in repeat_last(answers):
            if not server.head(connection):
                return
            connection.sendall(reply)

    return treat


def repeat_last(answers: tuple[bytes, ...]) -> Iterator[bytes]:
    yield from answers
    while True:
        yield answers[-1]


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()
