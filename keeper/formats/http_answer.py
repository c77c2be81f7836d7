"""An HTTP/1.1 answer read bit by bit. Pure: bytes in, the body's chunks out, as the server made them."""

from __future__ import annotations

from keeper.errors import SourceError

MAX_HEAD = 64 << 10  # bytes
MAX_CHUNK = 4 << 20  # bytes: the engine makes one chunk of each message, and a message has 16 KiB


class HttpAnswer:
    """`status` is 0 until the head has come; `ended` when the body was complete, not when the connection broke."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended = False
        self._rest = b""
        self._chunked = False
        self._left: int | None = None  # bytes of a body with a length; None: until the connection is closed

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, return the complete chunks of the body. Raises SourceError for what is not HTTP."""
        data = self._rest + data
        self._rest = b""
        if not self.status:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > MAX_HEAD:
                    raise SourceError("what answers there does not speak HTTP")
                self._rest = data
                return []
            self._head(data[:end])
            data = data[end + 4 :]
        if self.ended:
            return []
        return self._chunks(data) if self._chunked else self._plain(data)

    def closed(self) -> None:
        """The connection was closed: the end of a body that names no other."""
        if self.status and self._left is None and not self._chunked:
            self.ended = True

    def _head(self, head: bytes) -> None:
        first, *rest = head.decode("latin-1").split("\r\n")
        version, _, status = first.partition(" ")
        if not version.startswith("HTTP/1.") or not status[:3].isdigit():
            raise SourceError("what answers there does not speak HTTP")
        self.headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in rest)}
        self.status = int(status[:3])
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = self.headers.get("content-length", "")
        self._left = int(length) if length.isdigit() else None
        self.ended = self._left == 0 and not self._chunked

    def _plain(self, data: bytes) -> list[bytes]:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
            self.ended = not self._left
        return [data] if data else []

    def _chunks(self, data: bytes) -> list[bytes]:
        chunks: list[bytes] = []
        at = 0
        while True:
            line = data.find(b"\r\n", at, at + 1024)
            if line < 0:
                if len(data) - at >= 1024:
                    raise SourceError("the HTTP answer is garbled: a chunk without its size")
                break
            size = _size(data[at:line])
            if not size:
                self.ended = True
                return chunks
            start = line + 2
            if len(data) < start + size + 2:
                break
            chunks.append(data[start : start + size])
            at = start + size + 2
        self._rest = data[at:]
        return chunks


def _size(line: bytes) -> int:
    try:
        size = int(line.partition(b";")[0], 16)
    except ValueError:
        raise SourceError("the HTTP answer is garbled: a chunk without its size") from None
    if not 0 <= size <= MAX_CHUNK:
        raise SourceError(f"the HTTP answer has a chunk of {size} bytes")
    return size
