"""A real HTTP server on loopback that takes notices, or behaves as badly as receivers do."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Request(NamedTuple):
    """One POST. `at` is on the monotonic clock; `connection` is the port it came from."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """How to answer. `manner` is `whole`, `hang` (say nothing), `close` (hang up without a word), `drip_headers` or
    `drip_body` (a byte every 20 ms, without end), `last` (whole, then close the connection)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    manner: str = "whole"


Script = Callable[[Request], Answer]


class Receiver:
    """Listens from `with` on; `script` may be changed at any time. The certificate files make it speak TLS."""

    def __init__(
        self, script: Script = lambda _: Answer(), certificate: tuple[str, str] | None = None, port: int = 0
    ) -> None:
        self.script = script
        self._certificate = certificate
        self._port = port
        self._received: list[Request] = []
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}"

    def received(self) -> list[Request]:
        with self._changed:
            return list(self._received)

    def wait_for(self, enough: Callable[[list[Request]], object], what: str, deadline: float = 20.0) -> list[Request]:
        """Wait until `enough(received)`; AssertionError after `deadline` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: enough(self._received), deadline):
                raise AssertionError(f"waited {deadline:g} s for {what}; received {self._received[-3:]!r}")
            return list(self._received)

    def wait_count(self, count: int) -> list[Request]:
        return self.wait_for(lambda received: len(received) >= count, f"{count} POSTs")

    def _keep(self, request: Request) -> None:
        with self._changed:
            self._received.append(request)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) < length:  # the sender was killed in the middle of it
                    self.close_connection = True
                    return
                request = Request(time.monotonic(), self.path, dict(self.headers), body, self.client_address[1])
                receiver._keep(request)
                self._answer(receiver.script(request))

            def _answer(self, answer: Answer) -> None:
                if answer.manner in ("hang", "close"):
                    if answer.manner == "hang":
                        receiver._over.wait()
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.manner == "drip_headers":
                    self.flush_headers()
                    self._drip()
                    return
                if answer.manner == "drip_body":
                    self.send_header("Content-Length", "1000000")
                    self.end_headers()
                    self._drip()
                    return
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection = answer.manner == "last"

            def _drip(self) -> None:
                self.close_connection = True
                while not receiver._over.wait(0.02):
                    self.wfile.write(b"x")
                    self.wfile.flush()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the test reads what was received."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that went away is what the test is about."""

        self._server = Server(("127.0.0.1", self._port), Handler)
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="receiver", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
