"""Lines `PROD DATE DATA`, as log collectors send them: a packet for each PROD, an event a line, in order.

PROD and DATE name a file where packets are kept in files, so nothing is taken that could name another. DATA is whatever
follows the one blank behind DATE, NUL bytes and all; it may be empty. Bytes that are not UTF-8 are surrogate escapes.
"""

from __future__ import annotations

import re
from datetime import date

from keeper.receiver.inputs.body_lines import Wrong, numbered, some, whole
from keeper.receiver.inputs.input import Read
from keeper.receiver.packet import Event, canonical

_PROD = rb"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}+"
_DATE = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}"
# A good line, or else any. Each ends with a newline, or with the body.
_LINES = re.compile(rb"(?!\Z)(?:(%b) (%b) ([^\n]*+)|([^\n]*+))(?:\n|\Z)" % (_PROD, _DATE))


class LinesInput:
    """`longest` is in bytes, without what ends the line."""

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def read(self, body: bytes, at: float) -> Read:
        return some(self.look(body))

    def look(self, body: bytes) -> Read:
        """As `read`, but nothing at all may be good."""
        wrong = Wrong()
        events: dict[str, list[Event]] = {}
        kinds: dict[bytes, list[Event]] = {}
        dates: dict[bytes, str | None] = {}
        for number, (prod, day, rest, other) in numbered(_LINES, body):
            if not prod:
                if other.strip(b"\r") and wrong.one_more():
                    wrong.say(number, other, self._what_is_wrong(other))
                continue
            data = rest[:-1] if rest[-1:] == b"\r" else rest
            if day not in dates:
                dates[day] = _date(day)
            when = dates[day]
            if when is None or len(prod) + len(data) + 12 > self._longest:
                if wrong.one_more():
                    line = b"%b %b %b" % (prod, day, data)
                    wrong.say(number, line, self._what_is_wrong(line))
                continue
            try:
                text = data.decode()
            except UnicodeDecodeError:
                text = data.decode("utf-8", "surrogateescape")
            if prod not in kinds:
                kinds[prod] = events[prod.decode()] = []
            kinds[prod].append(Event(None, canonical({"data": text, "date": when})))
        return whole(events, wrong)

    def _what_is_wrong(self, line: bytes) -> str:
        line = line.removesuffix(b"\r")
        if len(line) > self._longest:
            return f"it is longer than {self._longest} bytes"
        prod, _, rest = line.partition(b" ")
        day, blank, _ = rest.partition(b" ")
        if not re.fullmatch(_PROD, prod):
            return "its PROD is no name of up to 63 letters, digits, '_', '.' and '-'"
        if not re.fullmatch(_DATE, day) or _date(day) is None:
            return "its DATE is no day; write YYYY-MM-DD"
        return "there must be one blank behind DATE, and then DATA" if not blank else "it is no line"


def _date(day: bytes) -> str | None:
    try:
        return date.fromisoformat(day.decode()).isoformat()
    except ValueError:
        return None
