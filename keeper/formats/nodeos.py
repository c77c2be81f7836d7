"""nodeos logs of every generation, Dawn 2 to Spring 1.2, however they were wrapped on their way.

What may be believed. Peers, contracts and users get text of their own choice into these logs. The prefix counts only at
the beginning of a line, a message only from its first character, a peer's quoted name can hide nothing behind itself,
pieces of one json-file line stay one line, and everything between CONSOLE OUTPUT BEGIN and END is inert. Not defended,
because the bytes are the same: text with a newline in it that goes on with a complete fake line outside of such a
block, and a contract that prints the END line of its own block. Lines without a prefix make no block events, ever.

A line is *recognised* when its prefix was understood, when it goes on with such a line (at most CONTINUATION_LIMIT
lines, so that a format nobody knows is not mistaken for one endless exception), or when it is one of the few bare lines
nodeos and its surroundings are known to print. Whether the message means anything to keeper does not matter for that.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from keeper.core.batch import Parsed
from keeper.core.event import Event, LinesSeen
from keeper.formats.nodeos_faults import finish
from keeper.formats.nodeos_messages import reader_of
from keeper.formats.nodeos_prefix import (
    WRAPPERS_DEEP,
    HourClock,
    Memo,
    Prefix,
    minute,
    read_prefix,
    unwrap,
    without_control,
)
from keeper.formats.nodeos_skim import BLOCK_BYTES, PREFIXED, RUN, Skim
from keeper.formats.nodeos_text import ERROR_LEVELS, MAX_DETAIL, Held, Reader, block_time, latency_of, text_of

CONTINUATION_LIMIT = 50  # a Spring stack trace has about 10 lines, its JSON context is one
MARK_SECONDS = 5.0  # of lines without an event, until one says that there are lines
CONSOLE_LIMIT = 1 << 20  # bytes of console output after which a block without END is given up

_CONSOLE = b": CONSOLE OUTPUT BEGIN ="
_CONSOLE_BEGIN = re.compile(rb"(\[.{1,256}\]): CONSOLE OUTPUT BEGIN =+$")
_TERMINATE = b"terminate called "
_BARE = (b"APPBASE: Warning: ", _TERMINATE, b"error from daemon in stream: ")


class NodeosFormat:
    """Reads one node's log. Keeps an open exception, an open console block, the hour, and bounded memos of texts.

    `unrecognized` is shown every line that was not recognised, without its wrappers.
    """

    def __init__(self, unrecognized: Callable[[bytes], None] = lambda _line: None) -> None:
        self._unrecognized = unrecognized
        self._minutes = Memo(minute)
        self._skim = Skim(self._minutes)
        self._readers = Memo(_reader_of)
        self._hours = HourClock()
        self._held: Held | None = None
        self._detail: list[str] = []
        self._going_on = CONTINUATION_LIMIT  # continuation lines since the last prefix; at the limit none is taken
        self._console_end: bytes | None = None
        self._console_bytes = 0
        self._mid_line = False  # the last line was of json-file and not its line's end
        self._last_at: float | None = None  # of the last line that meant something
        self._alive_at: float | None = None  # of the last line an event tells of

    def parse(self, data: bytes, seen: float) -> Parsed:
        text = without_control(data)
        if self._console_end is not None or _CONSOLE in text:
            return self._carefully(text, seen)
        reading = _Reading(seen)
        for block in _blocks(text):
            try:
                reading.runs, rest = self._skim.blocks(block)
            except ValueError:
                self._lines(block, reading)
                continue
            self._take_run(reading)
            if rest:
                self._between(rest, reading)
                self._take_run(reading)
        return reading.parsed()

    def parse_carefully(self, data: bytes, seen: float) -> Parsed:
        """Give what `parse` gives, line by line: the definition, which the fast way is tested against."""
        return self._carefully(without_control(data), seen)

    def flush(self, seen: float) -> list[Event]:
        reading = _Reading(seen)
        self._close(reading)
        return reading.events

    def _carefully(self, text: bytes, seen: float) -> Parsed:
        reading = _Reading(seen)
        for block in _blocks(text):
            self._lines(block, reading)
        return reading.parsed()

    def _take_run(self, reading: _Reading) -> None:
        run = next(reading.runs)
        if run:
            self._close(reading)
            self._going_on = 0
            self._mid_line = False
            self._last_at = self._alive_at = run[-1].at
            reading.events += run
            reading.lines += len(run)
            reading.recognized += len(run)

    def _between(self, text: bytes, reading: _Reading) -> None:
        """Read prefixed lines in one go, other lines and what stands for a run of blocks one by one."""
        width = PREFIXED.groups + 1
        pieces = PREFIXED.split(text)
        try:
            deque(map(self._minutes.__getitem__, filter(None, pieces[3::width])), maxlen=0)  # only looks at them
        except ValueError:
            return self._lines(text, reading)
        if pieces[0]:
            self._lines(pieces[0], reading)
        rest = iter(pieces[1:])
        minutes, readers = self._minutes, self._readers
        chatter = 0
        for hour_ms, level, day, second, message, first, other, gap in zip(*[rest] * width, strict=True):
            reader = readers[first, other]
            if reader is not None or level in ERROR_LEVELS:
                at = minutes[day] + float(second) if day else self._date(int(hour_ms), message, reading)
                self._message(at, level or b"", message, reader, reading)
            else:  # what `_chatter` does of a line that opens no console block
                chatter += 1
                if self._held is not None:
                    self._close(reading)
                if day:
                    self._alive(minutes[day] + float(second), reading)
            if gap:
                self._going_on = 0
                self._mid_line = False
                self._lines(gap, reading)
        if len(pieces) > 1 and not gap:
            self._going_on = 0
            self._mid_line = False
        reading.lines += chatter
        reading.recognized += chatter
        return None

    def _lines(self, text: bytes, reading: _Reading) -> None:
        for line in text[1:].split(b"\n"):
            if line == RUN:
                self._take_run(reading)
            else:
                self._line(line, reading)

    def _line(self, line: bytes, reading: _Reading) -> None:
        line, prefix = self._unwrapped(line)
        if self._console_end is not None:
            self._in_console(line, reading)
        elif prefix is None:
            self._goes_on(line, reading)
        else:
            message = prefix.message
            words = [*message.split(b" ", 2), b""]
            reader = reader_of(words[0], words[1])
            if reader is not None or prefix.level in ERROR_LEVELS:
                at = self._date(prefix.hour_ms, message, reading) if prefix.at is None else prefix.at
                self._message(at, prefix.level, message, reader, reading)
            else:
                self._chatter(message, reading)
                if prefix.at is not None:
                    self._alive(prefix.at, reading)

    def _unwrapped(self, line: bytes) -> tuple[bytes, Prefix | None]:
        """Return the line without its wrappers and, unless it is a piece from the middle of a line, its prefix."""
        goes_on, self._mid_line = self._mid_line, False
        piece = False
        for _ in range(WRAPPERS_DEEP):
            prefix = None if piece else read_prefix(line, self._minutes)
            inner = None if prefix else unwrap(line)
            if inner is None:
                return line, prefix
            line = inner.line
            if inner.ended is not None:
                piece = piece or goes_on
                self._mid_line = not inner.ended
        return line, None if piece else read_prefix(line, self._minutes)

    def _chatter(self, message: bytes, reading: _Reading) -> None:
        """Read a prefixed line that says nothing of interest."""
        if self._held is not None:
            self._close(reading)
        self._going_on = 0
        reading.lines += 1
        reading.recognized += 1
        if _CONSOLE in message:
            self._open_console(message)

    def _alive(self, at: float, reading: _Reading) -> None:
        """Mark that lines were written though none made an event, so that a replay does not take chatter for silence.

        The marks count no lines: who reads the log live counts them by their arrival. Before the first event there is
        nothing to be silent after.
        """
        if self._alive_at is not None and at - self._alive_at >= MARK_SECONDS:
            self._alive_at = at
            reading.events.append(LinesSeen(at, 0, 0))

    def _message(self, at: float, level: bytes, message: bytes, reader: Reader | None, reading: _Reading) -> None:
        """Read a prefixed line that may be an event or, because of its level, the first of several lines."""
        self._chatter(message, reading)
        self._last_at = self._alive_at = at
        outcome = reader(at, message) if reader else None
        if outcome is None and level in ERROR_LEVELS:
            outcome = Held(at, None, None, message, False)
        if isinstance(outcome, Held):
            self._held = outcome
        elif outcome is not None:
            reading.events.append(outcome)

    def _goes_on(self, line: bytes, reading: _Reading) -> None:
        """Read a line without a prefix."""
        reading.lines += 1
        if line.startswith(_BARE):
            self._close(reading)
            self._going_on = 0
            if line.startswith(_TERMINATE):
                at = reading.seen if self._last_at is None else self._last_at
                self._held = Held(at, None, None, line, True)
        elif self._going_on >= CONTINUATION_LIMIT:
            self._unrecognized(line)
            return
        else:
            self._going_on += 1
            self._open_console(line)
            if self._held is not None and self._console_end is None and len(self._detail) < MAX_DETAIL and line.strip():
                self._detail.append(text_of(line))
        reading.recognized += 1

    def _open_console(self, line: bytes) -> None:
        begin = _CONSOLE_BEGIN.match(line)
        if begin is not None:
            self._console_end = begin[1] + b": CONSOLE OUTPUT END "
            self._console_bytes = 0

    def _in_console(self, line: bytes, reading: _Reading) -> None:
        reading.lines += 1
        reading.recognized += 1
        self._console_bytes += len(line) + 1
        if (self._console_end and line.startswith(self._console_end)) or self._console_bytes > CONSOLE_LIMIT:
            self._console_end = None

    def _date(self, hour_ms: int, message: bytes, reading: _Reading) -> float:
        slot = block_time(message)
        near = None if slot is None else slot + (latency_of(message) or 0.0)
        return self._hours.date(hour_ms, reading.seen, near)

    def _close(self, reading: _Reading) -> None:
        held = self._held
        if held is not None:
            if held.certain or self._detail:
                reading.events.append(finish(held, tuple(self._detail)))
                self._detail.clear()
            self._held = None


def _reader_of(words: tuple[bytes, bytes | None]) -> Reader | None:
    return reader_of(words[0], words[1] or b"")


class _Reading:
    """What one call has read so far."""

    __slots__ = ("events", "lines", "recognized", "runs", "seen")

    def __init__(self, seen: float) -> None:
        self.seen = seen
        self.events: list[Event] = []
        self.lines = 0
        self.recognized = 0
        self.runs: Iterator[Sequence[Event]] = iter(())

    def parsed(self) -> Parsed:
        return Parsed(self.events, self.lines, self.recognized, self.lines - self.recognized)


def _blocks(text: bytes) -> Iterator[bytes]:
    """Cut into pieces of about BLOCK_BYTES in which each line is *preceded* by a newline."""
    last = len(text) - text.endswith(b"\n")
    end = -1
    while end < last and text:
        start = end
        end = text.find(b"\n", start + BLOCK_BYTES, last)
        if end < 0:
            end = last
        yield text[start:end] if start >= 0 else b"\n" + text[:end]
