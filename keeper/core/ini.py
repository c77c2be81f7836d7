"""Reads an INI file and remembers on which line everything stands.

`configparser` reads the same files but tells no line numbers and stops at the first duplicate; `check-config` must show
every mistake of a file with its line in one run, hence these fifty lines. The grammar is configparser's common part:
`[section]`, `option = value`, whole-line comments with `#` or `;`, a comment behind a value after ` ;`, and indented
lines that continue a value.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SECTION = re.compile(r"\[([^\[\]]+)\]\s*(?:[;#].*)?")
_OPTION = re.compile(r"([^\s=;#\[][^=]*?)\s*=\s*(.*)")
_COMMENT = re.compile(r"(?:^|\s);.*$")


class Entry(NamedTuple):
    """One option as written. `value` is stripped, without its comment; continued lines are joined by newlines."""

    line: int
    section: str
    option: str
    value: str


class Heading(NamedTuple):
    line: int
    section: str


class Ini(NamedTuple):
    headings: list[Heading]
    entries: list[Entry]
    problems: list[tuple[int, str]]


def read_ini(text: str) -> Ini:
    """Read the whole text; what cannot be understood becomes a problem (line, sentence), never an exception."""
    ini = Ini([], [], [])
    section: str | None = None
    for line, raw in enumerate(text.splitlines(), start=1):
        stripped = raw.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if raw[0] in " \t" and ini.entries and section == ini.entries[-1].section:
            last = ini.entries[-1]
            more = _COMMENT.sub("", stripped).strip()
            ini.entries[-1] = last._replace(value=f"{last.value}\n{more}" if last.value else more)
        elif heading := _SECTION.fullmatch(stripped):
            section = heading[1].strip()
            ini.headings.append(Heading(line, section))
        elif option := _OPTION.fullmatch(stripped):
            if section is None:
                ini.problems.append((line, f"option {option[1]!r} stands before the first [section]"))
                continue
            ini.entries.append(Entry(line, section, option[1].strip(), _COMMENT.sub("", option[2]).strip()))
        else:
            ini.problems.append((line, f"{stripped[:60]!r} is neither [section] nor option = value"))
    return ini
