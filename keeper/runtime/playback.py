"""A recorded log as a source, and the clock that plays it: live speed or many times faster."""

from __future__ import annotations

import lzma
import re
from importlib import resources
from typing import NamedTuple

from keeper.core.batch import Chunk, SourceUp
from keeper.core.source import Emit, Wait
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
    """Recorded time: begins at `start`, runs `speed` times as fast as the world, and stands still at `end`."""

    def __init__(self, clock: Clock, start: float, end: float, speed: float) -> None:
        self._clock = clock
        self._origin = clock.now()
        self._start = start
        self._end = end
        self._speed = speed

    def now(self) -> float:
        return min(self._end, self._start + (self._clock.now() - self._origin) * self._speed)

    def drift(self) -> float:
        return 0.0

    def real(self, seconds: float) -> float:
        return seconds / self._speed


class Playback:
    """Hands over the pieces of a recording when the play clock reaches them."""

    def __init__(self, name: str, recorded: list[Piece], clock: PlayClock) -> None:
        self._name = name
        self._recorded = recorded
        self._clock = clock

    @property
    def name(self) -> str:
        return self._name

    def run(self, emit: Emit, wait: Wait) -> None:
        emit(SourceUp(self._name, self._clock.now()))
        for piece in self._recorded:
            ahead = self._clock.real(piece.at - self._clock.now())
            if wait(max(ahead, 0.0)):
                return
            emit(Chunk(self._name, piece.data, piece.at, position=""))
        while not wait(1.0):
            emit(SourceUp(self._name, self._clock.now()))
