"""keeper's clocks. No other file imports `time`.

The *steady* clock counts seconds since the Unix epoch as of keeper's start and then follows the monotonic clock: it
looks like a date but never jumps, so durations are right whatever NTP or a person does to the wall clock. `drift` is
how far the wall clock has moved away from it since.
"""

from __future__ import annotations

import time
from functools import lru_cache


class Clock:
    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()

    def now(self) -> float:
        """Steady seconds since the Unix epoch."""
        return self._base + time.monotonic()

    def wall(self) -> float:
        """What the wall clock says now, in seconds since the Unix epoch."""
        return time.time()

    def drift(self) -> float:
        """Wall clock minus steady clock, in seconds: 0 until somebody sets the clock."""
        return time.time() - self.now()

    def real(self, seconds: float) -> float:
        """How long so many seconds of this clock last in the world: a demo's clock runs faster."""
        return seconds


@lru_cache(4096)  # the status says the same times again every second
def iso(seconds: float) -> str:
    """`2026-11-20T20:36:18.250Z`"""
    millis = round(seconds * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000)) + f".{millis % 1000:03d}Z"


def clock_time(seconds: float) -> str:
    """`20:36:18` of the day, UTC."""
    return time.strftime("%H:%M:%S", time.gmtime(seconds))


def since_boot() -> float:
    """Seconds since the machine started, sleep included: one clock for all processes, for deadlines that hold between
    them and between hosts."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def cpu_seconds() -> float:
    """Processor time this process has used."""
    return time.process_time()
