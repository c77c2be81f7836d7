"""When an event happened, as far as it says so itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EARLIEST = 946_684_800  # 2000-01-01: before, a clock was not set
AHEAD = 86_400  # a clock may be wrong by a time zone, not by more
MILLIS = 1e11  # from here on it is not seconds (the year 5138) but milliseconds (1973)


def event_time(fields: Mapping[str, Any], at: float) -> float | None:
    """Its field `timestamp` in seconds since the epoch; None when it has none, or one that cannot be for what came
    `at`."""
    said = fields.get("timestamp")
    if type(said) is not int and type(said) is not float:  # True is an int, too
        return None
    unit = 1 if said < MILLIS else 1000
    return said / unit if EARLIEST * unit <= said <= (at + AHEAD) * unit else None
