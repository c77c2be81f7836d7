"""Values of Thrift's binary protocol into those of JSON: the IDL's structs are made into readers once.

A reader takes the body, where in it to begin, and the room that is left; it answers with the value and where that ends.
Nothing is made of a size before it is known that so many bytes are there. Text and binary are one: UTF-8 is text, any
other byte is a surrogate escape. A field that the IDL does not know is read all the same, as `field_17`; one that it
knows with another type is an error.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from keeper.formats.thrift_idl import (
    BINARY,
    BOOL,
    BYTE,
    DOUBLE,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    SET,
    STRING,
    STRUCT,
    fields_of,
    on_wire,
    parts,
)
from keeper.receiver.inputs import plain
from keeper.receiver.inputs.input import DEEPEST

MOST_VALUES = 1 << 17  # of one event: items of lists, structs, fields that the IDL does not know
NAMES = {
    BOOL: "a bool", BYTE: "an i8", DOUBLE: "a double", I16: "an i16", I32: "an i32", I64: "an i64", STRING: "a string",
    STRUCT: "a struct", MAP: "a map", SET: "a set", LIST: "a list",
}  # fmt: skip
_LEAST = {
    BOOL: 1, BYTE: 1, DOUBLE: 8, I16: 2, I32: 4, I64: 8, STRING: 4, STRUCT: 1, MAP: 6, SET: 5, LIST: 5
}  # bytes of the shortest value  # fmt: skip
_INTEGERS = {BYTE: struct.Struct(">b"), I16: struct.Struct(">h"), I32: struct.Struct(">i"), I64: struct.Struct(">q")}
_MOST_FIELDS = (1 << 16) + 2  # ids have 16 bits: of so many fields, one is there twice
_TEXT, _NESTED = 0, -1

_number = struct.Struct(">h").unpack_from
_size = struct.Struct(">i").unpack_from
_double = struct.Struct(">d").unpack_from
_list_head = struct.Struct(">Bi").unpack_from
_map_head = struct.Struct(">BBi").unpack_from


class Misread(Exception):  # noqa: N818  # it is an answer, and reads as one where it is caught
    """These bytes are not what they should be: `place` is inside of what was read, '' at its beginning."""

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.place = place


class Room:
    """What one event may still take."""

    __slots__ = ("depth", "left")

    def __init__(self) -> None:
        self.depth = DEEPEST
        self.left = MOST_VALUES

    def enter(self, values: int) -> None:
        """Raises Misread when so many values more, one deeper, are too much. Who enters adds 1 to `depth` when done."""
        self.left -= values
        self.depth -= 1
        if self.left < 0:
            raise Misread(f"it has more than {MOST_VALUES} values")
        if self.depth < 0:
            raise Misread(f"it is nested deeper than {DEEPEST}")


Reader: TypeAlias = Callable[[bytes, int, Room], tuple[Any, int]]
Known: TypeAlias = dict[Any, Reader]
"""The readers of thriftpy2's classes that were made so far: a struct may hold itself."""


def struct_reader(of: Any, known: Known) -> Reader:
    """Of one of thriftpy2's classes."""
    if of in known:
        return known[of]
    entries: dict[bytes, tuple[str, int, Any]] = {}
    kinds: dict[int, tuple[str, int]] = {}
    known[of] = _struct(entries, kinds)
    for number, kind, name, spec, _ in fields_of(of):
        wire = on_wire(kind)
        entry: tuple[str, int, Any]
        kinds[number] = name, wire
        if wire == STRING:
            entry = name, _TEXT, None
        elif wire in _INTEGERS:
            entry = name, _INTEGERS[wire].size, _INTEGERS[wire].unpack_from
        else:
            entry = name, _NESTED, value_reader(kind, spec, known)
        entries[struct.pack(">bh", wire, number)] = entry
    return known[of]


def value_reader(kind: int, spec: Any, known: Known) -> Reader:
    if kind == STRUCT:
        return struct_reader(spec, known)
    if kind == MAP:
        (one, one_spec), (other, other_spec) = parts(spec[0]), parts(spec[1])
        wanted = on_wire(one), on_wire(other)
        return _map(wanted, value_reader(one, one_spec, known), value_reader(other, other_spec, known))
    if kind in (LIST, SET):
        item, inner = parts(spec)
        return _list(kind, on_wire(item), value_reader(item, inner, known))
    return ANY[STRING if kind == BINARY else kind]


def list_head(body: bytes, at: int, wanted: int | None) -> tuple[int, int, int]:
    """The kind of the items of a list, how many there are, and where the first begins."""
    kind, size = _list_head(body, at)
    at += 5
    if wanted is not None and kind != wanted and size:
        raise Misread(f"its items are {_name(kind)}, and the IDL wants {NAMES[wanted]}")
    _fits(size, _least(kind) if size else 0, len(body) - at)
    return kind, size, at


def _struct(entries: dict[bytes, tuple[str, int, Any]], kinds: dict[int, tuple[str, int]]) -> Reader:
    entry_of = entries.get

    def read(body: bytes, at: int, room: Room) -> tuple[Any, int]:
        room.enter(1)
        fields: dict[str, Any] = {}
        end = len(body)
        name = ""
        try:
            for count in range(_MOST_FIELDS):  # noqa: B007  # how many they were is looked at below
                entry = entry_of(body[at : at + 3])
                if entry is None:
                    name = ""
                    if not body[at]:
                        break
                    kind, name = _unknown(body, at, kinds)
                    room.left -= 1
                    fields[name], at = ANY[kind](body, at + 3, room)
                    continue
                name, width, get = entry
                at += 3
                if width > 0:
                    (fields[name],) = get(body, at)
                    at += width
                elif width:
                    fields[name], at = get(body, at, room)
                else:
                    (size,) = _size(body, at)
                    at += 4
                    stop = at + size
                    if size < 0 or stop > end:
                        _fits(size, 1, end - at)
                    try:
                        fields[name] = body[at:stop].decode()
                    except UnicodeDecodeError:
                        fields[name] = body[at:stop].decode("utf-8", "surrogateescape")
                    at = stop
        except (struct.error, IndexError):
            raise Misread("it ends in the middle", f".{name}" if name else "") from None
        except Misread as error:
            raise Misread(error.what, f".{name}{error.place}" if name else error.place) from None
        if len(fields) != count:
            raise Misread("it has a field twice")
        room.depth += 1
        return fields, at + 1

    return read


def _unknown(body: bytes, at: int, kinds: dict[int, tuple[str, int]]) -> tuple[int, str]:
    """The kind and the name of a field that the IDL does not know in this way."""
    kind, (number,) = body[at], _number(body, at + 1)
    if number in kinds:
        name, wanted = kinds[number]
        raise Misread(f"it is {_name(kind)}, and the IDL wants {NAMES[wanted]}", f".{name}")
    if kind not in ANY:
        raise Misread(f"it is {_name(kind)}", f".field_{number}")
    return kind, f"field_{number}"


def _list(of: int, wanted: int | None, reader: Reader | None) -> Reader:
    """A list or a set; with `wanted` of None, of what it says itself."""

    def read(body: bytes, at: int, room: Room) -> tuple[Any, int]:
        kind, size, at = list_head(body, at, wanted)
        room.enter(size)
        one = reader or ANY[kind] if size else _nothing
        items: list[Any] = []
        for number in range(size):
            try:
                item, at = one(body, at, room)
            except (struct.error, IndexError):
                raise Misread("it ends in the middle", f"[{number}]") from None
            except Misread as error:
                raise Misread(error.what, f"[{number}]{error.place}") from None
            items.append(item)
        room.depth += 1
        return items if of == LIST else plain.in_order(items), at

    return read


def _map(wanted: tuple[int, int] | None, key: Reader | None, value: Reader | None) -> Reader:
    """With `wanted` of None, of what it says itself."""

    def read(body: bytes, at: int, room: Room) -> tuple[Any, int]:
        *kinds, size = _map_head(body, at)
        at += 6
        if wanted and size and tuple(kinds) != wanted:
            asked = f"{NAMES[wanted[0]]} to {NAMES[wanted[1]]}"
            raise Misread(f"it is of {_name(kinds[0])} to {_name(kinds[1])}, and the IDL wants {asked}")
        _fits(size, _least(kinds[0]) + _least(kinds[1]) if size else 0, len(body) - at)
        room.enter(2 * size)
        one, other = (key or ANY[kinds[0]], value or ANY[kinds[1]]) if size else (_nothing, _nothing)
        items: dict[str, Any] = {}
        for number in range(size):
            try:
                name, at = one(body, at, room)
                items[plain.key(name)], at = other(body, at, room)
            except (struct.error, IndexError):
                raise Misread("it ends in the middle", f"[{number}]") from None
            except Misread as error:
                raise Misread(error.what, f"[{number}]{error.place}") from None
        if len(items) != size:
            raise Misread("it has a key twice")
        room.depth += 1
        return items, at

    return read


def _fits(size: int, least: int, left: int) -> None:
    if size < 0 or size * least > left:
        raise Misread(f"its size is {size}, and {left} bytes are left")


def _name(kind: int) -> str:
    return NAMES.get(kind, f"of the kind {kind}, which does not exist")


def _least(kind: int) -> int:
    if kind not in _LEAST:
        raise Misread(f"its items are {_name(kind)}")
    return _LEAST[kind]


def _bool(body: bytes, at: int, _: Room) -> tuple[Any, int]:
    byte = body[at]
    if byte > 1:
        raise Misread(f"it is {byte}, and a bool is 0 or 1")
    return byte == 1, at + 1


def _float(body: bytes, at: int, _: Room) -> tuple[Any, int]:
    (value,) = _double(body, at)
    return plain.number(value), at + 8


def _text(body: bytes, at: int, _: Room) -> tuple[Any, int]:
    (size,) = _size(body, at)
    at += 4
    _fits(size, 1, len(body) - at)
    return body[at : at + size].decode("utf-8", "surrogateescape"), at + size


def _nothing(body: bytes, at: int, room: Room) -> tuple[Any, int]:
    return None, at


def _integer(form: struct.Struct) -> Reader:
    width, get = form.size, form.unpack_from

    def read(body: bytes, at: int, _: Room) -> tuple[Any, int]:
        (value,) = get(body, at)
        return value, at + width

    return read


ANY: dict[int, Reader] = {
    BOOL: _bool,
    DOUBLE: _float,
    STRING: _text,
    STRUCT: _struct({}, {}),
    MAP: _map(None, None, None),
    SET: _list(SET, None, None),
    LIST: _list(LIST, None, None),
    **{kind: _integer(form) for kind, form in _INTEGERS.items()},
}
"""Readers of values that the IDL does not know, by their kind."""
