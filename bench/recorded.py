"""The recordings, repeated as one endless log: every repetition begins where the one before it ended."""

from __future__ import annotations

import lzma
import re
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

RECORDINGS = ("A", "B", "C", "net")
# Who signs in them: the account that A, B and C share, and those of `net`.
OURS = "eosstore"
OTHERS = tuple(f"bp{letter}" for letter in "abcdefghijklmnopqrst")

# A repetition begins a whole number of rounds (21 producers, 126 s) after the one before it, so that every window stays
# where the schedule has it. A recording lasts 20 minutes, 9.5 rounds; the minute between two is a node being restarted,
# with its network: each begins anew at block 1 with one producer.
SHIFT = timedelta(seconds=10 * 126)

_SECOND = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?=\.\d{3})")


def recording(name: str) -> bytes:
    return lzma.decompress(resources.files("keeper").joinpath("data", f"antelope-4.1-{name}.log.xz").read_bytes())


def repeated(name: str, lines: int, path: Path) -> int:
    """Write at least `lines` lines to `path`; returns how many."""
    once = recording(name)
    each = once.count(b"\n")
    repetitions = -(-lines // each)
    with path.open("wb") as out:
        for repetition in range(repetitions):
            out.write(_later(once, repetition * SHIFT))
    return repetitions * each


def _later(log: bytes, shift: timedelta) -> bytes:
    moved: dict[bytes, bytes] = {}

    def later(match: re.Match[bytes]) -> bytes:
        text = match[0]
        if text not in moved:
            time = datetime.fromisoformat(text.decode()).replace(tzinfo=UTC) + shift
            moved[text] = time.strftime("%Y-%m-%dT%H:%M:%S").encode()
        return moved[text]

    return _SECOND.sub(later, log)
