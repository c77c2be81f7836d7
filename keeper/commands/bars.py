"""Tables with bars for a terminal. Pure: the width is given."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

EIGHTHS = " ▏▎▍▌▋▊▉█"
LONGEST = 48  # columns of a name
DOTS = "..."
LEAST = 8  # columns of a bar; with less room there is none


class Row(NamedTuple):
    name: str
    packets: int
    events: int


def table(head: str, rows: Sequence[Row], total: Row, width: int, blocks: str) -> list[str]:
    """Lines of at most `width` columns, if names and numbers leave room; a bar for the events of each row. `blocks` are
    the parts of a bar from nothing to a whole column; empty: no bars."""
    shown = [Row(printable(row.name), row.packets, row.events) for row in rows]
    packets = max(len("packets"), len(f"{total.packets:,}"))
    events = max(len("events"), len(f"{total.events:,}"))
    numbers = packets + events + 4
    longest = max(columns(row.name) for row in [*shown, total, Row(head, 0, 0)])
    name = max(min(longest, LONGEST, width - numbers - (LEAST if blocks else 0)), 10)
    room = width - name - numbers - 2 if blocks else 0
    most = max((row.events for row in shown), default=0)
    lines = [f"{padded(head, name)}  {'packets':>{packets}}  {'events':>{events}}"]
    for row in [*shown, total]:
        drawn = bar(row.events, most, room, blocks) if row is not total and room >= LEAST else ""
        line = f"{padded(row.name, name)}  {row.packets:>{packets},}  {row.events:>{events},}"
        lines.append(f"{line}  {drawn}" if drawn else line)
    return lines


def bar(number: int, most: int, width: int, blocks: str) -> str:
    """As long as its part of the most; whatever is not 0 can be seen."""
    if not number:
        return ""
    steps = len(blocks) - 1
    whole, part = divmod(max(round(number / most * width * steps), 1), steps)
    return blocks[-1] * whole + (blocks[part] if part else "")


def printable(text: str) -> str:
    """What a terminal may get: nothing that moves its cursor or hides what stands there."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def columns(text: str) -> int:
    return sum(_columns(one) for one in text)


def padded(text: str, width: int) -> str:
    """Exactly so many columns; what is longer ends with dots."""
    if columns(text) > width:
        taken, room = "", width - len(DOTS)
        for one in text:
            room -= _columns(one)
            if room < 0:
                break
            taken += one
        text = taken + DOTS
    return text + " " * (width - columns(text))


def _columns(one: str) -> int:
    if unicodedata.combining(one):
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1
