"""Filters (Bloom's) over runs of contents: of nearly everything that is in no run they say so, and of the rest in which
runs it may be.

The filters of 64 runs lie side by side: a word of memory for each of POSITIONS, a bit in it for each run. So it costs
five words to ask all of them. A *plane* is the bytes that are of eight of these runs, as kept in the file.

By numpy, for a batch of contents at once: one by one they took 3 µs each, more than half of what all the rest takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

# Nothing here multiplies matrices, for which a thread and memory would be kept ready for each core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from keeper.receiver.stores.sqlite_contents import RUN

POSITIONS = 16 * RUN  # a content sets five of them: of a thousand that are not in a full run one or two may be
_SHIFT = POSITIONS.bit_length() - 1
_RUNS, _PLANES = 64, 8  # of a word

_Places = NDArray[np.int64]


class Filters:
    """Of all runs that were written down."""

    def __init__(self) -> None:
        self._words: list[NDArray[np.uint64]] = []  # of 64 runs each

    def load(self, plane: int, bits: bytes) -> None:
        """Take a plane as it is in the file."""
        group, place = divmod(plane, _PLANES)
        while len(self._words) <= group:
            self._words.append(np.zeros(POSITIONS, "<u8"))
        self._words[group].view(np.uint8)[place::_PLANES] = np.frombuffer(bits, np.uint8)

    def ask(self, contents: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
        """Each content that may be in a run, with the number of the run."""
        first, *more = _positions(contents)
        for group, words in enumerate(self._words):
            found = words[first]
            for places in more:
                found &= words[places]
            for index in np.flatnonzero(found).tolist():
                bits = int(found[index])
                while bits:
                    run = bits.bit_length() - 1
                    yield contents[index], group * _RUNS + run
                    bits ^= 1 << run


def plane_of(run: int) -> int:
    """The number of the plane where this run is."""
    return run // _PLANES


def widened(bits: bytes | None, run: int, contents: Sequence[bytes]) -> bytes:
    """A plane, None for one that is not there yet, with these contents as this run."""
    plane = np.zeros(POSITIONS, np.uint8) if bits is None else np.frombuffer(bits, np.uint8).copy()
    for places in _positions(contents):
        plane[places] |= np.uint8(1 << run % _PLANES)
    return plane.tobytes()


def _positions(contents: Sequence[bytes]) -> Iterator[_Places]:
    """The five positions of each, from the first 105 bits of it."""
    halves = np.frombuffer(b"".join(contents), "<u8").reshape(-1, 2)
    low, high = halves[:, 0], halves[:, 1]
    for start in range(0, 5 * _SHIFT, _SHIFT):
        if start >= 64:
            bits = high >> np.uint64(start - 64)
        elif start + _SHIFT > 64:
            bits = low >> np.uint64(start) | high << np.uint64(64 - start)
        else:
            bits = low >> np.uint64(start)
        yield (bits & np.uint64(POSITIONS - 1)).astype(np.int64)
