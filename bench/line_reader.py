"""The obvious reader of what collectors print: a line at a time, with the same rules, the same checks and the same
dedup as keeper's, as a careful person would write it first. What keeper's is measured against."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

AHEAD = 3600.0
MAX_LINE = 1023
MAX_TAGS = 8
LINE = re.compile(r"^([-_./a-zA-Z0-9]+)\s+(\d+(?:\.\d+)?)\s+(\S+)((?:\s+[-_./a-zA-Z0-9]+=[-_./a-zA-Z0-9]+)*)$")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class Last(NamedTuple):
    value: float
    sent_at: int
    at: int
    held: str | None


class LineReader:
    """`feed` takes bytes and returns the lines that are to be sent."""

    def __init__(self, interval: float = 300.0) -> None:
        self.rejected = 0
        self.points = 0
        self._interval = round(interval * 1000)
        self._buffer = b""
        self._last: dict[tuple[str, tuple[str, ...]], Last] = {}

    def feed(self, data: bytes, now: float) -> list[str]:
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        sent: list[str] = []
        for raw in lines:
            self._line(raw, now, sent)
        return sent

    def _line(self, raw: bytes, now: float, sent: list[str]) -> None:
        try:
            line = raw.decode("ascii").strip()
        except UnicodeDecodeError:
            self.rejected += 1
            return
        match = LINE.match(line) if len(raw) <= MAX_LINE else None
        if match is None or not NUMBER.fullmatch(match[3]):
            self.rejected += 1
            return
        metric, time, text, tail = match.groups()
        tags = tuple(sorted(tail.split()))
        names = {tag.split("=")[0] for tag in tags}
        value = float(text)
        at = int(time) if len(time) > 11 and "." not in time else round(float(time) * 1000)
        last = self._last.get((metric, tags))
        if (
            len(names) < len(tags) or len(tags) > MAX_TAGS or math.isinf(value) or math.isnan(value)
            or at > (now + AHEAD) * 1000 or (last is not None and at <= last.at)
        ):  # fmt: skip
            self.rejected += 1
            return
        self.points += 1
        if last is not None and value == last.value and at - last.sent_at < self._interval:
            self._last[metric, tags] = Last(value, last.sent_at, at, line)
            return
        if last is not None and last.held is not None and value != last.value:
            sent.append(last.held)
        sent.append(line)
        self._last[metric, tags] = Last(value, at, at, None)
