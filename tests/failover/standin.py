"""A process that stands for a node: it offers nodeos' producer API and signs "blocks" into a file while not paused.

    python standin.py PORT BLOCKS [paused] [deaf] [stubborn]

Each line of BLOCKS is the time (CLOCK_BOOTTIME) of a block, ten a second. `paused` starts paused; `deaf` answers no
order but lives on; `stubborn` says ok and does nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def serve(port: int, blocks: str, manners: list[str]) -> None:
    paused = threading.Event()
    if "paused" in manners:
        paused.set()

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if "deaf" in manners:
                time.sleep(3600)
            order = self.path.rpartition("/")[2]
            if order in ("pause", "resume") and "stubborn" not in manners:
                paused.set() if order == "pause" else paused.clear()
            body = str(paused.is_set()).lower().encode() if order == "paused" else b'{"result":"ok"}'
            self.send_response(201)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Path(blocks).open("a", buffering=1) as file:
        while True:
            if not paused.is_set():
                file.write(f"{time.clock_gettime(time.CLOCK_BOOTTIME)}\n")
            time.sleep(0.1)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
