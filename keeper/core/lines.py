"""Complete lines out of a stream of bytes, whatever the pieces it arrives in."""

from __future__ import annotations

MAX_LINE = 1 << 20  # bytes: a nodeos exception with its whole JSON context stays far below it


class LineSplitter:
    """Carries the unfinished end of one piece over to the next.

    Only `\\n` ends a line (Dawn prints a bare `\\r` inside one). A line longer than `max_line` bytes, its newline
    included, loses its tail and is counted in `cut`; so no more than `max_line` bytes are ever held.
    """

    __slots__ = ("_dropped", "_held", "_max_line", "cut")

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._held = bytearray()
        self._dropped = 0  # bytes of the unfinished line beyond max_line
        self.cut = 0

    @property
    def pending(self) -> int:
        """Bytes taken in and not handed out yet: reading must resume that far before the last byte fed."""
        return len(self._held) + self._dropped

    def feed(self, data: bytes) -> bytes:
        """Take any bytes, return the lines they complete: each ends in a newline, empty if none is complete."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._hold(data)
            return b""
        if self._held:
            # With bytes dropped the held ones fill max_line: joined to the newline alone they are cut below.
            start = data.index(b"\n") if self._dropped else 0
            lines = b"".join((self._held, memoryview(data)[start:end]))  # one copy
            self._held.clear()
            self._dropped = 0
        else:
            lines = data[:end]
        self._hold(data[end:])
        return lines if len(lines) <= self._max_line else self._cut_long(lines)

    def flush(self) -> bytes:
        """Return what is held as a last line with a newline added; empty if nothing is held."""
        if not self._held:
            return b""
        line = bytes(self._held) + b"\n"
        self._held.clear()
        self._dropped = 0
        return self._cut_long(line)

    def _hold(self, data: bytes) -> None:
        room = self._max_line - len(self._held)
        self._held += data[:room]
        self._dropped += max(0, len(data) - room)

    def _cut_long(self, lines: bytes) -> bytes:
        """Cut the lines that are too long. Looks at one place in every `max_line` bytes, not at every line."""
        kept: list[bytes] = []
        copied = start = 0
        while len(lines) - start > self._max_line:
            newline = lines.rfind(b"\n", start, start + self._max_line)
            if newline >= 0:
                start = newline + 1
                continue
            kept += (lines[copied : start + self._max_line - 1], b"\n")
            self.cut += 1
            copied = start = lines.index(b"\n", start) + 1
        if not kept:
            return lines
        kept.append(lines[copied:])
        return b"".join(kept)
