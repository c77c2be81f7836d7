"""The recordings, repeated as one endless log: every repetition begins where the one before it ended."""

from __future__ import annotations

import lzma
import re
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}")
# The chain's clock: a repetition must begin a whole number of rounds later (21 producers, 126 s) to keep the schedule.
ROUND = 126
RECORDING_ROUNDS = 10  # the recording is 20 minutes, 9.5 rounds


def recording(name: str) -> bytes:
    return lzma.decompress(resources.files("keeper").joinpath("data", f"antelope-4.1-{name}.log.xz").read_bytes())


def repeated(name: str, lines: int, path: Path) -> int:
    """Write at least `lines` lines to `path`; returns how many."""
    once = recording(name)
    written = 0
    with path.open("wb") as out:
        repetition = 0
        while written < lines:
            shift = timedelta(seconds=repetition * RECORDING_ROUNDS * ROUND)
            out.write(_shifted(once, shift))
            written += once.count(b"\n")
            repetition += 1
    return written


def _shifted(log: bytes, shift: timedelta) -> bytes:
    def later(match: re.Match[bytes]) -> bytes:
        time = datetime.fromisoformat(match[0].decode()).replace(tzinfo=UTC) + shift
        return time.strftime("%Y-%m-%dT%H:%M:%S.").encode() + b"%03d" % (time.microsecond // 1000)

    return _TIME.sub(later, log)
