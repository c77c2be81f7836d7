"""What the Docker engine sends for a log, taken apart down to lines. Pure: bytes in, lines out.

Two shapes exist (moby, api/server/httputils/write_log_stream.go). Without a terminal every message is a frame: 8 bytes
of header (stream, three zeros, length) and a payload. With a terminal there is no header, and both streams are one.
With timestamps=1 every message begins with one. A message is not a line: the engine cuts at 16 KiB, even inside a
UTF-8 character, and repeats the timestamp of the first piece on every further one (measured on 20.10).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import NamedTuple, Protocol

from keeper.core.lines import MAX_LINE
from keeper.errors import SourceError

PIECE = 16 * 1024  # bytes: moby, daemon/logger/copier.go, defaultBufSize
MAX_FRAME = 2 << 20  # bytes: no driver buffers more than 1 MiB of a line
STDOUT, STDERR, ENGINE = 1, 2, 3

_HEADER = Struct(">B3sI")
# The `local` driver prints the engine's own time zone, json-file always Z (measured on 20.10).
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")
_LONGEST_STAMP = len("2026-11-21T07:04:49.604414134+09:00 ")


class EngineTrouble(SourceError):  # noqa: N818 - the trouble is the engine's
    """In place of a message the engine says that it cannot read its own log."""


class Line(NamedTuple):
    """One line with its newline and without the engine's timestamp, which is `ns` since the epoch. `cut` when it was
    longer than MAX_LINE and lost its tail, `joined` when it was made of several messages."""

    stream: int
    ns: int
    data: bytes
    cut: bool = False
    joined: bool = False


class Decoder(Protocol):
    """Turns the chunks of one answer into lines. `messages` counts what the engine sent, pieces of lines included."""

    messages: int

    def feed(self, chunks: list[bytes]) -> list[Line]:
        """Take chunks as HTTP delivered them. Raises SourceError for what the engine cannot have meant."""

    def unfinished(self) -> set[tuple[int, int]]:
        """Stream and time of the lines whose end has not come yet."""

    def end(self) -> list[Line]:
        """The container has ended: what is unfinished is a last line without its newline."""


class Stamps:
    """Reads timestamps; remembers the last second, as the lines of a busy log share it."""

    __slots__ = ("_ns", "_second", "_zone")

    def __init__(self) -> None:
        self._second = self._zone = b""
        self._ns = 0

    def ns(self, match: re.Match[bytes]) -> int:
        """Nanoseconds since the epoch. Raises SourceError for a date that does not exist."""
        second, fraction, zone = match.groups()
        if second != self._second or zone != self._zone:
            self._ns = _seconds(second.decode(), zone.decode()) * 1_000_000_000
            self._second, self._zone = second, zone
        return self._ns + int(fraction.ljust(9, b"0")) if fraction else self._ns


def _seconds(second: str, zone: str) -> int:
    try:
        date = datetime.fromisoformat(second).replace(tzinfo=UTC)
        if zone != "Z":
            ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
            date = date + ahead if zone[0] == "-" else date - ahead
        return int(date.timestamp())
    except (ValueError, OverflowError):
        raise SourceError(f"the engine sent a time that does not exist: {second}{zone}") from None


def moment(text: str) -> int:
    """A time as inspect prints it (`2026-11-20T22:04:14.50726475Z`) in ns since the epoch. Raises SourceError."""
    stamp = _STAMP.match(text.encode() + b" ")
    if stamp is None:
        raise SourceError(f"the engine said a time that is none: {text[:40]}")
    return Stamps().ns(stamp)


class _Unfinished:
    """A line whose end has not come. Once MAX_LINE is reached it is handed out, and the rest is passed over."""

    __slots__ = ("held", "last", "mark", "ns", "passing", "pieces")

    def __init__(self, ns: int, mark: bytes = b"") -> None:
        self.ns = ns
        self.mark = mark
        self.held = bytearray()
        self.last = 0  # bytes of the newest piece
        self.pieces = 0
        self.passing = False

    def goes_on(self, ns: int) -> bool:
        """Whether a message of that time is the next piece of this line. journald has microseconds and gives every
        piece a time of its own: there a full piece goes on."""
        return ns == self.ns or (self.last == PIECE and not ns % 1000 and not self.ns % 1000)

    def take(self, stream: int, data: bytes) -> list[Line]:
        self.last = len(data)
        self.pieces += 1
        if self.passing:
            return []
        self.held += data
        if len(self.held) <= MAX_LINE:
            return []
        self.passing = True
        held, self.held = bytes(self.held), bytearray()
        return [_line(stream, self.ns, held + b"\n", joined=True)]


class Frames:
    """The decoder of containers without a terminal. Each frame says its length, so that a short one without a newline
    is known to be the end of its line: the container ended, or the `local` driver forgot the newline (20.10 does for
    every line over 16 KiB)."""

    def __init__(self) -> None:
        self.messages = 0
        self._rest = b""
        self._stamps = Stamps()
        self._open: dict[int, _Unfinished] = {}

    def feed(self, chunks: list[bytes]) -> list[Line]:
        data = self._rest + b"".join(chunks)
        end, at = len(data), 0
        lines: list[Line] = []
        while end - at >= _HEADER.size:
            stream, zeros, size = _HEADER.unpack_from(data, at)
            if stream > ENGINE or zeros != b"\0\0\0" or size > MAX_FRAME:
                raise SourceError("the engine's log stream is not made of frames, though the container has no terminal")
            start = at + _HEADER.size
            if end - start < size:
                break
            at = start + size
            if stream == ENGINE:
                raise EngineTrouble(trouble(data[start:at]))
            stamp = _STAMP.match(data, start, at)
            if stamp is None:
                raise SourceError("the engine sent a message without the timestamp keeper asked for")
            self.messages += 1
            self._join(max(stream, STDOUT), self._stamps.ns(stamp), data[stamp.end() : at], lines)
        self._rest = data[at:]
        return lines

    def unfinished(self) -> set[tuple[int, int]]:
        return {(stream, line.ns) for stream, line in self._open.items() if not line.passing}

    def end(self) -> list[Line]:
        lines: list[Line] = []
        for stream in list(self._open):
            self._finish(stream, lines)
        return lines

    def _join(self, stream: int, ns: int, text: bytes, lines: list[Line]) -> None:
        line = self._open.get(stream)
        if line is not None and not line.goes_on(ns):
            self._finish(stream, lines)
            line = None
        complete = text.endswith(b"\n") or len(text) < PIECE
        if line is None:
            if complete and len(text) < MAX_LINE:
                lines.append(Line(stream, ns, text if text.endswith(b"\n") else text + b"\n"))
                return
            line = self._open[stream] = _Unfinished(ns)
        lines += line.take(stream, text)
        if complete:
            self._finish(stream, lines)

    def _finish(self, stream: int, lines: list[Line]) -> None:
        line = self._open.pop(stream)
        if not line.passing:
            data = bytes(line.held)
            data = data if data.endswith(b"\n") else data + b"\n"
            lines.append(_line(stream, line.ns, data, joined=line.pieces > 1))


class Terminal:
    """The decoder of containers with a terminal. The engine sends one HTTP chunk for every message; where a proxy made
    other chunks of them, lines and the repeated timestamp still tell messages apart."""

    def __init__(self) -> None:
        self.messages = 0
        self._rest = b""
        self._stamps = Stamps()
        self._line: _Unfinished | None = None

    def feed(self, chunks: list[bytes]) -> list[Line]:
        lines: list[Line] = []
        for chunk in chunks:
            text = self._rest + chunk
            self._rest = b""
            if self._line is not None:
                text = self._next_message(text, lines)
            self._lines(text, lines)
        return lines

    def unfinished(self) -> set[tuple[int, int]]:
        return {(STDOUT, self._line.ns)} if self._line is not None and not self._line.passing else set()

    def end(self) -> list[Line]:
        lines: list[Line] = []
        self._finish(lines)
        return lines

    def _next_message(self, text: bytes, lines: list[Line]) -> bytes:
        """At the start of a chunk, inside a line: the line's next piece, another message, or a cut made by a proxy."""
        stamp = _STAMP.match(text)
        if stamp is None or self._line is None:
            return text
        if self._line.goes_on(self._stamps.ns(stamp)):
            self.messages += 1
            return text[stamp.end() :]
        self._finish(lines)
        return text

    def _lines(self, text: bytes, lines: list[Line]) -> None:
        while text:
            if self._line is None:
                stamp = _STAMP.match(text)
                if stamp is None:
                    if len(text) < _LONGEST_STAMP and b"\n" not in text:
                        self._rest = text
                        return
                    raise EngineTrouble(trouble(text.split(b"\n", 1)[0]))
                self.messages += 1
                self._line = _Unfinished(self._stamps.ns(stamp), stamp.group())
                text = text[stamp.end() :]
            newline = text.find(b"\n") + 1
            lines += self._line.take(STDOUT, text[:newline] if newline else text)
            if not newline:
                return
            text = text[newline:]
            self._finish(lines)

    def _finish(self, lines: list[Line]) -> None:
        line, self._line = self._line, None
        if line is None or line.passing:
            return
        # The mark is a nanosecond of the past: nobody prints it but the engine, between the pieces.
        data = bytes(line.held).replace(line.mark, b"")
        data = data.removesuffix(b"\n").removesuffix(b"\r") + b"\n"
        lines.append(_line(STDOUT, line.ns, data, joined=line.pieces > 1))


def _line(stream: int, ns: int, data: bytes, *, joined: bool) -> Line:
    """`data` ends in a newline."""
    if len(data) <= MAX_LINE:
        return Line(stream, ns, data, cut=False, joined=joined)
    return Line(stream, ns, data[: MAX_LINE - 1] + b"\n", cut=True, joined=joined)


def trouble(text: bytes) -> str:
    """The engine's own complaint in place of a message, as a sentence."""
    said = text.decode(errors="replace").strip().removeprefix("Error grabbing logs: ")
    return f"the engine cannot read its own log: {said[:300]}"
