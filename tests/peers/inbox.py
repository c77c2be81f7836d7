"""A small real HTTP server that keeps every JSON body posted to it: the receiver at the end of Alertmanager's route."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Received(NamedTuple):
    """One posted body. `at` is on the monotonic clock, which all processes of a machine share."""

    at: float
    path: str
    body: Any


class Notified(NamedTuple):
    """One alert inside one of Alertmanager's notifications; `status` is `firing` or `resolved`."""

    at: float
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Inbox:
    """Listens on a loopback port from `start()` (or `with`) to `stop()`; safe to read from any thread."""

    def __init__(self) -> None:
        self._received: list[Received] = []
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        if self._server is None:
            raise AssertionError("the inbox is not open")
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def start(self) -> None:
        inbox = self

        class Post(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                inbox._keep(Received(time.monotonic(), self.path, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the test reads what was received."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Post)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="inbox", daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def received(self) -> list[Received]:
        """Everything so far, oldest first."""
        with self._changed:
            return list(self._received)

    def notified(self, **labels: str) -> list[Notified]:
        """The alerts of Alertmanager's notifications so far that carry these labels, oldest first."""
        return [
            Notified(letter.at, alert["status"], alert["labels"], alert["annotations"])
            for letter in self.received()
            for alert in letter.body["alerts"]
            if labels.items() <= alert["labels"].items()
        ]

    def clear(self) -> None:
        with self._changed:
            self._received.clear()

    def wait_for(self, enough: Callable[[Inbox], object], what: str, deadline: float = 20.0) -> None:
        """Wait until `enough(self)` is truthy, asked again at each arrival; AssertionError after `deadline` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: enough(self), deadline):
                raise AssertionError(f"waited {deadline:g} s for {what}; received {self._received[-5:]!r}")

    def _keep(self, letter: Received) -> None:
        with self._changed:
            self._received.append(letter)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
