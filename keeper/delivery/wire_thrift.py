"""Thrift's binary protocol over HTTP, with the site's own IDL: one CALL message a packet, sequence id 0.

The bytes are written here and not by thriftpy2, so that a value that does not fit is named by its place.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keeper.delivery.outcome import Reply, page, said
from keeper.delivery.wire import Unfit, UnknownType, kind_of
from keeper.errors import KeeperError
from keeper.formats.pyrepr import Struct
from keeper.formats.thrift_idl import (
    BINARY,
    BOOL,
    BYTE,
    CALL,
    DOUBLE,
    EXCEPTION,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    SET,
    STRING,
    STRUCT,
    VERSION,
    fields_of,
    on_wire,
    parts,
    read_idl,
)

_INTEGERS = {BYTE: ("i8", ">b", 8), I16: ("i16", ">h", 16), I32: ("i32", ">i", 32), I64: ("i64", ">q", 64)}


class ThriftWire:
    """`methods` names the method of a type where it is not the type's own name. `defaults` are values for fields that
    an event lacks, by `Struct.field`; a field that the IDL calls optional, or gives a default, may be missing too."""

    kind = "application/x-thrift"

    def __init__(self, calls: Mapping[str, tuple[str, Any]], defaults: Mapping[str, Any]) -> None:
        self._calls = calls
        self._defaults = defaults

    def encode(self, key: str, events: Sequence[Any]) -> bytes:
        if key not in self._calls:
            raise UnknownType(f"the IDL has no method for the type {key}")
        method, spec = self._calls[key]
        name = method.encode()
        out = [struct.pack(">Ii", VERSION | CALL, len(name)), name, struct.pack(">ibh", 0, LIST, 1)]
        self._put(out, LIST, spec, list(events), "")
        out.append(b"\0")
        return b"".join(out)

    def as_logged(self) -> ThriftWire:
        return _AsLogged(self._calls, {})

    def doubt(self, reply: Reply) -> str:
        """Methods are void and their answer is not looked at, but an exception is none, nor is a page for people."""
        if page(reply):
            return f"answered 200 with a page instead of an answer{said(reply.body)}"
        if reply.body[:4] == struct.pack(">I", VERSION | EXCEPTION):
            return f"answered with a Thrift exception{said(reply.body[4:])}"
        return ""

    def _put(self, out: list[bytes], kind: int, spec: Any, value: Any, where: str) -> None:
        if kind in _INTEGERS:
            out.append(_integer(kind, value, where))
        elif kind in (STRING, BINARY):
            data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            if not isinstance(data, bytes):
                raise Unfit(f"{where} is {kind_of(value)}, and the IDL wants a string")
            out += (struct.pack(">i", len(data)), data)
        elif kind == BOOL:
            if value is not True and value is not False:
                raise Unfit(f"{where} is {kind_of(value)}, and the IDL wants a bool")
            out.append(b"\1" if value else b"\0")
        elif kind == DOUBLE:
            out.append(_double(value, where))
        elif kind == STRUCT:
            self._put_struct(out, spec, value, where)
        elif kind == MAP:
            self._put_map(out, spec, value, where)
        else:
            self._put_list(out, kind, spec, value, where)

    def _put_list(self, out: list[bytes], kind: int, spec: Any, value: Any, where: str) -> None:
        wanted, name = ((set, frozenset), "set") if kind == SET else ((list, tuple), "list")
        if not isinstance(value, wanted):
            raise Unfit(f"{where} is {kind_of(value)}, and the IDL wants a {name}")
        item, inner = parts(spec)
        out.append(struct.pack(">bi", on_wire(item), len(value)))
        for number, one in enumerate(value):
            self._put(out, item, inner, one, f"{where}[{number}]" if where else f"event {number + 1}")

    def _put_map(self, out: list[bytes], spec: Any, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise Unfit(f"{where} is {kind_of(value)}, and the IDL wants a map")
        (key, key_spec), (item, item_spec) = parts(spec[0]), parts(spec[1])
        out.append(struct.pack(">bbi", on_wire(key), on_wire(item), len(value)))
        for number, (one, other) in enumerate(value.items()):
            self._put(out, key, key_spec, one, f"key {number + 1} of {where}")
            self._put(out, item, item_spec, other, f"value {number + 1} of {where}")

    def _put_struct(self, out: list[bytes], spec: Any, value: Any, where: str) -> None:
        name = spec.__name__
        if not isinstance(value, Struct) or value.args or value.name.rpartition(".")[2] != name:
            raise Unfit(f"{where} is {kind_of(value)}, and the IDL wants a {name}")
        fields = value.fields
        defaults = dict(spec.default_spec)
        seen = 0
        for number, kind, field, inner, required in fields_of(spec):
            if field in fields:
                seen += 1
                given = fields[field]
            else:
                given = self._default(name, field, defaults, required, where)
            if given is None:
                if required:
                    raise Unfit(f"{where}.{field} is None, and the IDL requires a value")
                continue  # an agent that prints None has not sent the field
            out.append(struct.pack(">bh", on_wire(kind), number))
            self._put(out, kind, inner, given, f"{where}.{field}")
        if seen != len(fields):
            known = {one.name for one in fields_of(spec)}
            extra = ", ".join(sorted(field for field in fields if field not in known))
            raise Unfit(f"{where} has fields that {name} has not in the IDL: {extra[:200]}")
        out.append(b"\0")

    def _default(self, name: str, field: str, defaults: Mapping[str, Any], required: bool, where: str) -> Any:
        if f"{name}.{field}" in self._defaults:
            return self._defaults[f"{name}.{field}"]
        if defaults.get(field) is not None:
            return defaults[field]
        raise Unfit(f"{where} lacks {field}, and default.{name}.{field} is not configured")


class _AsLogged(ThriftWire):
    def _default(self, name: str, field: str, defaults: Mapping[str, Any], required: bool | None, where: str) -> Any:
        return None


def thrift_wire(idl: Path, methods: Mapping[str, str], defaults: Mapping[str, Any]) -> ThriftWire:
    """Read the IDL. Raises KeeperError, naming what is wrong with the file or the map."""
    read = read_idl(idl)
    found = {method: (method, spec) for method, spec in read.methods.items()}
    for key, method in methods.items():
        if method not in found:
            raise KeeperError(f"method.{key}: the IDL {idl} has no method {method} that takes one list")
        found[key] = found[method]
    for place in defaults:
        name, _, field = place.partition(".")
        if name not in read.structs or field not in {one.name for one in fields_of(read.structs[name])}:
            raise KeeperError(f"default.{place}: the IDL {idl} has no such field")
    return ThriftWire(found, defaults)


def _integer(kind: int, value: Any, where: str) -> bytes:
    name, form, bits = _INTEGERS[kind]
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit(f"{where} is {kind_of(value)}, and the IDL wants an {name}")
    try:
        return struct.pack(form, value)
    except struct.error:
        raise Unfit(f"{where} is {value}, which does not fit into {bits} bits") from None


def _double(value: Any, where: str) -> bytes:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 1 << 53:
        value = float(value)  # Python 2 sends a whole number as a double, exactly up to here
    if not isinstance(value, float):
        raise Unfit(f"{where} is {kind_of(value)}, and the IDL wants a double")
    return struct.pack(">d", value)
