"""Recorded logs, cut to be played, and the clock that plays them: live speed or many times faster."""

from __future__ import annotations

import lzma
import re
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from keeper.formats.nodeos_prefix import minute
from keeper.runtime.clock import Clock

_DATED = re.compile(rb"^\w* +(\d{4}-\d\d-\d\dT\d\d:\d\d):(\d\d\.\d{3}) ", re.MULTILINE)
_STEP = 0.1  # recorded seconds of lines that are handed over together


class Piece(NamedTuple):
    """Lines that were written within a tenth of a second, and when."""

    at: float
    data: bytes


def recording(name: str) -> list[Piece]:
    """A recording of the package by its name (`A`, `B`, `C` or `net`), cut into pieces."""
    packed = resources.files("keeper").joinpath("data", f"antelope-4.1-{name}.log.xz").read_bytes()
    return pieces(lzma.decompress(packed))


def pieces(log: bytes) -> list[Piece]:
    """Cut a log into pieces by the clock of its lines; lines without one stay with the line before them."""
    cut: list[Piece] = []
    starts = [(minute(match[1]) + float(match[2]), match.start()) for match in _DATED.finditer(log)]
    begin = 0
    at = starts[0][0] if starts else 0.0
    for time, offset in starts:
        if time >= at + _STEP:
            cut.append(Piece(at, log[begin:offset]))
            begin, at = offset, time
    cut.append(Piece(at, log[begin:]))
    return cut


class PlayClock:
    """Recorded time: begins at `start` and runs `speed` times as fast as the world, but never past what was handed
    over: on a slow machine the recording takes longer and stays the same."""

    def __init__(self, clock: Clock, start: float, speed: float) -> None:
        self._clock = clock
        self._origin = clock.now()
        self._start = start
        self._speed = speed
        self.limit = start

    def now(self) -> float:
        return min(self.limit, self._start + (self._clock.now() - self._origin) * self._speed)

    def drift(self) -> float:
        return 0.0

    def real(self, seconds: float) -> float:
        return seconds / self._speed


class Scene(NamedTuple):
    """A piece of one subject's recording."""

    at: float
    subject: str
    data: bytes


def scenes(recorded: Mapping[str, list[Piece]]) -> list[Scene]:
    """Several recordings as one, in order of time."""
    return sorted(
        (Scene(piece.at, subject, piece.data) for subject, cut in recorded.items() for piece in cut),
        key=lambda scene: scene.at,
    )
