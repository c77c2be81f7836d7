"""Options as dataclass fields: each says how its text is read, what its default is and what it means.

A settings class is a frozen dataclass whose fields are made by `duration`, `size`, `count`, ... The configuration
reads every section through `options_of`, `check-config` names every mistake with it, and a test compares it with
`config.ini.example`, so that no option exists undocumented.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SIZES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its key in the file, how its text becomes a value (ValueError says what would be right), its default
    text (None: it must be given) and one line of explanation."""

    key: str
    field: str
    read: Callable[[str], Any]
    default: str | None
    meaning: str
    secret: bool = False


def read_duration(text: str) -> float:
    """`90s`, `1m30s`, `250ms`, `2h` → seconds. A bare number is refused: nobody remembers its unit at three o'clock."""
    compact = text.replace(" ", "")
    parts = _DURATION.findall(compact)
    if not parts or "".join(n + u for n, u in parts) != compact:
        raise ValueError(f"{text!r} is not a duration; write a number with a unit, such as 10s, 500ms, 2m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def read_size(text: str) -> int:
    """`64KiB`, `4MiB`, `1000` → bytes."""
    match = re.fullmatch(r"(\d+)\s*(B|KiB|MiB|GiB)?", text)
    if not match:
        raise ValueError(f"{text!r} is not a size; write bytes or a number with KiB, MiB or GiB, such as 4MiB")
    return int(match[1]) * _SIZES[match[2] or ""]


def read_flag(text: str) -> bool:
    word = text.lower()
    if word in ("yes", "true", "on", "1"):
        return True
    if word in ("no", "false", "off", "0"):
        return False
    raise ValueError(f"{text!r} is neither yes nor no")


def read_url(text: str) -> str:
    """An http or https address with a host; credentials in it are allowed and never shown."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{shown_url(text)!r} is not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(f"{shown_url(text)!r} is not an address; write http://HOST:PORT or https://HOST")
    return text.rstrip("/")


def shown_url(text: str) -> str:
    """The address without user, password and query, fit for logs, labels and pages."""
    bare = re.sub(r"^(\w+://)[^/?#]*@", r"\1", text)
    return bare.split("?", 1)[0]


def _list(text: str) -> list[str]:
    return [part for part in (p.strip() for p in re.split(r"[,\n]", text)) if part]


def _option(
    default: str | None, read: Callable[[str], Any], meaning: str, key: str | None, secret: bool = False
) -> Any:
    metadata = {"read": read, "default": default, "meaning": meaning, "key": key, "secret": secret}
    if default is None:
        return field(metadata=metadata, repr=not secret)
    return field(default=read(default), metadata=metadata, repr=not secret)


def option(default: str | None, read: Callable[[str], Any], meaning: str, *, key: str | None = None) -> Any:
    """An option with a reading of its own."""
    return _option(default, read, meaning, key)


def duration(default: str | None, meaning: str, *, key: str | None = None, minimum: float = 0.0) -> Any:
    def read(text: str) -> float:
        seconds = read_duration(text)
        if seconds < minimum:
            raise ValueError(f"{text} is too short; the least is {minimum:g}s")
        return seconds

    return _option(default, read, meaning, key)


def size(default: str | None, meaning: str, *, minimum: int = 0) -> Any:
    def read(text: str) -> int:
        number = read_size(text)
        if number < minimum:
            raise ValueError(f"{text} is too small; the least is {minimum} bytes")
        return number

    return _option(default, read, meaning, None)


def count(default: str | None, meaning: str, *, minimum: int = 0, maximum: int = 1_000_000) -> Any:
    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"{text!r} is not a whole number from {minimum} to {maximum}")
        return int(text)

    return _option(default, read, meaning, None)


def share(default: str | None, meaning: str) -> Any:
    def read(text: str) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text)
        if not match or float(match[1]) > 100:
            raise ValueError(f"{text!r} is not a share; write a percentage such as 50%")
        return float(match[1]) / 100

    return _option(default, read, meaning, None)


def number(default: str | None, meaning: str) -> Any:
    """A decimal number, or nothing when the default is empty."""

    def read(text: str) -> float | None:
        if not text:
            return None
        if not re.fullmatch(r"-?\d+(\.\d+)?", text):
            raise ValueError(f"{text!r} is not a number")
        return float(text)

    return _option(default, read, meaning, None)


def factor(default: str | None, meaning: str) -> Any:
    """How many times as much: a decimal number above 1."""

    def read(text: str) -> float:
        if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) <= 1:
            raise ValueError(f"{text!r} is not a number above 1, such as 2 or 1.5")
        return float(text)

    return _option(default, read, meaning, None)


def flag(default: str | None, meaning: str) -> Any:
    return _option(default, read_flag, meaning, None)


def choice(default: str | None, words: tuple[str, ...], meaning: str) -> Any:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return _option(default, read, meaning, None)


def text(default: str | None, meaning: str) -> Any:
    def read(value: str) -> str:
        if "\x00" in value or len(value) > 4096:
            raise ValueError("the text has a NUL byte or more than 4096 characters")
        return value

    return _option(default, read, meaning, None)


def names(default: str | None, meaning: str) -> Any:
    def read(value: str) -> tuple[str, ...]:
        parts = _list(value)
        for part in parts:
            if not _NAME.fullmatch(part):
                raise ValueError(f"{part!r} is not a name; use letters, digits, dot, dash and underscore")
        return tuple(parts)

    return _option(default, read, meaning, None)


def url(default: str | None, meaning: str) -> Any:
    return _option(default, lambda value: read_url(value) if value else "", meaning, None)


def urls(default: str | None, meaning: str) -> Any:
    return _option(default, lambda value: tuple(dict.fromkeys(read_url(part) for part in _list(value))), meaning, None)


def secret(default: str | None, meaning: str) -> Any:
    """A text that is never shown: `${ENV}` or `file:/path` in the configuration, resolved before it is read."""
    return _option(default, str, meaning, None, secret=True)


def options_of(settings: type) -> list[Option]:
    """Every option of a settings class, in the order it declares them."""
    found = []
    for declared in fields(settings):
        if "read" in declared.metadata:
            given = declared.metadata["key"] or declared.name
            default = declared.metadata["default"] if declared.default is not MISSING else None
            read, meaning, hidden = (declared.metadata[key] for key in ("read", "meaning", "secret"))
            found.append(Option(given, declared.name, read, default, meaning, hidden))
    return found
