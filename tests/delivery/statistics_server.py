"""A real statistics server: HTTP on loopback, every body decoded by thriftpy2 with the IDL, as the site's own would."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import thriftpy2
from thriftpy2.protocol.binary import TBinaryProtocol
from thriftpy2.thrift import TMessageType
from thriftpy2.transport import TMemoryBuffer

from tests.notifiers.receiver import Receiver, Request

IDL = Path(__file__).parents[1] / "data" / "statistics.thrift"
_modules = itertools.count()


class Call(NamedTuple):
    """One decoded packet: the method, its list of events, and what identifies it."""

    method: str
    events: list[Any]
    packet: int
    content: str


class StatisticsServer(Receiver):
    """Takes packets as `Receiver` does; `calls` decodes all of them, `accepted` those that were answered with 200."""

    module: Any = None

    def calls(self) -> list[Call]:
        return [decode(request) for request in self.received()]

    def times(self) -> Counter[tuple[int, str]]:
        """How often each packet came."""
        return Counter(identity(request) for request in self.received())


def identity(request: Request) -> tuple[int, str]:
    found = re.fullmatch(r'"([^/]+)/(\d+)/([0-9a-f]{32})"', request.headers["Idempotency-Key"])
    assert found, request.headers
    return int(found[2]), found[3]


def load() -> Any:
    return thriftpy2.load(str(IDL), module_name=f"test_idl_{next(_modules)}_thrift")


_idl = load()
_buffer: Any = TMemoryBuffer
_protocol: Any = TBinaryProtocol  # thriftpy2 says it has types, and these have none


def decode(request: Request) -> Call:
    """Decode with thriftpy2 alone; AssertionError when a byte is left over or the message is no CALL."""
    buffer = _buffer(request.body)
    protocol = _protocol(buffer)
    method, kind, number = protocol.read_message_begin()
    assert (kind, number) == (TMessageType.CALL, 0)
    arguments = getattr(_idl.StatisticService, f"{method}_args")()
    protocol.read_struct(arguments)
    protocol.read_message_end()
    assert buffer.read(1) == b"", "bytes behind the message"
    [events] = vars(arguments).values()
    return Call(method, events, *identity(request))
