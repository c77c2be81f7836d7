"""What every log format is: bytes of complete lines in, events out."""

from __future__ import annotations

from typing import Protocol

from keeper.core.batch import Parsed
from keeper.core.event import Event


class Format(Protocol):
    """A format keeps only what a line needs of the lines before it (an open exception, the date of a clock)."""

    def parse(self, data: bytes, seen: float) -> Parsed:
        """Turn complete lines into events. `seen` dates lines whose clock has no date. Never raises on any bytes."""

    def flush(self, seen: float) -> list[Event]:
        """Hand out what was waiting for a continuation line, because none came for a while."""
