"""nodeos logs of every generation, Dawn 2 to Spring 1.2, however they were wrapped on their way.

What may be believed. Peers, contracts and users get text of their own choice into these logs. The prefix counts only at
the beginning of a line, a message only from its first character, a peer's quoted name can hide nothing behind itself,
pieces of one json-file line stay one line, and everything between CONSOLE OUTPUT BEGIN and END is inert. Not defended,
because the bytes are the same: text with a newline in it that goes on with a complete fake line outside of such a block,
and a contract that prints the END line of its own block. Lines without a prefix make no block events, ever.

A line is *recognised* when its prefix was understood, when it goes on with such a line (at most CONTINUATION_LIMIT
lines, so that a format nobody knows is not mistaken for one endless exception), or when it is one of the few bare lines
nodeos and its surroundings are known to print. Whether the message means anything to keeper does not matter for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import repeat
from operator import add
from typing import NamedTuple

from keeper.core.batch import Parsed
from keeper.core.event import BlockProduced, BlockReceived, Event
from keeper.formats.nodeos_messages import (
    ERROR_LEVELS,
    MAX_DETAIL,
    MAX_TEXT,
    Held,
    block_time,
    finish,
    latency_of,
    read_message,
    reader_of,
    text_of,
)
from keeper.formats.nodeos_prefix import (
    COLUMNS,
    PREFIX,
    WRAPPERS_DEEP,
    HourClock,
    Memo,
    minute,
    read_prefix,
    seconds,
    unwrap,
    without_control,
)

CONTINUATION_LIMIT = 50  # a Spring stack trace has about 10 lines, its JSON context is one
BLOCK_BYTES = 1 << 16  # of a chunk at a time: what the patterns cut out then stays in the processor's cache (15 % faster)
CONSOLE_LIMIT = 1 << 20  # bytes of console output after which a block without END is given up

_CONSOLE = b": CONSOLE OUTPUT BEGIN ="
_CONSOLE_BEGIN = re.compile(rb"(\[.{1,256}\]): CONSOLE OUTPUT BEGIN =+$")
_BARE = (b"APPBASE: Warning: ", b"terminate called ", b"error from daemon in stream: ")
_TERMINATE = b"terminate called "

# The frequent, unwrapped shapes of 1.4 on, over many lines at once. The columns are checked afterwards, once each.
# They may only match what the careful way reads alike.
_BLOCK_FACTS = rb" ([\w.-]{1,64}) \[trxs: (\d{1,15}), lib: (\d{1,15}),"
_RECEIVED = re.compile(
    rb"\ninfo  (.{16}):([0-5]\d\.\d{3})([^]]{1,512})\] Received block ([0-9a-f]{8,16})\.\.\. #(\d{1,15}) @ (.{16}):(.{6})"
    rb" signed by" + _BLOCK_FACTS + rb"[^\n]* latency: (-?\d{1,15}) ms\]$",
    re.MULTILINE,
)
_PRODUCED = re.compile(
    rb"\ninfo  (.{16}):([0-5]\d\.\d{3})([^]]{1,512})\] Produced block ([0-9a-f]{8,16})\.\.\. #(\d{1,15})(?: \d{1,15})? @ "
    rb"(.{16}):(.{6}) (?:signed by|singer:)" + _BLOCK_FACTS + rb"[^\n]*",
)
# Any prefixed line: the groups of PREFIX, the message and its first two words.
_PREFIXED = re.compile(rb"\n" + PREFIX + rb"(([^ \n]*)(?: ([^ \n]*))?[^\n]*)", re.MULTILINE)
_COLUMNS = re.compile(COLUMNS)


def _check_columns(text: bytes) -> float:
    if not _COLUMNS.fullmatch(text):
        raise ValueError(f"not the columns of a log line: {text!r}")
    return 0.0


class _Shape(NamedTuple):
    """One frequent line: words to look for, its pattern, and what makes events of `pattern.split` pieces.

    `events` raises ValueError where a time is impossible or the columns are none.
    """

    words: bytes
    pattern: re.Pattern[bytes]
    events: Callable[[list[bytes]], list[Event]]


class _Count:
    """How many lines were read, and how many of them recognised."""

    __slots__ = ("lines", "recognized")

    def __init__(self) -> None:
        self.lines = 0
        self.recognized = 0


class NodeosFormat:
    """Reads one node's log. Keeps an open exception, an open console block, the hour, and bounded memos of texts."""

    def __init__(self) -> None:
        self._minutes = Memo(minute)
        self._seconds = Memo(seconds)
        self._numbers = Memo(int)
        self._latencies = Memo(lambda text: int(text) / 1000)
        self._columns = Memo(_check_columns)
        self._names = _Names()
        self._hours = HourClock()
        self._shapes = (_Shape(b"] Received block ", _RECEIVED, self._received), _Shape(b"] Produced block ", _PRODUCED, self._produced))
        self._held: Held | None = None
        self._detail: list[str] = []
        self._going_on = CONTINUATION_LIMIT  # continuation lines since the last prefix; at the limit none is taken
        self._console_end: bytes | None = None
        self._console_bytes = 0
        self._mid_line = False
        self._last_at: float | None = None

    def parse(self, data: bytes, seen: float) -> Parsed:
        return self._parsed(data, seen, careful=False)

    def parse_carefully(self, data: bytes, seen: float) -> Parsed:
        """Give what `parse` gives, line by line: the definition, which the fast way is tested against."""
        return self._parsed(data, seen, careful=True)

    def flush(self, seen: float) -> list[Event]:
        events: list[Event] = []
        self._close(events)
        return events

    def _parsed(self, data: bytes, seen: float, *, careful: bool) -> Parsed:
        if not data:
            return Parsed([], 0, 0, 0)
        text = b"\n" + without_control(data).removesuffix(b"\n")
        events: list[Event] = []
        count = _Count()
        if careful or self._console_end is not None or self._mid_line or _CONSOLE in text:
            self._lines(text, seen, events, count)
        else:
            start = 0
            while start < len(text):
                end = text.find(b"\n", start + BLOCK_BYTES)
                block = text[start : end if end >= 0 else len(text)]
                self._skim(block, seen, self._shapes, events, count)
                start += len(block)
        return Parsed(events, count.lines, count.recognized, count.lines - count.recognized)

    # Everything below takes lines each *preceded* by a newline.

    def _skim(
        self, text: bytes, seen: float, shapes: tuple[_Shape, ...], events: list[Event], count: _Count
    ) -> None:
        """Take the lines of the first shape out of the text, the others by the other shapes, in their order."""
        if not shapes:
            return self._prefixed_lines(text, seen, events, count)
        shape, others = shapes[0], shapes[1:]
        if shape.words not in text:
            return self._skim(text, seen, others, events, count)
        pieces = shape.pattern.split(text)
        try:
            found = shape.events(pieces)
        except ValueError:
            return self._lines(text, seen, events, count)
        taken = 0
        for index, gap in enumerate(pieces[:: shape.pattern.groups + 1]):
            if gap:
                self._take(found[taken:index], events, count)
                taken = index
                self._skim(gap, seen, others, events, count)
        return self._take(found[taken:], events, count)

    def _take(self, found: list[Event], events: list[Event], count: _Count) -> None:
        if found:
            self._close(events)
            events += found
            self._going_on = 0
            self._last_at = found[-1].at
            count.lines += len(found)
            count.recognized += len(found)

    def _received(self, pieces: list[bytes]) -> list[Event]:
        width = _RECEIVED.groups + 1
        minutes = self._minutes.__getitem__
        numbers = self._numbers.__getitem__
        for _ in map(self._columns.__getitem__, pieces[3::width]):
            pass
        # Column by column: the loops run in C, an event costs what its tuple costs.
        return list(
            map(
                tuple.__new__,
                repeat(BlockReceived),
                zip(
                    map(add, map(minutes, pieces[1::width]), map(float, pieces[2::width])),
                    map(int, pieces[5::width]),
                    map(bytes.decode, pieces[4::width]),
                    map(add, map(minutes, pieces[6::width]), map(self._seconds.__getitem__, pieces[7::width])),
                    map(self._names.__getitem__, pieces[8::width]),
                    map(numbers, pieces[10::width]),
                    map(numbers, pieces[9::width]),
                    map(self._latencies.__getitem__, pieces[11::width]),
                ),
            )
        )

    def _produced(self, pieces: list[bytes]) -> list[Event]:
        width = _PRODUCED.groups + 1
        minutes = self._minutes.__getitem__
        numbers = self._numbers.__getitem__
        for _ in map(self._columns.__getitem__, pieces[3::width]):
            pass
        return list(
            map(
                tuple.__new__,
                repeat(BlockProduced),
                zip(
                    map(add, map(minutes, pieces[1::width]), map(float, pieces[2::width])),
                    map(int, pieces[5::width]),
                    map(bytes.decode, pieces[4::width]),
                    map(add, map(minutes, pieces[6::width]), map(self._seconds.__getitem__, pieces[7::width])),
                    map(self._names.__getitem__, pieces[8::width]),
                    map(numbers, pieces[10::width]),
                    map(numbers, pieces[9::width]),
                ),
            )
        )

    def _prefixed_lines(self, text: bytes, seen: float, events: list[Event], count: _Count) -> None:
        width = _PREFIXED.groups + 1
        pieces = _PREFIXED.split(text)
        minutes = self._minutes
        try:
            for _ in map(minutes.__getitem__, filter(None, pieces[3::width])):
                pass
        except ValueError:
            return self._lines(text, seen, events, count)
        if pieces[0]:
            self._lines(pieces[0], seen, events, count)
        rest = iter(pieces[1:])
        for hour_ms, level, day, second, message, first, other, gap in zip(*[rest] * width, strict=True):
            count.lines += 1
            count.recognized += 1
            if hour_ms is None:
                at = minutes[day] + float(second)
            else:
                at = self._date(int(hour_ms), seen, message)
            self._message(at, level or b"", message, first, other or b"", events)
            if gap:
                self._lines(gap, seen, events, count)
        return None

    def _lines(self, text: bytes, seen: float, events: list[Event], count: _Count) -> None:
        lines = text[1:].split(b"\n")
        count.lines += len(lines)
        count.recognized += sum([self._line(line, seen, events) for line in lines])

    def _line(self, line: bytes, seen: float, events: list[Event]) -> bool:
        """Read one line without its newline; True if it was recognised."""
        prefix = None if self._mid_line else read_prefix(line, self._minutes)
        wrapped = 0
        was_mid_line = self._mid_line
        while prefix is None and wrapped < WRAPPERS_DEEP:
            inner = unwrap(line)
            if inner is None:
                break
            line = inner.line
            self._mid_line = not inner.ended
            wrapped += 1
            prefix = None if was_mid_line else read_prefix(line, self._minutes)
        if was_mid_line and not wrapped:
            self._mid_line = False
        if self._console_end is not None:
            self._in_console(line)
            return True
        if prefix is None:
            return self._goes_on(line, seen, events)
        at = prefix.at
        if prefix.hour_ms is not None:
            at = self._date(prefix.hour_ms, seen, prefix.message)
        assert at is not None  # noqa: S101 - a prefix has one of its two times
        words = prefix.message.split(b" ", 2)
        self._message(at, prefix.level, prefix.message, words[0], words[1] if len(words) > 1 else b"", events)
        return True

    def _message(
        self, at: float, level: bytes, message: bytes, first: bytes, second: bytes, events: list[Event]
    ) -> None:
        if self._held is not None:
            self._close(events)
        self._going_on = 0
        self._last_at = at
        reader = reader_of(first, second)
        if reader is None and level not in ERROR_LEVELS:
            if _CONSOLE in message:
                self._open_console(message)
            return
        outcome = read_message(at, level, message, reader)
        if isinstance(outcome, Held):
            self._held = outcome
        elif outcome is not None:
            events.append(outcome)

    def _goes_on(self, line: bytes, seen: float, events: list[Event]) -> bool:
        if line.startswith(_BARE):
            self._close(events)
            self._going_on = 0
            if line.startswith(_TERMINATE):
                self._held = Held(self._last_at if self._last_at is not None else seen, None, None, text_of(line), True)
            return True
        if self._going_on >= CONTINUATION_LIMIT:
            return False
        self._going_on += 1
        if self._open_console(line):
            return True
        if self._held is not None and len(self._detail) < MAX_DETAIL and line.strip():
            self._detail.append(line[:MAX_TEXT].decode("utf-8", "replace"))
        return True

    def _open_console(self, line: bytes) -> bool:
        begin = _CONSOLE_BEGIN.match(line)
        if begin is None:
            return False
        self._console_end = begin[1] + b": CONSOLE OUTPUT END "
        self._console_bytes = 0
        return True

    def _in_console(self, line: bytes) -> None:
        self._console_bytes += len(line) + 1
        if (self._console_end and line.startswith(self._console_end)) or self._console_bytes > CONSOLE_LIMIT:
            self._console_end = None

    def _date(self, hour_ms: int, seen: float, message: bytes) -> float:
        slot = block_time(message)
        near = None if slot is None else slot + (latency_of(message) or 0.0)
        return self._hours.date(hour_ms, seen, near)

    def _close(self, events: list[Event]) -> None:
        if self._held is not None:
            event = finish(self._held, tuple(self._detail))
            if event is not None:
                events.append(event)
            self._held = None
            self._detail.clear()


class _Names(dict[bytes, str]):
    """Producer names, each kept once. Forgets everything at 4096 names, so nobody can make it grow."""

    __slots__ = ()

    def __missing__(self, name: bytes) -> str:
        if len(self) >= 4096:
            self.clear()
        text = self[name] = name.decode()
        return text
