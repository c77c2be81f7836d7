"""Thrift's binary protocol, with the site's own IDL: a CALL whose one argument is a list of structs is a packet.

The type of the packet is the name of the method, and a struct is an event. What is said of values stands in
`thrift_values`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from keeper.formats.thrift_idl import CALL, LIST, ONEWAY, STRUCT, VERSION, read_idl
from keeper.receiver.inputs.event_time import event_time
from keeper.receiver.inputs.input import MOST_EVENTS, Read
from keeper.receiver.inputs.thrift_values import Known, Misread, Reader, Room, list_head, struct_reader
from keeper.receiver.packet import LONGEST_TYPE, Event, Malformed, Said, canonical

_word = struct.Struct(">i").unpack_from
_argument = struct.Struct(">bh").unpack_from


class ThriftInput:
    """`readers` are of the struct that each method takes a list of."""

    def __init__(self, readers: Mapping[bytes, tuple[str, Reader]]) -> None:
        self._readers = readers

    def read(self, body: bytes, at: float) -> Read:
        try:
            method, begin = _head(body)
        except struct.error:
            raise Malformed("it is no Thrift message: it ends within its head") from None
        if method not in self._readers:
            raise Malformed(f"the IDL has no method {method.decode('ascii', 'backslashreplace')} that takes one list")
        name, reader = self._readers[method]
        try:
            events = _events(body, begin, reader, at)
        except (struct.error, IndexError):
            raise Malformed(f"{name} ends in the middle") from None
        except Misread as error:
            raise Malformed(f"{name}{_shown(error.place)}: {error.what}") from None
        return Read((Said(name, events),) if events else ())


def thrift_input(idl: Path) -> ThriftInput:
    """Raises KeeperError, naming what is wrong with the IDL."""
    known: Known = {}
    read = read_idl(idl)
    return ThriftInput(
        {
            method.encode(): (method, struct_reader(spec[1], known))
            for method, spec in read.methods.items()
            if isinstance(spec, tuple) and spec[0] == STRUCT and len(method) <= LONGEST_TYPE
        }
    )


def _head(body: bytes) -> tuple[bytes, int]:
    """The method and where its arguments begin, of a message in the strict form or in the one before it."""
    (word,) = _word(body)
    strict = word < 0
    if strict and word & 0xFFFF0000 != VERSION:
        raise Malformed(f"it is no Thrift message of version 1: it begins with {body[:4].hex()}")
    size, begin = (_word(body, 4)[0], 8) if strict else (word, 4)
    if not 0 < size <= LONGEST_TYPE:
        raise Malformed(f"it is no Thrift message: its method's name has {size} characters")
    end = begin + size
    kind = word & 0xFF if strict else struct.unpack_from(">B", body, end)[0]
    behind = end + (4 if strict else 5)
    _word(body, behind - 4)  # the sequence id means nothing here, but must be there
    if kind not in (CALL, ONEWAY):
        raise Malformed(f"it is no call, but a Thrift message of the kind {kind}")
    return body[begin:end], behind


def _shown(place: str) -> str:
    return place if len(place) <= 200 else f"{place[:100]}...{place[-90:]}"


def _events(body: bytes, at: int, reader: Reader, came: float) -> list[Event]:
    kind, number = _argument(body, at) if body[at] else (0, 0)
    if (kind, number) != (LIST, 1):
        raise Misread("its argument is not one list, with the id 1")
    _, size, at = list_head(body, at + 3, STRUCT)
    if size > MOST_EVENTS:
        raise Misread(f"it has {size} events; {MOST_EVENTS} are the most")
    events = []
    for count in range(1, size + 1):
        try:
            fields, at = reader(body, at, Room())
        except Misread as error:
            raise Misread(error.what, f" event {count}{error.place}") from None
        events.append(Event(event_time(fields, came), canonical(fields)))
    if body[at]:
        raise Misread("it has more arguments than one")
    if at + 1 != len(body):
        raise Misread(f"{len(body) - at - 1} bytes are left behind its end")
    return events
