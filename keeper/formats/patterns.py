"""The format of any other log: named patterns of the configuration, matched by RE2 in time linear to the line.

Patterns match bytes: a `.` is one byte, text outside ASCII matches as its UTF-8 bytes, and no byte does any harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import re2

from keeper.core.batch import Parsed
from keeper.core.event import Event, PatternMatched
from keeper.errors import ConfigError

MAX_TEXT = 500  # bytes of a line kept with a match

_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_BACK_REFERENCE = re.compile(r"(?<!\\)(?:\\\\)*(?:\\[1-9]|\(\?P=)")


class PatternFormat:
    """Makes a PatternMatched of every line and pattern that match, in the order of the lines, then of the patterns.

    No grammar is known, so every line counts as recognised; `at` is the time of arrival.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        """Raise ConfigError, with one sentence for each, if patterns cannot be used."""
        problems = {name: check_pattern(text) for name, text in patterns.items()}
        if wrong := [f"pattern {name}: {problem}" for name, problem in problems.items() if problem]:
            raise ConfigError(wrong)
        self._searches = [(name, _compiled(text).search) for name, text in patterns.items()]

    def parse(self, data: bytes, seen: float) -> Parsed:
        lines = data.removesuffix(b"\n").split(b"\n") if data else []
        events: list[Event] = [
            PatternMatched(seen, name, line[:MAX_TEXT].decode("utf-8", "replace"))
            for line in lines
            for name, search in self._searches
            if search(line.rstrip(b"\r"))
        ]
        return Parsed(events, len(lines), len(lines), 0)

    def flush(self, seen: float) -> list[Event]:
        """Return nothing: no line waits for another."""
        return []


def check_pattern(text: str) -> str | None:
    """Say in one sentence what is wrong with a pattern and how to mend it, None if it can be used."""
    if not text:
        return "the pattern is empty and would match every line; write what the line must contain"
    try:
        _compiled(text)
    except re2.error as error:
        if _LOOKAROUND.search(text):
            return f"{text!r} looks around with (?=, (?!, (?<= or (?<!, which RE2 cannot; match the whole text instead"
        if _BACK_REFERENCE.search(text):
            return f"{text!r} refers back to a group, which RE2 cannot; write out what may stand there"
        reason = error.args[0] if error.args else "unknown"
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        return f"{text!r} is not a pattern RE2 knows ({reason}); its syntax: https://github.com/google/re2/wiki/Syntax"
    return None


def _compiled(text: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(text.encode("utf-8", "surrogateescape"), options)
