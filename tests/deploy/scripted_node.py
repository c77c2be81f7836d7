"""A node that follows a script at live speed: writes a log as nodeos 4.1 does and answers its API."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from keeper.core.slots import CHAIN_EPOCH, SLOT_SECONDS, scheduled, slot_of, window_of

PRODUCERS = ("bpa", "bpb", "bpc")
OURS = "bpb"
MISSED = "bpc"  # leaves every sixth slot of its windows empty
PEERS = 3  # fewer than the five that peers_low expects
DELAY = 0.1  # seconds from a block's time to its line in the log


class Block(NamedTuple):
    number: int
    time: float
    producer: str


class ScriptedNode:
    """Three producers take turns; our own is signed here, one of the others misses slots. Starts with `with`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.first = slot_of(time.time())
        self._stop = threading.Event()
        node = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.do_GET()

            def do_GET(self) -> None:
                answer = node.answer(self.path)
                body = json.dumps({"code": 404, "message": "Not Found"} if answer is None else answer).encode()
                self.send_response(404 if answer is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(target=self._write, daemon=True),
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def head(self) -> Block:
        """The newest block now."""
        slot = slot_of(time.time() - DELAY)
        while self._empty(slot):
            slot -= 1
        return self._block(slot)

    def answer(self, path: str) -> object:
        """What the API says; None for a path it does not know."""
        head = self.head()
        answers: dict[str, object] = {
            "/v1/chain/get_info": {
                "server_version": "0",
                "chain_id": "c" * 64,
                "head_block_num": head.number,
                "head_block_id": _id(head.number),
                "head_block_time": _stamp(head.time),
                "head_block_producer": head.producer,
                "last_irreversible_block_num": head.number - 30,
                "last_irreversible_block_id": _id(head.number - 30),
                "server_version_string": "v4.1.0",
            },
            "/v1/producer/paused": False,
            "/v1/chain/get_producer_schedule": {
                "active": {"version": 1, "producers": [{"producer_name": name} for name in PRODUCERS]},
                "pending": None,
                "proposed": None,
            },
            "/v1/net/connections": [
                {"peer": f"p{n}", "connecting": False, "syncing": False, "last_handshake": {"network_version": 1206}}
                for n in range(PEERS)
            ],
        }
        return answers.get(path.split("?", maxsplit=1)[0])

    def _block(self, slot: int) -> Block:
        number = 1000 + sum(not self._empty(before) for before in range(self.first, slot))  # empty slots take none
        return Block(number, CHAIN_EPOCH + slot * SLOT_SECONDS, scheduled(window_of(slot), PRODUCERS))

    def _empty(self, slot: int) -> bool:
        return scheduled(window_of(slot), PRODUCERS) == MISSED and slot % 6 == 5

    def _write(self) -> None:
        slot = self.first
        with self.log.open("a", buffering=1) as log:
            while True:
                slot += 1
                block = self._block(slot)
                if self._stop.wait(max(block.time + DELAY - time.time(), 0)):
                    return
                if not self._empty(slot):
                    log.write(_line(block))

    def __enter__(self) -> Self:
        self.log.touch()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._threads[1].join(5)


def _id(number: int) -> str:
    """A block's id: it begins with the number, as all of them do."""
    return f"{number:08x}" + hashlib.sha256(str(number).encode()).hexdigest()[8:]


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{round(seconds * 1000) % 1000:03d}"


def _line(block: Block) -> str:
    said = f"info  {_stamp(block.time + DELAY)} nodeos    producer_plugin.cpp:"
    number, lib, at = block.number, block.number - 30, _stamp(block.time)
    if block.producer == OURS:
        return (
            f"{said}2881      produce_block        ] Produced block {_id(number)[8:24]}... #{number} 1 @ {at} "
            f"singer: {block.producer} [trxs: 0, lib: {lib}, confirmed: 0, net: 0, cpu: 100, elapsed: 82, time: 1551, "
            f"now: {_stamp(block.time - 0.05)}, transmit: 48 ms]\n"
        )
    return (
        f"{said}777       on_incoming_block    ] Received block {_id(number)[8:24]}... #{number} @ {at} signed by "
        f"{block.producer} [trxs: 0, lib: {lib}, confirmed: 0, net: 0, cpu: 100, elapsed: 18, time: 136, "
        f"latency: {round(DELAY * 1000)} ms]\n"
    )
