"""JSON over HTTP, in the shape that services use towards the agent: `{"Type": [{"field": value, ...}, ...]}`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keeper.delivery.outcome import Reply, page, said
from keeper.delivery.wire import Unfit, kind_of
from keeper.formats.pyrepr import Struct

DEEPEST = 100


class JsonWire:
    """`methods` and `defaults` as for Thrift; without an IDL, a default is added to each event of that name."""

    kind = "application/json"

    def __init__(self, methods: Mapping[str, str], defaults: Mapping[str, Any]) -> None:
        self._methods = methods
        self._defaults: dict[str, dict[str, Any]] = {}
        for place, value in defaults.items():
            name, _, field = place.partition(".")
            self._defaults.setdefault(name, {})[field] = value

    def encode(self, key: str, events: Sequence[Any]) -> bytes:
        rows = [self._plain(event, f"event {number}", 0) for number, event in enumerate(events, 1)]
        body = {self._methods.get(key, key): rows}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    def as_logged(self) -> JsonWire:
        return JsonWire(self._methods, {})

    def doubt(self, reply: Reply) -> str:
        """`ok` that is false, or an `error`, in a JSON answer; or a page for people."""
        if page(reply):
            return f"answered 200 with a page instead of an answer{said(reply.body)}"
        try:
            answer = json.loads(reply.body)
        except (ValueError, RecursionError):
            return ""
        if isinstance(answer, dict) and (not answer.get("ok", True) or answer.get("error")):
            return f"answered 200 and says no{said(reply.body)}"
        return ""

    def _plain(self, value: Any, where: str, depth: int) -> Any:
        if depth > DEEPEST:
            raise Unfit(f"{where[:200]} is nested too deep")
        if isinstance(value, Struct):
            if value.args:
                raise Unfit(f"{where} is {kind_of(value)} with values that have no names")
            missing = {k: v for k, v in self._defaults.get(value.name, {}).items() if k not in value.fields}
            return {k: self._plain(v, f"{where}.{k}", depth + 1) for k, v in {**value.fields, **missing}.items()}
        if isinstance(value, dict):
            plain = {_key(k, where): self._plain(v, f"{where}[{k!r}]", depth + 1) for k, v in value.items()}
            if len(plain) < len(value):
                raise Unfit(f"{where} has keys that are one and the same in JSON")
            return plain
        if isinstance(value, set | frozenset):
            return _in_order(self._plain(one, f"{where}[{number}]", depth + 1) for number, one in enumerate(value))
        if isinstance(value, list | tuple):
            return [self._plain(one, f"{where}[{number}]", depth + 1) for number, one in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            raise Unfit(f"{where} is {value}, which JSON cannot say")
        return _text(value, where) if isinstance(value, str | bytes) else value


def _in_order(values: Iterable[Any]) -> list[Any]:
    """A set is the same packet each time it is sent: numbers by their size, all else by how it is written."""
    found = list(values)
    if all(isinstance(one, int | float) for one in found):
        return sorted(found)
    return sorted(found, key=lambda one: json.dumps(one, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def _key(key: Any, where: str) -> str:
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    if isinstance(key, str | bytes):
        return _text(key, f"a key of {where}")
    raise Unfit(f"a key of {where} is {kind_of(key)}, which JSON cannot have there")


def _text(value: str | bytes, where: str) -> str:
    try:
        if isinstance(value, bytes):
            return value.decode()
        value.encode()
    except UnicodeError as error:
        raise Unfit(f"{where} is not UTF-8, and JSON has no other text") from error
    return value
