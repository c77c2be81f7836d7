"""Points in the two forms a TSD takes, and what it says about them. The words are those of OpenTSDB 2.0 to 2.4."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from keeper.formats.json_answer import NotUnderstood, decode, one_line
from keeper.opentsdb.record import Line

Point: TypeAlias = dict[str, object]
Key: TypeAlias = tuple[str, int, tuple[tuple[str, str], ...]]

SHOWN = 200  # characters of a TSD's words
MILLIS_DIGITS = 12  # a timestamp of so many digits or more is in milliseconds

_INTEGER = re.compile(r"[+-]?[0-9]+")
_LONG = 1 << 63  # a TSD's integers are of 64 bits
_QUOTED = re.compile(rb"'([^']*)'|\"([^\"]*)\"|: ([^\s:'\"]+)$")
# Its storage, not the point, is what fails: the same point will be taken later.
_PASSING = re.compile(r"throttl|hbase error|storage exception|time[d]? ?out|unexpected|not cached yet", re.IGNORECASE)


class Complaint(NamedTuple):
    """What a TSD says on a telnet connection. `names` are what it quotes: a metric, a tag, a value. `passing`: of its
    own trouble, not of the point; `foreign`: it does not speak of a put at all."""

    why: str
    names: tuple[Line, ...]
    passing: bool
    foreign: bool


class Details(NamedTuple):
    """The answer to /api/put?details. `refused` and `passing` name points and say why; `failed` is how many it says
    failed, named or not."""

    failed: int
    refused: list[tuple[Key, str]]
    passing: list[tuple[Key, str]]


def telnet(lines: Sequence[Line]) -> bytes:
    """`put` commands. Milliseconds are written `seconds.millis`: OpenTSDB reads them as such, and VictoriaMetrics up to
    1.8x, which takes every timestamp for seconds and would drop the point as one of the far future, as seconds."""
    return b"".join(b"put " + _telnet_line(line) + b"\n" for line in lines)


def _telnet_line(line: Line) -> Line:
    metric, _, rest = line.partition(b" ")
    stamp, _, rest = rest.partition(b" ")
    if len(stamp) < MILLIS_DIGITS:
        return line
    return b"%s %s.%s %s" % (metric, stamp[:-3], stamp[-3:], rest)


def point(line: Line) -> Point:
    """As /api/put takes it. Raises ValueError for what is not a valid line."""
    metric, stamp, value, *tags = line.decode("ascii").split(" ")
    pairs = [tag.partition("=") for tag in tags if tag]
    if not metric or not pairs or not all(name and text for name, _, text in pairs):
        raise ValueError("not a point")
    return {
        "metric": metric,
        "timestamp": int(stamp),
        "value": number(value),
        "tags": {name: text for name, _, text in pairs},
    }


def json_array(points: Sequence[Point]) -> bytes:
    return json.dumps(points, separators=(",", ":"), allow_nan=False).encode()


def key(point: Point) -> Key | None:
    """What names a point in an answer; None when it is not one. (A value may come back written in another way.)"""
    metric, stamp, tags = point.get("metric"), point.get("timestamp"), point.get("tags")
    if not isinstance(metric, str) or not isinstance(stamp, int) or not isinstance(tags, dict):
        return None
    return metric, stamp, tuple(sorted((str(name), str(text)) for name, text in tags.items()))


def read_complaint(line: bytes) -> Complaint:
    """One line of what a TSD says while points are put."""
    text = one_line(line.decode("utf-8", "replace"), SHOWN)
    why = text.removeprefix("put: ")
    names = tuple(next(filter(None, found), b"") for found in _QUOTED.findall(line.strip()))
    return Complaint(why, names, bool(_PASSING.search(why)), not (text.startswith("put: ") or "put: ".startswith(text)))


def read_details(body: bytes) -> Details | None:
    """None when the TSD does not tell details."""
    try:
        answer = decode(body)
    except NotUnderstood:
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("errors"), list):
        return None
    refused: list[tuple[Key, str]] = []
    passing: list[tuple[Key, str]] = []
    for error in answer["errors"]:
        named = (
            key(error["datapoint"]) if isinstance(error, dict) and isinstance(error.get("datapoint"), dict) else None
        )
        if named is not None:
            why = one_line(str(error.get("error")), SHOWN)
            (passing if _PASSING.search(why) else refused).append((named, why))
    failed = answer.get("failed")
    return Details(failed if isinstance(failed, int) else len(answer["errors"]), refused, passing)


def read_error(body: bytes) -> tuple[str, bool]:
    """What an answer says is wrong, '' for nothing, and whether it says so in the way of a TSD: a proxy, or a server
    that is no TSD at all, may refuse as well."""
    try:
        answer = decode(body)
    except NotUnderstood:
        return one_line(body.decode("utf-8", "replace"), SHOWN), b"OpenTSDB" in body
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        details = error.get("details")
        more = f" ({details})" if isinstance(details, str) and details else ""
        return one_line(f"{error['message']}{more}", SHOWN), True
    return one_line(body.decode("utf-8", "replace"), SHOWN), False


def number(text: str) -> int | float:
    """A TSD takes what has no point or exponent for an integer of 64 bits. Raises ValueError for what is no finite
    number."""
    if _INTEGER.fullmatch(text) and -_LONG <= int(text) < _LONG:
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value
