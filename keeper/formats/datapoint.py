"""What a collector script prints: `metric timestamp value [tag=value ...]`, a line each. Bytes in, points out.

The protocol is tcollector's (see docs/collectors.md). A whole chunk of lines is searched at once; lines are looked at
one by one only where the search left some out, to say what is wrong with each.
"""

from __future__ import annotations

import re
from collections import Counter
from math import inf
from typing import NamedTuple

from keeper.core.point import Number, Point, Series, Tags

MAX_LINE = 1023  # bytes without the newline: OpenTSDB's own limit
MAX_SERIES = 1000
MAX_TAGS = 8  # OpenTSDB's default
AHEAD = 3600  # seconds a time may be ahead of the clock: once taken, it would make every right one after it too old
LONG = 1 << 63  # OpenTSDB keeps whole numbers in 64 bits; a larger one is sent as a floating point number
KEPT = 200  # bytes of a bad line that are shown
HEADS = 4  # ways in which a series may be written, with its tags in another order or with more blanks between them

# Every line begins with a newline here, which is quicker to find than the beginning of a line. What the pieces are made
# of is looked at when they are used for the first time; a time and a value must only be numbers in the end.
# It is text, a character a byte, as numbers are read from text twice as fast as from bytes.
_LINES = re.compile(r"\n(\S++)[ \t]++([0-9.]++)[ \t]++([-+.0-9eE]++)(.*+)", re.ASCII)
_BYTES = "latin-1"
_WORD = r"[-_./a-zA-Z0-9]+"
_METRIC = re.compile(_WORD)
_TIME = re.compile(r"[0-9]{1,16}|[0-9]{1,11}\.[0-9]{1,9}")
_TAG = re.compile(f"{_WORD}={_WORD}")
_TAGS = re.compile(rf"(?:[ \t]+{_TAG.pattern})*[ \t\r]*")

Whole = tuple[str, str, str, str]
"""The pieces of a line: metric, time, value, and the rest with its blanks."""

_point = tuple.__new__  # what makes a named tuple, at half the cost: it checks nothing

REASONS = (
    "line_too_long",
    "bad_bytes",
    "bad_metric",
    "bad_time",
    "old_time",
    "future_time",
    "bad_value",
    "bad_tag",
    "duplicate_tag",
    "too_many_tags",
    "too_many_series",
    "no_point",
)
"""Why a line is rejected, a word each."""


class Bad(NamedTuple):
    """A rejected line, as much of it as is kept, and a sentence about it."""

    reason: str
    line: str
    why: str


class _Known:
    """A series of this collector, the time of its newest point, and when that came."""

    __slots__ = ("at", "came", "series")

    def __init__(self, series: Series) -> None:
        self.series = series
        self.at = 0
        self.came = 0.0


class Datapoints:
    """The output of one collector. `lines` counts what it printed, `rejected` what was wrong with it, by reason; `bad`
    is the last of those. `more_tags` is how many tags are added to each point later.

    No more than MAX_LINE bytes of an unfinished line are ever held; a line that is longer is rejected once.
    """

    def __init__(self, max_series: int = MAX_SERIES, max_tags: int = MAX_TAGS, more_tags: int = 0) -> None:
        self.lines = 0
        self.points = 0
        self.rejected: Counter[str] = Counter()
        self.bad: Bad | None = None
        self.bound(max_series, max_tags, more_tags)
        self._heads: dict[tuple[str, str], _Known] = {}
        self._known: dict[tuple[str, Tags], _Known] = {}
        self._held = b""
        self._skipping = False

    def bound(self, max_series: int, max_tags: int, more_tags: int) -> None:
        """From now on; what is known already goes on."""
        self._max_series = max_series
        self._max_tags = max_tags - more_tags

    @property
    def series(self) -> int:
        return len(self._known)

    def feed(self, data: bytes, now: float) -> list[Point]:
        """The points of the lines that `data` completes. `now` is the wall clock in seconds. Takes any bytes."""
        end = data.rfind(b"\n") + 1
        if self._skipping:
            start = data.find(b"\n") + 1
            if not start:
                return []
            self._skipping = False
            data, end = data[start:], end - start
        if not end:
            self._hold(self._held + data)
            return []
        chunk = self._held + data[:end] if self._held else data[:end]
        self._held = b""
        self._hold(data[end:])
        return self._chunk(chunk, now)

    def flush(self, now: float) -> list[Point]:
        """The last line of a collector that ended without a newline."""
        held, self._held, self._skipping = self._held, b"", False
        return self._chunk(held + b"\n", now) if held else []

    def start_over(self) -> None:
        """Another process prints: what the one before left unfinished is no part of its lines."""
        if self._held:
            self.lines += 1
            self._reject("no_point", self._held, "its process ended in the middle of it")
        self._held, self._skipping = b"", False

    def evict(self, before: float) -> int:
        """Forget the series of which nothing has come since `before` (wall clock, seconds), whatever their own times
        are; how many they were."""
        gone = {key for key, known in self._known.items() if known.came < before}
        for key in gone:
            del self._known[key]
        if gone:
            self._heads = {
                head: known
                for head, known in self._heads.items()
                if (known.series.metric, known.series.tags) not in gone
            }
        return len(gone)

    def _hold(self, data: bytes) -> None:
        if len(data) <= MAX_LINE:
            self._held = data
            return
        self.lines += 1
        self._reject("line_too_long", data, f"more than {MAX_LINE} bytes")
        self._held, self._skipping = b"", True

    def _chunk(self, chunk: bytes, now: float) -> list[Point]:
        """Complete lines. Those that have the form are found all at once; what is left when they are taken away is
        looked at line by line."""
        count = chunk.count(b"\n")
        self.lines += count
        points: list[Point] = []
        text = chunk.decode(_BYTES)
        if _has_long(chunk):
            self._one_by_one(text.split("\n")[:-1], now, points)
            return points
        text = "\n" + text[:-1]
        found = _LINES.findall(text)
        if len(found) == count:
            self._take(found, now, points)
            return points
        rest = [line for line in _LINES.sub("", text).split("\n") if line]
        if any(_LINES.match("\n" + line.lstrip(" \t")) for line in rest):
            # Good lines that begin with a blank: the points of a series must be taken in their order.
            self._one_by_one(text.split("\n")[1:], now, points)
        else:
            self._take(found, now, points)
            self.lines -= count - len(found) - len(rest)  # empty lines are none
            self._one_by_one(rest, now, points)
        return points

    def _one_by_one(self, lines: list[str], now: float, points: list[Point]) -> None:
        for text in lines:
            if len(text) > MAX_LINE:
                self._reject("line_too_long", text.encode(_BYTES), f"{len(text)} bytes; {MAX_LINE} are the most")
            elif found := _LINES.findall("\n" + text.lstrip(" \t")):
                self._take(found, now, points)
            elif text.strip(" \t\r"):
                self._reject(*_what_is_wrong(text.encode(_BYTES)))
            else:
                self.lines -= 1

    def _take(self, found: list[Whole], now: float, points: list[Point]) -> None:
        known_by_head, add = self._heads.get, points.append
        latest = int((now + AHEAD) * 1000)
        before = len(points)
        time_before, at = "", 0
        for whole in found:
            metric, time, text, tags = whole
            known = known_by_head((metric, tags))
            if known is None and (known := self._meet(whole)) is None:
                continue
            try:
                value = float(text) if "." in text else int(text)
                if time != time_before:  # most lines of a round have the same
                    at = int(time) if len(time) > 11 else int(time) * 1000
                    time_before = time
            except ValueError:
                taken = self._read_slowly(whole)
                if taken is None:
                    continue
                at, value = taken
                time_before = ""
            if known.at < at <= latest and -LONG <= value < LONG:
                known.at, known.came = at, now
                add(_point(Point, (known.series, at, value)))
            elif (large := self._at_the_limits(whole, known, at, latest, value)) is not None:
                known.at, known.came = at, now
                add(Point(known.series, at, large))
        self.points += len(points) - before

    def _read_slowly(self, whole: Whole) -> tuple[int, Number] | None:
        """Time and value where one has a fraction or the other an exponent; None if one of them is no number."""
        _, time, text, _ = whole
        if not _TIME.fullmatch(time):
            self._reject("bad_time", _joined(whole), f"{time!r} is no time; write seconds or milliseconds")
            return None
        at = round(float(time) * 1000) if "." in time else int(time) * (1 if len(time) > 11 else 1000)
        try:
            return at, int(text) if text.lstrip("+-").isdigit() else float(text)
        except ValueError:
            self._reject("bad_value", _joined(whole), f"{text!r} is no decimal number")
            return None

    def _at_the_limits(self, whole: Whole, known: _Known, at: int, latest: int, value: Number) -> float | None:
        """The value of a point that is large but good; else None, and the line is rejected."""
        try:
            large = float(value)
        except OverflowError:
            large = inf
        if not -inf < large < inf:
            self._reject("bad_value", _joined(whole), "it is too large for a number")
        elif at == 0:
            self._reject("bad_time", _joined(whole), "its time is 0; write seconds or milliseconds since 1970")
        elif at <= known.at <= latest:  # else the clock was set back since, and that point had no right time
            self._reject("old_time", _joined(whole), f"its series has a point of {known.at / 1000:.3f} already")
        elif at > latest:
            self._reject("future_time", _joined(whole), f"its time is more than {AHEAD} s ahead of the clock")
        else:
            return large
        return None

    def _meet(self, whole: Whole) -> _Known | None:
        """A series, or a way to write one, that was not seen before; None when it cannot be taken."""
        metric, _, _, tags = whole
        if not _METRIC.fullmatch(metric) or not _TAGS.fullmatch(tags):
            self._reject(*_what_is_wrong(_joined(whole)))
            return None
        pairs = [word.partition("=") for word in tags.split()]
        names = [name for name, _, _ in pairs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            self._reject("duplicate_tag", _joined(whole), f"it has the tag {twice} twice")
            return None
        if len(names) > self._max_tags:
            why = f"{len(names)} tags; it may have {self._max_tags} of its own"
            self._reject("too_many_tags", _joined(whole), why)
            return None
        key = (metric, tuple(sorted((name, value) for name, _, value in pairs)))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= self._max_series:
                why = f"it has {self._max_series} series already, the most it may have"
                self._reject("too_many_series", _joined(whole), why)
                return None
            known = self._known[key] = _Known(Series(*key))
        if len(self._heads) < HEADS * self._max_series:
            self._heads[metric, tags] = known
        return known

    def _reject(self, reason: str, text: bytes, why: str) -> None:
        self.rejected[reason] += 1
        self.bad = Bad(reason, shown(text), why)


def _joined(whole: Whole) -> bytes:
    return (" ".join(whole[:3]) + whole[3]).encode(_BYTES)


def shown(text: bytes) -> str:
    """A line for a person: its beginning, and nothing in it that moves a cursor."""
    cut = text[:KEPT].decode("ascii", "backslashreplace")
    whole = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return whole + ("..." if len(text) > KEPT else "")


def _has_long(chunk: bytes) -> bool:
    """Whether a line is longer than MAX_LINE: looks at one place in every MAX_LINE bytes, not at every line."""
    end, last = 0, len(chunk)
    while end < last:
        here = chunk.rfind(b"\n", end, end + MAX_LINE + 1)
        if here < 0:
            return True
        end = here + 1
    return False


def _what_is_wrong(text: bytes) -> tuple[str, bytes, str]:
    """The reason, the line, and a sentence, of one that is no point."""
    if not text.isascii() or any(byte < 32 and byte not in b"\t\r" for byte in text):
        place = next(n for n, byte in enumerate(text) if byte > 126 or (byte < 32 and byte not in b"\t\r"))
        return "bad_bytes", text, f"byte {place + 1} is {text[place]:#04x}; only printable ASCII is allowed"
    words = text.decode().split()
    if len(words) < 3:
        return "no_point", text, "write: metric timestamp value tag=value ..."
    metric, time, value, *tags = words
    if not _METRIC.fullmatch(metric):
        return "bad_metric", text, f"{_quoted(metric)} is no name; letters, digits and -_./ are allowed"
    if not _TIME.fullmatch(time):
        return "bad_time", text, f"{_quoted(time)} is no time; write seconds or milliseconds since 1970"
    for tag in tags:
        if not _TAG.fullmatch(tag):
            return "bad_tag", text, f"{_quoted(tag)} is no tag; write name=value with letters, digits and -_./"
    return "bad_value", text, f"{_quoted(value)} is no finite decimal number"


def _quoted(word: str) -> str:
    return repr(shown(word.encode()))
