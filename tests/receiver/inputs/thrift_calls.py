"""Thrift messages: good ones, written by thriftpy2 alone, and bad ones, written by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from thriftpy2.protocol.binary import TBinaryProtocol
from thriftpy2.thrift import TMessageType
from thriftpy2.transport import TMemoryBuffer

from keeper.receiver.inputs.thrift import ThriftInput, thrift_input
from keeper.receiver.packet import Event, Malformed
from tests.delivery.statistics_server import IDL, load

STOP, BOOL, BYTE, DOUBLE, I16, I32, I64, STRING, STRUCT, MAP, SET, LIST = 0, 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15
AT = 1_800_000_000.0
THRIFT = thrift_input(IDL)
idl = load()
_buffer: Any = TMemoryBuffer
_protocol: Any = TBinaryProtocol  # thriftpy2 says it has types, and these have none


def written(method: str, events: Sequence[Any], *, kind: int = TMessageType.CALL, strict: bool = True) -> bytes:
    """As thriftpy2 writes a call."""
    arguments = getattr(idl.StatisticService, f"{method}_args")()
    [field] = [spec[1] for spec in arguments.thrift_spec.values()]
    setattr(arguments, field, list(events))
    buffer = _buffer()
    protocol = _protocol(buffer, strict_write=strict)
    protocol.write_message_begin(method, kind, 0)
    protocol.write_struct(arguments)
    protocol.write_message_end()
    return bytes(buffer.getvalue())


def head(method: bytes = b"ChatMessages", word: int = 0x80010001) -> bytes:
    return struct.pack(">Ii", word, len(method)) + method + bytes(4)


def call(*events: bytes, method: bytes = b"ChatMessages") -> bytes:
    """A call of structs that are given as bytes."""
    return head(method) + struct.pack(">bhbi", LIST, 1, STRUCT, len(events)) + b"".join(events) + b"\0"


def field(kind: int, number: int, value: bytes) -> bytes:
    return struct.pack(">bh", kind, number) + value


def text(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def many(kind: int, *values: bytes, size: int | None = None) -> bytes:
    return struct.pack(">bi", kind, len(values) if size is None else size) + b"".join(values)


def pairs(key: int, value: int, *values: bytes, size: int | None = None) -> bytes:
    return struct.pack(">bbi", key, value, len(values) // 2 if size is None else size) + b"".join(values)


def events_of(body: bytes, thrift: ThriftInput = THRIFT) -> Sequence[Event]:
    [said] = thrift.read(body, AT).packets
    return said.events


def why(body: bytes, thrift: ThriftInput = THRIFT) -> str:
    try:
        thrift.read(body, AT)
    except Malformed as error:
        return str(error)
    raise AssertionError("it was taken")
