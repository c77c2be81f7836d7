"""The HTTP side: page, status, metrics, health. Reads finished values only; a slow client costs one of four threads."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from waitress.server import create_server

from keeper.errors import KeeperError

StartResponse = Callable[[str, list[tuple[str, str]]], object]

_HEADERS = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
]


class Answer(NamedTuple):
    """What a page answers: a status line's code and words, the content's type, the content."""

    status: str
    kind: str
    body: bytes


Environ = dict[str, Any]
Route = Callable[[Environ], Answer]


class Pages:
    """A WSGI application: a page a path, to be read only."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = routes

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        status, kind, body = self.answer(environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", ""), environ)
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *_HEADERS])
        return [body] if environ.get("REQUEST_METHOD") != "HEAD" else []

    def answer(self, method: str, path: str, environ: Environ) -> Answer:
        if method not in ("GET", "HEAD"):
            return Answer("405 Method Not Allowed", "text/plain", b"keeper only answers GET\n")
        if path not in self._routes:
            return Answer("404 Not Found", "text/plain", f"known are {' '.join(self._routes)}\n".encode())
        return self._routes[path](environ)


def routes_of(
    registry: CollectorRegistry,
    status: Callable[[], dict[str, Any]],
    render: Callable[[dict[str, Any]], str],
    late: Callable[[], str | None],
    ready: Callable[[], str | None],
) -> dict[str, Route]:
    """What every keeper that runs shows of itself. `status` gives the newest status value, `render` makes a page of it;
    `late` says why its loop is late and `ready` why it is not ready yet, None when all is well."""
    return {
        "/": lambda _: page(render(status())),
        "/metrics": lambda environ: metrics(registry, environ.get("HTTP_ACCEPT", "")),
        "/api/v1/status": lambda _: Answer("200 OK", "application/json", json.dumps(status()).encode()),
        "/-/healthy": lambda _: judged(late(), b"healthy\n"),
        "/-/ready": lambda _: judged(ready(), b"ready\n"),
    }


def page(text: str) -> Answer:
    return Answer("200 OK", "text/html; charset=utf-8", text.encode("utf-8", "backslashreplace"))


def metrics(registry: CollectorRegistry, accept: str) -> Answer:
    encoder, kind = choose_encoder(accept)
    body: bytes = encoder(registry)
    return Answer("200 OK", kind, body)


def judged(trouble: str | None, well: bytes) -> Answer:
    """503 with what is wrong, if anything is."""
    if trouble:
        return Answer("503 Service Unavailable", "text/plain; charset=utf-8", f"{trouble}\n".encode())
    return Answer("200 OK", "text/plain", well)


class Server:
    """Listens at once (so that a taken port is known before anything starts) and serves when run. `option` is where
    the address is configured."""

    def __init__(self, listen: str, pages: Pages, option: str = "[keeper] listen") -> None:
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
                f"cannot listen on {listen}: {error.strerror}; another keeper may be running, or set another {option}"
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
