"""How values are written so that the same event has the same content, whichever way it came.

- A whole number is one, whether it came as 5 or as 5.0 (as in RFC 8785), up to 2**53: above, doubles are not exact.
- What JSON has no number for is a text: "NaN", "Infinity", "-Infinity".
- A set is a list in order.
- Keys are texts: 5 is "5", true is "true".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keeper.receiver.packet import canonical

EXACT = 1 << 53  # below, every whole number is a double
_NUMBERS = (int, float, bool)


def number(value: float) -> float | str:
    if -EXACT <= value <= EXACT:
        return int(value) if value.is_integer() else value
    if value - value == 0:  # neither infinite nor not a number
        return value
    return "Infinity" if value > 0 else "-Infinity" if value < 0 else "NaN"


def in_order(values: Iterable[Any]) -> list[Any]:
    """Numbers by their size, all else by how it is written."""
    found = list(values)
    if all(type(one) in _NUMBERS for one in found):
        return sorted(found)
    return sorted(found, key=canonical)


def key(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value).decode()
