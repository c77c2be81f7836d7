"""The log collection server of before, reduced to its core: what `keeper receive` is measured against.

    python -m bench.seed_server PORT FOLDER

By HTTP, at any path: lines `PROD DATE DATA`; DATA is appended to FOLDER/PROD_DATE.dat under a file lock, written out
of the process, and then answered. As there, nothing is on disk by then, and who sends twice is stored twice. Names are
checked, and one process serves.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import re
import sys
from pathlib import Path
from typing import BinaryIO

from tornado.web import Application, RequestHandler

LINE = re.compile(rb"([A-Za-z0-9_.-]{1,64}) (\d{4}-\d\d-\d\d) (.*)")

log = logging.getLogger("seed")


class Lines(RequestHandler):
    def initialize(self, folder: Path, files: dict[bytes, BinaryIO]) -> None:
        self._folder = folder
        self._files = files

    def get(self) -> None:
        self._take()

    def post(self) -> None:
        self._take()

    def _take(self) -> None:
        for line in self.request.body.splitlines():
            match = LINE.fullmatch(line)
            if match is None:
                log.error("wrong line: %r", line[:200])
                continue
            self._append(match[1] + b"_" + match[2] + b".dat", match[3] + b"\n")
        self.write(b"ok")

    def _append(self, name: bytes, data: bytes) -> None:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = (self._folder / name.decode()).open("ab")
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            file.write(data)
            file.flush()
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


async def serve(port: int, folder: Path) -> None:
    files: dict[bytes, BinaryIO] = {}
    Application([("/.*", Lines, {"folder": folder, "files": files})]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.getLogger("tornado.access").setLevel(logging.ERROR)  # a line a request would make it slower by a quarter
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
