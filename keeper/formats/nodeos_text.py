"""What the readers of nodeos messages share: how a sentence is kept, and the times and numbers in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from keeper.core.event import Event
from keeper.formats.nodeos_prefix import minute, seconds

ERROR_LEVELS = (b"error", b"warn")  # of 1.4 on; before, no line has a level
MAX_DETAIL = 20  # continuation lines kept with an exception
MAX_TEXT = 500  # bytes of a sentence or continuation line kept

# Pieces of patterns, each one group.
NUMBER = rb"(\d{1,15})"
NAME = rb"([\w.-]{1,64})"
ID = rb"([0-9a-f]{8,16})"
SLOT = rb"(\S{16}):(\S{2,12})"  # two groups: day and minute, seconds


class Held(NamedTuple):
    """An error that waits for its continuation lines.

    `reason` is set when it is known to be a rejected block. `certain` is False where only lines that follow would make
    it an exception (an error line nobody knows).
    """

    at: float
    reason: str | None
    number: int | None
    message: bytes
    certain: bool


Outcome: TypeAlias = Event | Held | None
Reader: TypeAlias = Callable[[float, bytes], Outcome]


def text_of(message: bytes) -> str:
    """Decode a sentence for people, cut at MAX_TEXT bytes, without blanks at its end."""
    return message[:MAX_TEXT].rstrip().decode("utf-8", "replace")


def block_time(message: bytes) -> float | None:
    """Return the time a message gives to the block it speaks of, None if it has none."""
    found = _BLOCK_TIME.search(message, 0, 256)
    return None if found is None else epoch_of(found[1], found[2])


def latency_of(message: bytes) -> float | None:
    """Return the latency in seconds that ends a block line, None where there is none."""
    found = _LATENCY.findall(message[-256:])
    return int(found[-1]) / 1000 if found else None


_BLOCK_TIME = re.compile(rb"(?:@ ?|from [\w.-]{1,64} )(\d{4}-\d\d-\d\dT\d\d:\d\d):([0-5]\d(?:\.\d{1,9})?)")
_LATENCY = re.compile(rb" latency: (-?\d{1,15}) ms")


def epoch_of(day_minute: bytes, second: bytes) -> float | None:
    try:
        return minute(day_minute) + seconds(second)
    except ValueError:
        return None


def int_of(found: re.Match[bytes] | None) -> int | None:
    return None if found is None else int(found[1])
