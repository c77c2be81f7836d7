"""JSON in the shape that services use towards the agent: `{"Type": [{"field": value, ...}, ...], ...}`.

The same events have the same content as in Thrift (see `plain`). So null is no value: a field that is null was not
sent, as it is not in Thrift. Whole numbers are exact, however long; NaN and Infinity, which are no JSON but often sent,
are texts. A key that is there twice is an error, as one of its values would be lost.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from keeper.receiver.inputs import plain
from keeper.receiver.inputs.event_time import event_time
from keeper.receiver.inputs.input import DEEPEST, MOST_EVENTS, Read
from keeper.receiver.packet import LONGEST_TYPE, Event, Malformed, Said, canonical

MOST_NESTED = 1 << 18  # objects and lists of a body, which take 60 to 230 bytes each, and may be written with 2
_AS_IT_IS = {str, int, bool}
_DOUBTFUL = float(1 << 63)  # orjson makes doubles of whole numbers that are larger


class JsonInput:
    def read(self, body: bytes, at: float) -> Read:
        if len(body) > MOST_NESTED and body.count(b"{") + body.count(b"[") > MOST_NESTED:
            raise Malformed(f"it has more than {MOST_NESTED} objects and lists")
        try:
            packet = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _packets(_exactly(body), _Plain(), at)
        plainly = _Plain()
        read = _packets(packet, plainly, at)
        # Each key ends with `":`, or `" :` where someone writes it so. More or fewer such pairs may be text, or keys
        # that orjson has dropped as they came twice; who mixes both ways to deceive loses an event of its own.
        if plainly.doubtful or plainly.keys != body.count(b'":') + body.count(b'" :'):
            return _packets(_exactly(body), _Plain(), at)
        return read


class _Plain:
    """Values as `plain` says they are written. Counts the `keys` of all objects; `doubtful`: a number was a whole one
    perhaps that JSON could say and a double cannot."""

    def __init__(self) -> None:
        self.keys = 0
        self.doubtful = False

    def event(self, fields: dict[str, Any], where: str) -> dict[str, Any]:
        if _AS_IT_IS.issuperset(map(type, fields.values())):
            self.keys += len(fields)
            return fields
        return self._object(fields, where, 1)

    def _object(self, fields: dict[str, Any], where: str, depth: int) -> dict[str, Any]:
        self.keys += len(fields)
        return {
            name: self._value(value, where, depth) if type(value) not in _AS_IT_IS else value
            for name, value in fields.items()
            if value is not None
        }

    def _value(self, value: Any, where: str, depth: int) -> Any:
        if depth > DEEPEST:
            raise Malformed(f"{where} is nested deeper than {DEEPEST}")
        if type(value) is float:
            self.doubtful = self.doubtful or abs(value) >= _DOUBTFUL
            return plain.number(value)
        if type(value) is list:
            return [self._value(one, where, depth + 1) for one in value]
        return self._object(value, where, depth + 1) if type(value) is dict else value


def _packets(packet: Any, plainly: _Plain, at: float) -> Read:
    if not isinstance(packet, dict):
        raise Malformed(f"it is {_kind(packet)}, and not an object of types")
    if not packet:
        raise Malformed("it is an empty object")
    plainly.keys += len(packet)
    said = []
    for kind, rows in packet.items():
        if not 0 < len(kind) <= LONGEST_TYPE or not kind.isprintable():
            raise Malformed(f"{_shown(kind)} is no type: it must have 1 to {LONGEST_TYPE} printable characters")
        if not isinstance(rows, list):
            raise Malformed(f"{kind} is {_kind(rows)}, and not a list of events")
        if len(rows) > MOST_EVENTS:
            raise Malformed(f"{kind} has {len(rows)} events; {MOST_EVENTS} are the most")
        if rows:
            said.append(Said(kind, _events(kind, rows, plainly, at)))
    return Read(said)


def _events(kind: str, rows: list[Any], plainly: _Plain, at: float) -> list[Event]:
    events = []
    for number, row in enumerate(rows, 1):
        where = f"{kind} event {number}"
        if not isinstance(row, dict):
            raise Malformed(f"{where} is {_kind(row)}, and not an object")
        fields = plainly.event(row, where)
        events.append(Event(event_time(fields, at), canonical(fields)))
    return events


def _exactly(body: bytes) -> Any:
    """Slower, and with all digits of all numbers, lone surrogates, NaN; raises Malformed for a key that comes twice."""
    try:
        return json.loads(
            body.decode(), object_pairs_hook=_once, parse_float=_float, parse_constant=lambda name: _CONSTANTS[name]
        )
    except RecursionError:
        raise Malformed(f"it is nested deeper than {DEEPEST}") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"it is not UTF-8: byte {error.start + 1} is {body[error.start]:#04x}") from None
    except ValueError as error:
        raise Malformed(f"it is no JSON: {error}") from None


_CONSTANTS: Mapping[str, float] = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _float(text: str) -> float | str:
    """What is beyond every double stays as it was written."""
    value = float(text)
    return value if math.isfinite(value) else text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Malformed(f"it has the key {_shown(name)} twice in one object")
    return found


def _shown(text: str) -> str:
    return ascii(text[:40]) + ("..." if len(text) > 40 else "")


def _kind(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "null")
