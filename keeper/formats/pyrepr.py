"""Python 2 reprs, as the statistics agent logs them, into values. Nothing is ever evaluated.

    123 123L True None          int, bool, None          1.5 1e+16 nan -inf        float
    'a\\xd0' b'a'                bytes                    u'\\u0414'                 str
    [1] (1,) {1: 2}             list, tuple, dict        set([1]) frozenset([1])   set, frozenset
    Name(field=1) Error('x',)   Struct, whatever the name

What Python 2 would not have printed is no value: unescaped bytes outside ASCII, unknown escapes, `<object at 0x..>`.
Time and memory are linear in the length of the text; no text makes it recurse.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

MAX_DEPTH = 100  # brackets inside brackets
MAX_DIGITS = 400  # of one number: a 64-bit integer has 20, a float at most 24

# None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset or Struct, nested.
Value: TypeAlias = Any


class NotAValue(ValueError):  # noqa: N818  # it is an answer, and reads as one where it is caught
    """The text is no value. `offset` is the byte where reading stopped, `what` half a sentence about it."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"{what}, at byte {offset}")
        self.offset = offset
        self.what = what


@dataclass(frozen=True, slots=True)
class Struct:
    """`Name(field=value, ...)`. The order of fields means nothing; `args` are values without a field's name."""

    name: str
    fields: dict[str, Value]
    args: tuple[Value, ...] = ()

    def __hash__(self) -> int:  # Python 2 puts such objects into sets; what they hold need not be hashable
        return hash((self.name, frozenset(self.fields)))


# Quantifiers with `+` behind keep nothing to go back to: linear time, and no memory for each character.
# Inside the quotes stands printable ASCII.
_IN_SINGLE = rb"(?:[ -&(-\[\]-~]++|\\[ -~])*+"
_IN_DOUBLE = rb"(?:[ !#-\[\]-~]++|\\[ -~])*+"
_VALUE = re.compile(
    rb" *+(?:([A-Za-z_]\w*+)=)?(?:"  # 1: the name of a field
    rb"(u|b)?(?:'(" + _IN_SINGLE + rb")'|\"(" + _IN_DOUBLE + rb")\")"  # 2, 3, 4: a string
    rb"|(0|-?[1-9]\d*+)(?:L|(?![\d.eE]))"  # 5: an integer
    rb"|(-?(?:0|[1-9]\d*+)(?:\.\d++(?:e[+-]\d++)?|e[+-]\d++)|-?inf(?![\w.(])|nan(?![\w.(]))"  # 6: a float
    rb"|(None|True|False)(?![\w.(])"  # 7
    rb"|([A-Za-z_][\w.]*+(?=\())?([\[({])"  # 8, 9: a name before a parenthesis, and what opens
    rb")",
    re.ASCII,
)
_AFTER = re.compile(rb" *+([,:\])}])")
_CLOSE = re.compile(rb" *+([\])}])")
# What may stand before a value, with its quote: for saying what is wrong with it.
_BEGINS = re.compile(rb" *+(?:[A-Za-z_]\w*+=)?(?:[ub]?(['\"]))?", re.ASCII)
_INSIDE_SINGLE = re.compile(_IN_SINGLE)
_INSIDE_DOUBLE = re.compile(_IN_DOUBLE)

_ESCAPE = rb"[\\'\"nrtabfv]|x[0-9A-Fa-f]{2}|[0-3][0-7]{2}|[0-7]{1,2}(?![0-7])"
_BYTES = re.compile(rb"(?:[^\\]++|\\(?:" + _ESCAPE + rb"))*+")
_TEXT = re.compile(rb"(?:[^\\]++|\\(?:" + _ESCAPE + rb"|u[0-9A-Fa-f]{4}|U000[0-9A-Fa-f]{5}|U0010[0-9A-Fa-f]{4}))*+")

_STRING, _STRING2, _INTEGER, _FLOAT, _WORD, _OPENS = 3, 4, 5, 6, 7, 9
_WORDS = {b"None": None, b"True": True, b"False": False}
_CLOSES = {b"[": b"]", b"(": b")", b"{": b"}"}
_SETS = {"set": set, "frozenset": frozenset}


def parse(text: bytes) -> Value:
    """Return the exact value of the whole text. Raises NotAValue."""
    stack: list[_Open] = []
    position = 0
    while True:
        match = _VALUE.match(text, position)
        if match is None:
            _refuse(text, position, "a value")
        position = match.end()
        name = match[1]
        if match.lastindex == _OPENS:
            opened = _opened(match, len(stack))
            closing = _CLOSE.match(text, position)
            if closing is None:
                stack.append(opened)
                continue
            position = closing.end()
            value = opened.closed(closing)
        else:
            value = _simple(match)
        # A value is complete. Hand it to what it stands in, and close whatever closes behind it.
        while stack:
            top = stack[-1]
            top.add(name, value, position)
            if top.bracket != b"{" and text.startswith(b", ", position):  # as nearly always
                position += 2
                break
            after = _AFTER.match(text, position)
            if after is None:
                _refuse(text, position, top.wants())
            position = after.end()
            if after[1] in b",:":
                top.separate(after)
                closing = _CLOSE.match(text, position)
                if closing is None:
                    break
                top.end_with_comma(closing)
                after, position = closing, closing.end()
            stack.pop()
            value, name = top.closed(after), top.own_field
        else:
            _check_whole(text, position, name)
            return value


@dataclass(slots=True)
class _Open:
    """A bracket that is not closed yet. In a dict, `items` are keys and values by turns."""

    own_field: bytes | None  # of the struct it stands in
    name: str | None
    bracket: bytes
    offset: int
    items: list[Value] = field(default_factory=list)
    fields: dict[str, Value] = field(default_factory=dict)

    def add(self, name: bytes | None, value: Value, offset: int) -> None:
        if name is None:
            if self.fields:
                raise NotAValue(offset, f"a value without a name behind fields of {self.name}")
            self.items.append(value)
            return
        key = name.decode()
        if self.name is None:
            raise NotAValue(offset, f"a field {key!r} outside a struct")
        if key in self.fields or self.items:
            raise NotAValue(offset, f"{self.name} has a field {key!r} that is repeated or stands behind plain values")
        self.fields[key] = value

    def wants(self) -> str:
        """What may follow a value."""
        return "`:`" if self._wants_colon() else f"`,` or `{_CLOSES[self.bracket].decode()}`"

    def _wants_colon(self) -> bool:
        return self.bracket == b"{" and len(self.items) % 2 == 1

    def separate(self, after: re.Match[bytes]) -> None:
        if (after[1] == b":") != self._wants_colon():
            raise NotAValue(after.start(1), f"{self.wants()} expected")

    def end_with_comma(self, closing: re.Match[bytes]) -> None:
        """`(1,)` and `Error('x',)`: nothing else ends with a comma."""
        if self.bracket != b"(" or len(self.items) != 1:
            raise NotAValue(closing.start(1), "a value expected")
        self.bracket = b"(,"

    def closed(self, closing: re.Match[bytes]) -> Value:
        """The value, now that it is complete."""
        if closing[1] != _CLOSES[self.bracket[:1]] or self._wants_colon():
            raise NotAValue(closing.start(1), f"{self.wants()} expected")
        if self.name is not None:
            return self._named(self.name)
        if self.bracket == b"{":
            return self._dict()
        if self.bracket == b"[":
            return self.items
        if self.bracket == b"(" and len(self.items) == 1:
            raise NotAValue(closing.start(1), "a tuple of one value ends with a comma")
        return tuple(self.items)

    def _dict(self) -> dict[Value, Value]:
        try:
            made = dict(zip(self.items[::2], self.items[1::2], strict=True))
        except TypeError:
            raise NotAValue(self.offset, "a dict with a key that cannot be one") from None
        if 2 * len(made) != len(self.items):
            raise NotAValue(self.offset, "a dict with a key that is repeated")
        return made

    def _named(self, name: str) -> Value:
        if name not in _SETS:
            return Struct(name, self.fields, tuple(self.items))
        elements = self.items[0] if self.items else []
        if self.fields or len(self.items) > 1 or not isinstance(elements, list):
            raise NotAValue(self.offset, f"a {name} of something else than a list")
        try:
            made: set[Value] | frozenset[Value] = _SETS[name](elements)
        except TypeError:
            raise NotAValue(self.offset, f"a {name} with an element that cannot be in one") from None
        if len(made) != len(elements):
            raise NotAValue(self.offset, f"a {name} with an element that is repeated")
        return made


def _check_whole(text: bytes, end: int, name: bytes | None) -> None:
    if name is not None:
        raise NotAValue(0, f"a field {name.decode()!r} outside a struct")
    if text[end:].strip(b" "):
        raise NotAValue(end, "the value ends before the text does")


def _opened(match: re.Match[bytes], depth: int) -> _Open:
    if depth == MAX_DEPTH:
        raise NotAValue(match.start(_OPENS), f"more than {MAX_DEPTH} brackets inside each other")
    return _Open(match[1], match[8].decode() if match[8] else None, match[_OPENS], match.start(_OPENS))


def _simple(match: re.Match[bytes]) -> Value:
    kind = match.lastindex
    if kind in (_STRING, _STRING2):
        return _string(match, kind)
    text = match[kind or 0]
    if kind == _WORD:
        return _WORDS[text]
    if len(text) > MAX_DIGITS:
        raise NotAValue(match.start(kind or 0), f"a number of more than {MAX_DIGITS} characters")
    if kind == _INTEGER:
        return int(text)
    number = float(text)
    if math.isinf(number) and not text.endswith(b"inf"):
        raise NotAValue(match.start(_FLOAT), "a number too large for a float")
    return number


def _string(match: re.Match[bytes], kind: int) -> str | bytes:
    body, prefix = match[kind], match[2]
    if b"\\" not in body:
        return body.decode() if prefix == b"u" else body
    valid = (_TEXT if prefix == b"u" else _BYTES).match(body)
    if valid is None or valid.end() != len(body):
        raise NotAValue(match.start(kind) + (valid.end() if valid else 0), "an escape that Python 2 does not print")
    # Every escape has been checked; in bytes none is beyond \xff, so latin-1 is exact.
    text = body.decode("unicode_escape")
    return text if prefix == b"u" else text.encode("latin-1")


def _refuse(text: bytes, position: int, expected: str) -> NoReturn:
    """Say what stands where something else should, or that nothing does."""
    begins = _BEGINS.match(text, position)
    position = begins.end() if begins else position
    if expected == "a value" and begins and begins[1]:
        inside = (_INSIDE_SINGLE if begins[1] == b"'" else _INSIDE_DOUBLE).match(text, position)
        position = inside.end() if inside else position
        if position < len(text):
            raise NotAValue(position, f"a byte 0x{text[position]:02x} in a string, which Python 2 never prints")
        raise NotAValue(position, "a string that does not end")
    if position == len(text):
        raise NotAValue(position, f"the text ends where {expected} should stand")
    raise NotAValue(position, f"{expected} expected")
