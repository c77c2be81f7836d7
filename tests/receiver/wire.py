"""HTTP by hand: a client that sends the bytes it was given, right or wrong, and says exactly what came back."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

PATIENCE = 15.0  # seconds for what must come


class Answer(NamedTuple):
    """Names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection. `source` is the address it comes from."""

    def __init__(self, address: str, source: str = "127.0.0.1", patience: float = PATIENCE) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), patience, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._patience = patience
        self._got = b""  # and not yet looked at

    def send(self, data: bytes) -> bool:
        """False when the other side does not want it any more."""
        self.socket.settimeout(self._patience)
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def answer(self) -> Answer | None:
        """The next answer; None when the connection ends instead. TimeoutError when nothing comes, ValueError when what
        comes is no whole answer."""
        end = time.monotonic() + self._patience
        while b"\r\n\r\n" not in self._got:
            if not self._receive(end):
                if self._got:
                    raise ValueError(f"no whole answer: {self._got!r}")
                return None
        head, _, self._got = self._got.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise ValueError(f"no answer: {first!r}")
        headers = {}
        for line in lines:
            name, colon, value = line.partition(": ")
            if not colon or not name.isascii():
                raise ValueError(f"no header: {line!r}")
            headers[name.lower()] = value
        length = 0 if status in ("100", "204", "304") else int(headers["content-length"])
        while len(self._got) < length:
            if not self._receive(end):
                raise ValueError(f"{len(self._got)} of {length} bytes of an answer")
        body, self._got = self._got[:length], self._got[length:]
        return Answer(int(status), headers, body)

    def line(self) -> bytes:
        """The next line of another protocol, without its end; empty when the connection ends instead."""
        end = time.monotonic() + self._patience
        while b"\n" not in self._got:
            if not self._receive(end):
                return b""
        line, _, self._got = self._got.partition(b"\n")
        return line

    def closed(self, within: float = PATIENCE) -> bool:
        """True as soon as the other side ends it; what it still says is thrown away."""
        end = time.monotonic() + within
        try:
            while self._receive(end):
                self._got = b""
        except TimeoutError:
            return False
        return True

    def _receive(self, end: float) -> bool:
        """Wait for more until then; False when the other side has ended it. Raises TimeoutError."""
        self.socket.settimeout(max(end - time.monotonic(), 0.001))
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self._got += data
        return bool(data)

    def finish(self) -> None:
        """Say that nothing more will be sent, and still listen."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def request(body: bytes = b"", *headers: str, method: str = "POST", path: str = "/") -> bytes:
    """A request as it should be, with `headers` such as `Content-Type: text/plain`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: keeper.example", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*pieces: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def ask(address: str, sent: bytes, patience: float = PATIENCE) -> Answer | None:
    """Send this over a connection of its own; the answer, None when there is none."""
    with Wire(address, patience=patience) as wire:
        wire.send(sent)
        return wire.answer()
