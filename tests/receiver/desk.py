"""A small real receiver on loopback: packets into a real store, `/v1/confirmed` answered from it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keeper.receiver.confirm import answer, question_of_body, question_of_query
from keeper.receiver.inputs.input import Input
from keeper.receiver.packet import Malformed, id_of, packet_of
from keeper.receiver.stores.sqlite import open_reader, open_store
from keeper.receiver.stores.store import StoreError


class Desk:
    """Of one `source`. `complete` and `status` are of the answers to questions; `asked` are their paths, bodies and
    headers."""

    def __init__(self, store: Path, inputs: Mapping[str, Input], source: str = "stats") -> None:
        self.complete = True
        self.status = 200
        self.asked: list[tuple[str, bytes, dict[str, str]]] = []
        self._store = store
        self._inputs = inputs
        self._source = source
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def rows(self) -> list[tuple[int | None, str]]:
        """The id and the fields of every event in the store."""
        reader = open_reader(self._store)
        try:
            return [(row.id, row.fields) for row in reader.rows(0, 1e12)]
        finally:
            reader.close()

    def take(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Store what a request brings."""
        key = headers.get("Idempotency-Key")
        read = self._inputs[headers["Content-Type"]].read(body, time.time())
        with self._lock:  # as one worker
            store = open_store(self._store)
            id = None if key is None else id_of(key)
            store.store([packet_of(one, self._source, id, time.time()) for one in read.packets])
            store.close()

    def answer(self, path: str, body: bytes | None) -> tuple[int, bytes]:
        try:
            question = question_of_query(path.partition("?")[2]) if body is None else question_of_body(body)
            reader = open_reader(self._store)
            try:
                return 200, answer(question, question.source or self._source, reader, complete=self.complete)
            finally:
                reader.close()
        except Malformed as error:
            return 400, json.dumps({"error": str(error)}).encode()
        except StoreError as error:
            return 503, json.dumps({"error": str(error)}).encode()

    def __enter__(self) -> Self:
        desk = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._confirmed(None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.startswith("/v1/confirmed"):
                    self._confirmed(body)
                else:
                    desk.take(body, dict(self.headers))
                    self._reply(200, b'{"ok": 1}')

            def _confirmed(self, body: bytes | None) -> None:
                desk.asked.append((self.path, body or b"", dict(self.headers)))
                if desk.status == 200:
                    self._reply(*desk.answer(self.path, body))
                else:
                    self._reply(desk.status, b'{"error": "not now"}')

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
