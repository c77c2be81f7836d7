"""The statistics agent's log: which packets it sent, and how each was answered.

    [2015-01-23 15:47:58,123 INFO] sendThrift LIST: key='LoginUsers', data=[LoginInfo(...), ...], packet_id=862
    [2015-01-23 15:47:58,155 INFO] onSendThriftHttpResponse: key='LoginUsers', packet_id=862, response=HTTPResponse(...)

A line counts only if it can have been written so: a send is whole to its end, the code of an answer stands outside
every string and bracket. Users' text inside a line, and a line cut by a crash with the next one glued to it, are told
apart by reading such lines as a whole. Everything else passes by at the speed of `bytes.find`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from keeper.core.batch import Parsed
from keeper.core.event import Event, PacketAnswered, PacketSent
from keeper.formats.local_time import LocalTime, naive_ms
from keeper.formats.pyrepr import NotAValue, parse
from keeper.formats.repr_shape import count

# What keeper looks for, for people whose log looks different.
SHAPES = (
    "[2015-01-23 15:47:58,123 INFO] sendThrift LIST: key='TYPE', data=[...], packet_id=862",
    "[2015-01-23 15:47:58,123 INFO] onSendThriftHttpResponse: key='TYPE', packet_id=862, response=HTTPResponse(...)",
)

MOST_SAID = 200  # characters of an error
MOST_DIGITS = 18  # of a packet id: what is longer fits into no 64 bits
MOST_LOOKED = 64 << 20  # bytes gone through in search of a record that begins inside one line

ACCEPTED = 200

_SEND = b"] sendThrift LIST: key"
_ANSWER = b"] onSendThriftHttpResponse: key="
_PREFIX = rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) [A-Z]{1,8}\] "
_KEY = rb"u?'([^'\\\n]*+)'"
_PREFIXED = re.compile(_PREFIX)
_SENT = re.compile(_PREFIX + rb"sendThrift LIST: key(?:=" + _KEY + rb", data=| " + _KEY + rb",? data )(?=\[)")
_ID = re.compile(rb"(\d{1,18})L?\r?")
_ANSWERED = re.compile(
    _PREFIX + rb"onSendThriftHttpResponse: key=" + _KEY + rb", packet_id=(\d{1,18})L?, response="
    # The code where the two kinds of Tornado print it; anything else is gone through bracket by bracket.
    rb"(?:HTTPResponse(\()(?:(?:_body=None,_error_is_response_code=(?:True|False),buffer=(?:None|<[^<>'\"\n]*>),)?"
    rb"code=(\d{1,4})[,)])?|(None)(?![^\r\n]))"
)
_TOKEN = re.compile(
    rb"'(?:[^'\\\n]++|\\[^\n])*+'|\"(?:[^\"\\\n]++|\\[^\n])*+\"|<[^<>'\"\n]*>|([(\[{])|([)\]}])|(['\"\n])"
    rb"|(?<=[,(]) ?(code(?==(\d{1,4})[,)])|request_time(?==(\d{1,9}(?:\.\d{1,30}+)?(?:e-\d\d)?)[,)])|error(?==))="
)
# What Tornado prints of an error: HTTPError('HTTP 599: Timeout',), HTTPTimeoutError("Timeout while connecting")
_ERROR = re.compile(rb"[A-Za-z_.]{1,64}\((?:u?'([^'\n]{1,400})'|u?\"([^\"\n]{1,400})\")")
_WHAT: tuple[tuple[bytes, Literal["send", "answer"]], ...] = (
    (b"sendThrift LIST: key", "send"),
    (b"onSendThriftHttpResponse: key=", "answer"),
)
_ADD = b"] to add: "
_ADDED = re.compile(_PREFIX + rb"to add: (?:key " + _KEY + rb", args (\{[^\n]*\})\r?$)?")


class Sent(NamedTuple):
    """A packet on its way. `at` is milliseconds of the local clock since 1970; `id` None with the oldest agents.
    The text of its list is `data[start:end]` of the chunk; `events` is how many values that holds."""

    at: int
    id: int | None
    key: bytes
    start: int
    end: int
    events: int


class Answered(NamedTuple):
    """The answer to a packet. `code` is None where the agent logged none. Its fields begin at `start`."""

    at: int
    id: int
    key: bytes
    code: int | None
    start: int


class Broken(NamedTuple):
    """A line that began as one of the two and cannot be read. `at` is None where its time is what is broken."""

    at: int | None
    start: int
    what: Literal["send", "answer"]


Record: TypeAlias = Sent | Answered | Broken


class Added(NamedTuple):
    """An event that a service handed to the agent; `data[start:end]` is the repr of a dict. Broken where `key` is."""

    at: int
    key: bytes | None
    start: int
    end: int


def records(data: bytes) -> list[Record]:
    """Find all sends and answers of a chunk of complete lines, in order. Never raises on any bytes."""
    found: list[Record] = []
    find, size = data.find, len(data)
    send, answer = _next(data, _SEND, 0), _next(data, _ANSWER, 0)
    while True:
        hit = send if send < answer else answer
        if hit == size:
            return found
        end = find(b"\n", hit)
        if end < 0:
            end = size
        record: Record | None
        if hit == send:
            send = find(_SEND, hit + 1)
            if send < 0:
                send = size
            record = _sent(data, hit, end)
        else:
            answer = find(_ANSWER, hit + 1)
            if answer < 0:
                answer = size
            record = _answered(data, hit, end)
        if record is None or send < end or answer < end:
            found += _careful(data, data.rfind(b"\n", 0, hit) + 1, end)
            send = send if send >= end else _next(data, _SEND, end)
            answer = answer if answer >= end else _next(data, _ANSWER, end)
        else:
            found.append(record)


def added(data: bytes) -> list[Added]:
    """Find all events that services handed over in a chunk of complete lines."""
    found = []
    hit, size = data.find(_ADD), len(data)
    while hit >= 0:
        end = data.find(b"\n", hit)
        if end < 0:
            end = size
        match = _matched(_ADDED, data, hit, end)
        if match and (at := _time(match)) is not None:
            whole = match[4] is not None and count(b"[%b]" % match[4]) == 1
            found.append(Added(at, match[3] if whole else None, match.start(4), match.end(4)))
        hit = data.find(_ADD, end)
    return found


def first_time(data: bytes) -> int | None:
    """The local time of the first line that has one, in milliseconds since 1970."""
    for match in _PREFIXED.finditer(data):
        if (match.start() == 0 or data[match.start() - 1] == 10) and (at := _time(match)) is not None:
            return at
    return None


def begins_dated(data: bytes) -> bool:
    """Whether the first line begins with a time, and not in the middle of something."""
    return _PREFIXED.match(data) is not None


def began_as(line: bytes) -> Literal["send", "answer"] | None:
    """What a line began as, whole or not."""
    beginning = _PREFIXED.match(line)
    return next((what for text, what in _WHAT if beginning and line.startswith(text, beginning.end())), None)


def last_time(data: bytes) -> int | None:
    """The local time of the last line that has one."""
    end = len(data)
    while end > 0:
        start = data.rfind(b"\n[", 0, end) + 1  # 0: the first line, whatever it begins with
        match = _PREFIXED.match(data, start)
        if match and (at := _time(match)) is not None:
            return at
        end = start - 1
    return None


def took(data: bytes, start: int) -> float | None:
    """The seconds an answer took by its own account; `start` as in Answered."""
    return next((float(field[6]) for field in _fields(data, start) if field[4] == b"request_time"), None)


def error(data: bytes, start: int) -> str:
    """What an answer says went wrong; empty where it does not. `start` as in Answered."""
    for field in _fields(data, start):
        if field[4] == b"error" and (said := _ERROR.match(data, field.end())):
            text = (said[1] or said[2]).decode("utf-8", "replace")
            return "".join(c if c.isprintable() else " " for c in text)[:MOST_SAID]
    return ""


class StatisticAgentFormat:
    """The format as the daemon follows it. `zone` None is the host's; times inside the hour that comes twice when
    clocks are set back are told apart by the order of the lines."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._clock = LocalTime(zone)

    def parse(self, data: bytes, seen: float) -> Parsed:
        """Sends and answers as events; broken lines, and all that is neither, count as not recognised."""
        events: list[Event] = []
        lines = data.count(b"\n") + bool(data and not data.endswith(b"\n"))
        for record in records(data):
            if isinstance(record, Sent):
                key = record.key.decode("utf-8", "surrogateescape")
                length = record.end - record.start
                at = self._clock.seconds(record.at)
                events.append(PacketSent(at, record.id, key, record.start, length, record.events))
            elif isinstance(record, Answered):
                key = record.key.decode("utf-8", "surrogateescape")
                at = self._clock.seconds(record.at)
                why = error(data, record.start) if record.code != ACCEPTED else ""
                events.append(PacketAnswered(at, record.id, key, record.code, took(data, record.start), why))
        return Parsed(events, lines, len(events), lines - len(events))

    def flush(self, seen: float) -> list[Event]:
        return []


def _next(data: bytes, text: bytes, start: int) -> int:
    at = data.find(text, start)
    return at if at >= 0 else len(data)


def _matched(pattern: re.Pattern[bytes], data: bytes, hit: int, end: int) -> re.Match[bytes] | None:
    """The match of the line of a hit, if the hit stands right behind its time."""
    start = data.rfind(b"\n", hit - 37 if hit > 37 else 0, hit) + 1  # no time is longer
    return pattern.match(data, start, end) if start or hit <= 37 else None


def _sent(data: bytes, hit: int, end: int) -> Sent | None:
    """The send at a hit, if it is one whole line."""
    match = _matched(_SENT, data, hit, end)
    return _whole_send(data, match, end) if match else None


def _whole_send(data: bytes, match: re.Match[bytes], end: int) -> Sent | None:
    second, millisecond, key, old_key = match.groups()
    since = _second(second)
    if since is None:
        return None
    start = match.end()
    if key is None:  # the oldest agents: nothing follows the data
        stop, number, key = (end - 1 if data[end - 1] == 13 else end), None, old_key
    else:
        stop = data.rfind(b"], packet_id=", start, end) + 1
        digits = data[stop + 12 : end]
        if not stop:
            return None
        if not (digits.isdigit() and len(digits) <= MOST_DIGITS):
            found = _ID.fullmatch(digits)
            if found is None:
                return None
            digits = found[1]
        number = int(digits)
    events = count(data[start:stop])
    return None if events is None else Sent(since + int(millisecond), number, key, start, stop, events)


def _answered(data: bytes, hit: int, end: int) -> Answered | None:
    """The answer at a hit, if its line begins there and says its code, or that there was no response."""
    match = _matched(_ANSWERED, data, hit, end)
    return _answer_of(data, match) if match else None


def _answer_of(data: bytes, match: re.Match[bytes]) -> Answered | None:
    second, millisecond, key, number, opens, digits, _ = match.groups()
    since = _second(second)
    if since is None:
        return None
    code: int | None = None
    if digits:
        code = int(digits)
    elif opens:
        code = _code(data, match.start(5))
        if code is None:
            return None
    return Answered(since + int(millisecond), int(number), key, code, match.start(5))


def _code(data: bytes, start: int) -> int | None:
    """The code of the response that opens at `start`; None if it cannot be told.

    A line that was cut inside a string and had another glued to it has the quotes of both: what was text stands
    outside. So behind the beginning of a line only a response that ends with its line is believed.
    """
    for field in _fields(data, start):
        if field[4] == b"code":
            if _PREFIXED.search(data, start, field.start()) and _closes(data, start) != _end_of_line(data, start):
                return None
            return int(field[5])
    return None


def _end_of_line(data: bytes, start: int) -> int:
    end = data.find(b"\n", start)
    end = len(data) if end < 0 else end
    return end - 1 if data[end - 1] == 13 else end


def _fields(data: bytes, start: int) -> Iterator[re.Match[bytes]]:
    """`code` and `request_time` of the response that opens at `start`: no text inside a string or bracket is taken."""
    depth = 0
    for token in _TOKEN.finditer(data, start):
        opens, closes, broken, name = token[1], token[2], token[3], token[4]
        if opens:
            depth += 1
        elif closes:
            depth -= 1
        elif name and depth == 1:
            yield token
        if broken or depth <= 0:  # a string that does not end, the end of the line, or of the response
            break


def _closes(data: bytes, start: int) -> int:
    """Where the response that opens at `start` is closed; -1 if it is not."""
    depth = 0
    for token in _TOKEN.finditer(data, start):
        if token[1]:
            depth += 1
        elif token[2]:
            depth -= 1
            if depth <= 0:
                return token.end()
        elif token[3]:
            break
    return -1


def _careful(data: bytes, start: int, end: int) -> list[Record]:
    """Read a line that is cut, or holds the beginnings of several.

    From left to right, the first beginning that makes the rest of the line one whole record wins: text that users wrote
    stands inside such a record and is left alone. What stands before it is broken, but for an answer at the start of
    the line that had already said its code.
    """
    line = data[start:end].rstrip(b"\r")
    found: list[Record] = []
    first = _PREFIXED.search(line)
    broken = None if first and first.start() == 0 else _headless(line[: first.start() if first else len(line)], start)
    looked = 0
    for beginning in _PREFIXED.finditer(line):
        at = beginning.start()
        record, whole = _read(line, at)
        if record and (whole or at == 0):
            found.append(_moved(record, start))
        looked += len(line) - at
        if whole or looked > MOST_LOOKED:
            break
        if record is None and at == 0:  # further right it may be what a user wrote
            what = began_as(line)
            broken = what and Broken(_time(beginning), start, what)
    return found if broken is None else [broken, *found]


def _headless(text: bytes, start: int) -> Broken | None:
    """A line whose beginning is missing, if it shows what it was."""
    return next((Broken(None, start, what) for shape, what in _WHAT if shape in text[:64]), None)


def _read(line: bytes, at: int) -> tuple[Record | None, bool]:
    """What begins there, and whether it ends with the line."""
    if sent := _SENT.match(line, at):
        record = _whole_send(line, sent, len(line))
        whole = record is not None and _exact(line[record.start : record.end])
        return (record if whole else None), whole
    if answered := _ANSWERED.match(line, at):
        answer = _answer_of(line, answered)
        end = _closes(line, answered.start(5)) if answered[5] else answered.end()
        return answer, answer is not None and end == len(line)
    return None, False


def _exact(text: bytes) -> bool:
    """Whether the data are one value to the last byte, and not two pieces whose quotes happen to fit together."""
    try:
        parse(text)
    except NotAValue:
        return _SEND not in text
    return True


def _moved(record: Record, by: int) -> Record:
    if isinstance(record, Sent):
        return record._replace(start=record.start + by, end=record.end + by)
    return record._replace(start=record.start + by)


def _time(match: re.Match[bytes]) -> int | None:
    second = _second(match[1])
    return None if second is None else second + int(match[2])


@lru_cache(maxsize=256)
def _second(text: bytes) -> int | None:
    try:
        return naive_ms(text.decode())
    except ValueError:  # the 30th of February
        return None
