"""The HTTP side: page, status, metrics, health. Reads finished values only; a slow client costs one of four threads."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from waitress.server import create_server

from keeper.errors import KeeperError
from keeper.page import render

StartResponse = Callable[[str, list[tuple[str, str]]], object]

_HEADERS = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
]


class Pages:
    """A WSGI application. `status` gives the newest status value; `late` says why the loop is late and `ready` why
    keeper is not ready yet, None when all is well."""

    def __init__(
        self,
        registry: CollectorRegistry,
        status: Callable[[], dict[str, Any]],
        late: Callable[[], str | None],
        ready: Callable[[], str | None],
    ) -> None:
        self._registry = registry
        self._status = status
        self._late = late
        self._ready = ready

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        code, kind, body = self.answer(environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", ""), environ)
        start_response(code, [("Content-Type", kind), ("Content-Length", str(len(body))), *_HEADERS])
        return [body] if environ.get("REQUEST_METHOD") != "HEAD" else []

    def answer(self, method: str, path: str, environ: dict[str, Any]) -> tuple[str, str, bytes]:
        if method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", "text/plain", b"keeper only answers GET\n"
        routes: dict[str, Callable[[], tuple[str, str, bytes]]] = {
            "/": self._page,
            "/metrics": lambda: self._metrics(environ.get("HTTP_ACCEPT", "")),
            "/api/v1/status": lambda: ("200 OK", "application/json", json.dumps(self._status()).encode()),
            "/-/healthy": lambda: self._judged(self._late(), b"healthy\n"),
            "/-/ready": lambda: self._judged(self._ready(), b"ready\n"),
        }
        if path not in routes:
            return "404 Not Found", "text/plain", f"known are {' '.join(routes)}\n".encode()
        return routes[path]()

    def _page(self) -> tuple[str, str, bytes]:
        return "200 OK", "text/html; charset=utf-8", render(self._status()).encode()

    def _metrics(self, accept: str) -> tuple[str, str, bytes]:
        encoder, kind = choose_encoder(accept)
        body: bytes = encoder(self._registry)
        return "200 OK", kind, body

    def _judged(self, trouble: str | None, well: bytes) -> tuple[str, str, bytes]:
        if trouble:
            return "503 Service Unavailable", "text/plain; charset=utf-8", f"{trouble}\n".encode()
        return "200 OK", "text/plain", well


class Server:
    """Listens at once (so that a taken port is known before anything starts) and serves when run."""

    def __init__(self, listen: str, pages: Pages) -> None:
        host, _, port = listen.rpartition(":")
        self._closed = False
        try:
            self._server = create_server(
                pages,
                host=host.strip("[]"),
                port=int(port),
                threads=4,
                asyncore_use_poll=True,  # select() knows no file descriptor above 1023
                connection_limit=64,
                channel_timeout=30,
                max_request_body_size=4096,
                max_request_header_size=16384,
                ident="keeper",
                clear_untrusted_proxy_headers=True,
            )
        except OSError as error:
            raise KeeperError(
                f"cannot listen on {listen}: {error.strerror}; another keeper may be running, "
                "or set another [keeper] listen"
            ) from error

    @property
    def address(self) -> str:
        """Where it really listens, for a configured port of 0."""
        sock: socket.socket = self._server.socket
        host, port = sock.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def run(self) -> None:
        try:
            self._server.run()
        except OSError:
            if not self._closed:  # its sockets are closed from another thread, in the middle of whatever it does
                raise

    def close(self) -> None:
        self._closed = True
        self._server.close()
