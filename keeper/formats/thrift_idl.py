"""The site's IDL, as thriftpy2 reads it, and the numbers of Thrift's binary protocol: what its writer (delivery) and
its reader (receiver) have in common.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from keeper.errors import KeeperError

BOOL, BYTE, DOUBLE, I16, I32, I64, STRING, STRUCT, MAP, SET, LIST = 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15
BINARY = 18  # thriftpy2's own mark for a string that the IDL calls binary; STRING on the wire
CALL, REPLY, EXCEPTION, ONEWAY = 1, 2, 3, 4
VERSION = 0x80010000

_modules = itertools.count()  # thriftpy2 keeps what it read under a name, and a changed file must be read again


class Field(NamedTuple):
    """`kind` is one of the numbers above, `spec` what thriftpy2 says of its parts, None if it has none."""

    number: int
    kind: int
    name: str
    spec: Any
    required: bool


class Idl(NamedTuple):
    """`methods` are those that take one list; each with what thriftpy2 says of the list's items. `structs` are
    thriftpy2's classes."""

    methods: Mapping[str, Any]
    structs: Mapping[str, Any]


def read_idl(path: Path) -> Idl:
    """Raises KeeperError, naming what is wrong with the file."""
    try:
        import thriftpy2  # noqa: PLC0415  # an extra: only sites with Thrift need it
    except ImportError as error:
        raise KeeperError("Thrift needs an extra package: pip install 'keeper[thrift]'") from error
    try:
        module = thriftpy2.load(str(path), module_name=f"keeper_idl_{next(_modules)}_thrift")
    except OSError as error:
        raise KeeperError(f"cannot read the IDL {path}: {error.strerror or error}") from error
    except Exception as error:  # the parser raises classes of its own, and of ply's
        raise KeeperError(f"the IDL {path} cannot be understood: {error}") from error
    methods = {}
    for service in module.__thrift_meta__["services"]:
        for method in service.thrift_services:
            arguments = getattr(service, f"{method}_args").thrift_spec
            if list(arguments) == [1] and arguments[1][0] == LIST:
                methods[method] = arguments[1][2]
    return Idl(methods, {one.__name__: one for one in module.__thrift_meta__["structs"]})


def fields_of(struct: Any) -> Iterator[Field]:
    """The fields of one of thriftpy2's classes."""
    for number, entry in struct.thrift_spec.items():
        kind, name, spec, required = entry if len(entry) == 4 else (entry[0], entry[1], None, entry[2])
        yield Field(number, kind, name, spec, required)


def parts(spec: Any) -> tuple[int, Any]:
    """thriftpy2 writes `kind` for a plain one, `(kind, more)` for one that has parts."""
    return (spec[0], spec[1]) if isinstance(spec, tuple) else (spec, None)


def on_wire(kind: int) -> int:
    return STRING if kind == BINARY else kind
