"""What Python 2.7 prints: a `repr` written from its sources' behaviour, independent of keeper's parser.

`Long` prints with its L, `Text` as u'...'; bytes print as plain strings; structs as Thrift's generated classes do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keeper.formats.pyrepr import Struct


@dataclass(frozen=True)
class Long:
    """An integer of Python 2's second kind."""

    number: int


def python2_repr(value: Any) -> str:
    """The text Python 2 prints for a value; a str prints as unicode, bytes as str."""
    kind = type(value)
    if kind in _PRINTERS:
        return _PRINTERS[kind](value)
    raise TypeError(f"no Python 2 value: {value!r}")


def _inside(text: str, quote: str, wide: bool) -> str:
    shown = []
    for character in text:
        code = ord(character)
        if character in (quote, "\\"):
            shown.append("\\" + character)
        elif character in "\t\n\r":
            shown.append({"\t": "\\t", "\n": "\\n", "\r": "\\r"}[character])
        elif 32 <= code < 127:
            shown.append(character)
        elif code < 256:
            shown.append(f"\\x{code:02x}")
        elif wide and code < 65536:
            shown.append(f"\\u{code:04x}")
        else:
            shown.append(f"\\U{code:08x}")
    return "".join(shown)


def _quoted(text: str, wide: bool) -> str:
    quote = '"' if "'" in text and '"' not in text else "'"
    return quote + _inside(text, quote, wide) + quote


def _bytes(value: bytes) -> str:
    return _quoted(value.decode("latin-1"), wide=False)


def _text(value: str) -> str:
    return "u" + _quoted(value, wide=True)


def _float(value: float) -> str:
    return repr(value)  # the same in 2.7 and since: shortest digits, `e+16`, nan, inf


def _items(values: Any) -> str:
    return ", ".join(python2_repr(value) for value in values)


def _tuple(value: tuple[Any, ...]) -> str:
    return f"({_items(value)}{',' if len(value) == 1 else ''})"


def _dict(value: dict[Any, Any]) -> str:
    return "{" + ", ".join(f"{python2_repr(k)}: {python2_repr(v)}" for k, v in value.items()) + "}"


def _struct(value: Struct) -> str:
    if value.args:
        return value.name + _tuple(value.args)
    return f"{value.name}({', '.join(f'{k}={python2_repr(v)}' for k, v in value.fields.items())})"


_PRINTERS: dict[type, Callable[[Any], str]] = {
    type(None): repr,
    bool: repr,
    int: repr,
    Long: lambda value: f"{value.number}L",
    float: _float,
    bytes: _bytes,
    str: _text,
    list: lambda value: f"[{_items(value)}]",
    tuple: _tuple,
    dict: _dict,
    set: lambda value: f"set([{_items(value)}])",
    frozenset: lambda value: f"frozenset([{_items(value)}])",
    Struct: _struct,
}
