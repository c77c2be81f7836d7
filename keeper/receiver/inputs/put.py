"""OpenTSDB's lines `put metric timestamp value tag=value ...`: a packet for each metric, an event a point, in order.

Names are those of keeper's own points, of ASCII. The time is kept as it is written, in seconds or milliseconds; a TSD
takes no point without a tag, so this does not either.
"""

from __future__ import annotations

import re

from keeper.opentsdb.put import number as number_of
from keeper.receiver.inputs import plain
from keeper.receiver.inputs.body_lines import Wrong, numbered, some, whole
from keeper.receiver.inputs.event_time import event_time
from keeper.receiver.inputs.input import Read
from keeper.receiver.packet import LONGEST_TYPE, Event, canonical

_WORD = rb"[-_./a-zA-Z0-9]++"
_METRIC = rb"[-_./a-zA-Z0-9]{1,%d}+" % LONGEST_TYPE
_TIME = rb"[0-9]{1,16}(?:\.[0-9]{1,9})?+"
_VALUE = rb"[-+.0-9eE]{1,40}+"
_TAGS = rb"(?:[ \t]++%b=%b)++" % (_WORD, _WORD)
_BLANKS = rb"[ \t]++"
_FORM = "it is not `put metric timestamp value tag=value ...`"
# A line of the form, or else any. Each ends with a newline, or with the body.
_LINES = re.compile(
    rb"(?!\Z)(?:put%(_)b(%(metric)b)%(_)b(%(time)b)%(_)b(%(value)b)(%(tags)b)[ \t]*+\r?+|([^\n]*+))(?:\n|\Z)"
    % {b"_": _BLANKS, b"metric": _METRIC, b"time": _TIME, b"value": _VALUE, b"tags": _TAGS}
)


class PutInput:
    """`longest` is in bytes, without what ends the line."""

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def read(self, body: bytes, at: float) -> Read:
        wrong = Wrong()
        events: dict[str, list[Event]] = {}
        for number, (metric, time, value, tags, other) in numbered(_LINES, body):
            if metric and len(metric) + len(time) + len(value) + len(tags) + 6 <= self._longest:
                try:
                    fields = _fields(time.decode(), value.decode(), tags.decode())
                except ValueError as error:
                    why = str(error)
                else:
                    events.setdefault(metric.decode(), []).append(Event(event_time(fields, at), canonical(fields)))
                    continue
            else:
                why = "" if metric or len(other) > self._longest else _FORM
            line = b"put %b %b %b%b" % (metric, time, value, tags) if metric else other.strip()
            if line and wrong.one_more():
                wrong.say(number, line, why or f"it is longer than {self._longest} bytes")
        return some(whole(events, wrong))


def _fields(time: str, value: str, tags: str) -> dict[str, object]:
    pairs = [tag.split("=") for tag in tags.split()]
    named = dict(pairs)
    if len(named) != len(pairs):
        raise ValueError("it has a tag twice")
    return {
        "tags": named,
        "timestamp": plain.number(float(time)) if "." in time else int(time),
        "value": _value(value),
    }


def _value(text: str) -> float | str:
    try:
        found = number_of(text)
    except ValueError:
        raise ValueError("its value is no finite number") from None
    return plain.number(found) if isinstance(found, float) else found
