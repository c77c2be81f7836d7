"""What stands before a nodeos message: the wrappers of other programs, the level, the time and the source columns.

Three generations of prefix (fc's console appender):

    2131500ms thread-0   producer_plugin.cpp:239   block_production_loo ] message   Dawn 2 to 1.0.10: ms of the UTC hour
    2018-09-08T06:48:34.516 thread-0   producer_plugin.cpp:330   on_incoming_block ] message    1.1 to 1.3
    info  2024-09-27T03:44:56.027 nodeos    controller.cpp:3637   log_applied ] message         1.4 to Spring 1.2

The thread may be blank, columns may have collapsed. Nothing is read out of thread, file, line and method: they change
at nearly every release.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from math import floor
from typing import NamedTuple, TypeVar

# Every quantifier is bounded and PREFIX_BYTES limits what is looked at: a hostile line costs no more than its length.
PREFIX_BYTES = 1024
# What stands between the time and the `]`.
COLUMNS = rb" {1,64}(?:\S{1,64} {1,64})?[\w./-]{1,128}:\d{1,9} {1,64}\S{1,64} {1,64}"
# Groups: milliseconds of the hour, level, day and minute, seconds.
PREFIX = (
    rb" {0,8}(?:(\d{1,7})ms|(?:(info|warn|error|debug) {1,8})?(\d{4}-\d\d-\d\dT\d\d:\d\d):([0-5]\d\.\d{3}))"
    + COLUMNS
    + rb"\](?: {1,8}|$)"
)

_PREFIX = re.compile(PREFIX)
_ANSI = re.compile(rb"\x1b\[[0-9;]{0,16}[A-Za-z]")
_WRAPPER = re.compile(
    b"|".join(
        (
            rb"<[0-7]>",  # systemd's level, which journald eats
            # journald's short form, where the host may be empty; syslog
            rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:[^\s:\[]{1,255} | )?[^\s:\[]{1,64}(?:\[\d{1,10}\])?: ",
            # docker logs -t; with host, identifier and process journalctl -o short-iso and rsyslog's own default
            rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d) "
            rb"(?:[^\s:\[]{1,255} [^\s:\[]{1,64}\[\d{1,10}\]: )?",
            rb"\d{1,4}\|[\w.-]{1,64} {1,64}\| ",  # pm2
            rb"[\w./-]{1,64} {1,64}\| ",  # docker compose
            rb"[\w./-]{1,200}\.(?:txt|log|err|out):",  # grep
            rb"\xe2\x94\x82 ?",  # the border of a tmux pane
        )
    )
)
_BORDER = b"\xe2\x94\x82"
_JSON_FILE = re.compile(rb'\{"log": ?("[^"\\]*+(?:\\.[^"\\]*+)*+")')
MEMO_SIZE = 4096
WRAPPERS_DEEP = 4  # journald around compose around <6> is three


class Prefix(NamedTuple):
    """A line's own prefix. `at` is None where the clock had no date: `hour_ms` are milliseconds of some UTC hour.

    `level` is empty before 1.4, `message` are the bytes after the columns.
    """

    at: float | None
    hour_ms: int
    level: bytes
    message: bytes


class Unwrapped(NamedTuple):
    """A line without what other programs put around it. `ended` is None unless the wrapper tells whether the line ends
    with it: json-file cuts lines at 16 KiB, and its next entry goes on."""

    line: bytes
    ended: bool | None


K = TypeVar("K")
V = TypeVar("V")


class Memo(dict[K, V]):
    """Remembers what a text was converted to; forgets everything at MEMO_SIZE entries, so that nobody can make it grow.

    The conversion raises ValueError on what it does not take.
    """

    __slots__ = ("_convert",)

    def __init__(self, convert: Callable[[K], V]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, text: K) -> V:
        value = self._convert(text)
        if len(self) >= MEMO_SIZE:
            self.clear()
        self[text] = value
        return value


_MINUTE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d")
_SECONDS = re.compile(rb"[0-5]\d(?:\.\d{1,9})?")


def minute(text: bytes) -> float:
    """Convert `2026-11-20T20:19` (UTC) to epoch seconds."""
    if not _MINUTE.fullmatch(text):
        raise ValueError(f"not a minute: {text!r}")
    return datetime.fromisoformat(text.decode("ascii") + "+00:00").timestamp()


def seconds(text: bytes) -> float:
    """Convert `04.740` to seconds."""
    if not _SECONDS.fullmatch(text):
        raise ValueError(f"not seconds: {text!r}")
    return float(text)


def without_control(data: bytes) -> bytes:
    """Take out what never means anything: colours, `\\r` and the NULs a truncated file leaves. Newlines stay."""
    if b"\x1b" in data:
        data = _ANSI.sub(b"", data)
    if b"\r" in data or b"\0" in data:
        data = data.translate(None, b"\r\0")
    return data


def read_prefix(line: bytes, minutes: Memo[bytes, float]) -> Prefix | None:
    """Read the prefix of an unwrapped line, None if there is none or its time is impossible."""
    found = _PREFIX.match(line, 0, PREFIX_BYTES)
    if found is None:
        return None
    hour_ms, level, day_minute, second = found.groups()
    message = line[found.end() :]
    if hour_ms is not None:
        return Prefix(None, int(hour_ms), b"", message)
    try:
        at = minutes[day_minute] + float(second)
    except ValueError:
        return None
    return tuple.__new__(Prefix, (at, 0, level or b"", message))  # a third of what Prefix(...) costs


def unwrap(line: bytes) -> Unwrapped | None:
    """Strip one wrapper from the beginning of a line, None if it has none."""
    if line.startswith(b'{"log":'):
        found = _JSON_FILE.match(line)
        if found is None:
            return None
        try:
            text = json.loads(found[1].decode("utf-8", "replace"), strict=False)
        except ValueError:
            return None
        inner = without_control(str(text).encode("utf-8", "replace"))
        return Unwrapped(inner.rstrip(b"\n"), inner.endswith(b"\n"))
    found = _WRAPPER.match(line, 0, PREFIX_BYTES)
    if found is None:
        return None
    rest = line[found.end() :]
    if found[0].startswith(_BORDER):
        rest = rest.rstrip(b" ").removesuffix(_BORDER).rstrip(b" ")
    return Unwrapped(rest, None)


class HourClock:
    """Finds the date of clocks that print only the milliseconds of the UTC hour (Dawn 2 to 1.0.10).

    A block's own time in such a line names the hour. From then on lines are dated by how far the log lay behind the
    time of arrival then. Before the first such line the newest hour counts that is not more than FUTURE ahead of the
    arrival.
    """

    __slots__ = ("_offset",)
    FUTURE = 300.0  # seconds a node's clock may be ahead of ours
    # A live block is logged within 10 ms of its slot by its producer and within a second or two by the others; while
    # syncing old blocks come at any time, and 5 s of an hour are hit by one in 700 of them.
    NEAR = 5.0

    def __init__(self) -> None:
        self._offset: float | None = None

    def date(self, hour_ms: int, seen: float, logged_near: float | None) -> float:
        """Return epoch seconds. `logged_near` is the time the line's own content names, if it names one."""
        if logged_near is not None:
            at = _nearest(hour_ms, logged_near)
            if abs(at - logged_near) <= self.NEAR:
                self._offset = at - seen
                return at
        if self._offset is not None:
            return _nearest(hour_ms, seen + self._offset)
        latest = seen + self.FUTURE
        at = floor(latest / 3600) * 3600 + hour_ms / 1000
        return at if at <= latest else at - 3600


def _nearest(hour_ms: int, time: float) -> float:
    at = floor(time / 3600) * 3600 + hour_ms / 1000
    if at - time > 1800:
        return at - 3600
    if time - at > 1800:
        return at + 3600
    return at
