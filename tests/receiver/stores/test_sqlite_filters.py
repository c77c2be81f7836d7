"""The filters over runs of contents: what is in a run is always found there, what is not nearly never."""

from __future__ import annotations

from random import Random

import pytest

from keeper.receiver.packet import CONTENT_BYTES
from keeper.receiver.stores.sqlite_filters import POSITIONS, Filters, plane_of, widened

EACH = 500  # contents of a run


def made(chance: Random, number: int) -> list[bytes]:
    return [chance.randbytes(CONTENT_BYTES) for _ in range(number)]


def filters(runs: dict[int, list[bytes]]) -> Filters:
    """Written run by run, and loaded as a worker does that comes later."""
    planes: dict[int, bytes] = {}
    for run, contents in runs.items():
        planes[plane_of(run)] = widened(planes.get(plane_of(run)), run, contents)
    found = Filters()
    for plane, bits in planes.items():
        found.load(plane, bits)
    return found


def test_whatever_is_in_a_run_is_found_there(seed: int) -> None:
    """Across words and planes: the first and the last run of each, and two contents that are in two runs."""
    chance = Random(seed)
    runs = {run: made(chance, EACH) for run in (0, 1, 7, 8, 62, 63, 64, 127, 128, 200)}
    runs[200][0] = runs[7][0]
    runs[62][1] = runs[1][1]
    asked = filters(runs)
    found = set(asked.ask([content for contents in runs.values() for content in contents]))
    there = {(content, run) for run, contents in runs.items() for content in contents}
    assert there <= found
    assert len(found - there) < 10
    assert len(list(asked.ask(made(chance, 10 * EACH)))) < 10


def test_nothing_is_asked_for() -> None:
    """A batch whose packets are all known otherwise, and a run without contents."""
    assert list(filters({0: []}).ask([])) == []
    assert list(Filters().ask([b"x" * CONTENT_BYTES])) == []


@pytest.mark.parametrize("run", [0, 5, 15])
def test_a_plane_is_as_it_always_was(seed: int, run: int) -> None:
    """A file of an earlier keeper is read by this one: five places of 21 bits, the lowest first, a bit for the run."""
    contents = made(Random(seed), EACH)
    expected = bytearray(POSITIONS)
    for content in contents:
        bits = int.from_bytes(content, "little")
        for place in range(5):
            expected[bits >> 21 * place & 0x1FFFFF] |= 1 << run % 8
    assert widened(None, run, contents) == expected
    assert widened(bytes(POSITIONS), run, contents) == expected
    both = widened(bytes(expected), run ^ 1, made(Random(seed + 1), EACH))
    assert all(new & old == old for new, old in zip(both, expected, strict=True))
