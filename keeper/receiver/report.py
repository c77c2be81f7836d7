"""What a worker tells the receiver, a line of JSON at a time; counts are since the line before."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    fresh: int = 0
    events: int = 0
    repeated: int = 0
    returned: int = 0
    dead: int = 0
    seconds: float = 0.0  # that storing took; 0: nothing was stored
    trouble: str = ""

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def read_report(line: bytes) -> Report | None:
    """None when it is none: something else wrote to the worker's standard output."""
    try:
        return Report(**json.loads(line))
    except (ValueError, TypeError):
        return None
