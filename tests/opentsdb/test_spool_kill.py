"""kill -9 at any moment: no line is lost whose append returned, none comes again whose done returned."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from keeper.opentsdb.spool import Spool
from tests.opentsdb.spool_child import LIMIT, number_of

KILLS = 30
REPOSITORY = Path(__file__).parents[2]


def left(folder: Path) -> list[int]:
    """The numbers of the lines that are there, read from a copy."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "copy"
        shutil.copytree(folder, copy)
        spool = Spool.open(copy, LIMIT, time.time)
        found: list[int] = []
        while (batch := spool.take(10**9, 1 << 30)) is not None:
            found += map(number_of, batch.lines)
            spool.done(batch)
        assert spool.dropped == 0
        spool.close()
    return found


class Said(NamedTuple):
    """The last numbers a child said it appended, was about to be done with, and was done with; -1 for none."""

    appended: int
    trying: int
    done: int


def killed(folder: Path, first: int, seed: int, after: int) -> Said:
    """Run a child and kill it when it has said so much."""
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.opentsdb.spool_child"]
    with subprocess.Popen(
        [*command, str(folder), str(first), str(seed)], stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as child:
        assert child.stdout is not None
        said = b"".join(child.stdout.readline() for _ in range(after))
        child.kill()
        said += child.stdout.read()
    words = said.split()
    assert words, "the child did nothing"
    return Said(
        *(max((int(word[1:]) for word in words if word[:1] == kind), default=-1) for kind in (b"+", b"?", b"-"))
    )


def test_killed_at_random_moments(tmp_path: Path, seed: int) -> None:
    """Thirty times on one spool: what is there is one row of numbers without a gap. It begins behind what was done, and
    not behind what was only about to be; it ends at what was appended, or behind it where the child was killed before
    it could say so."""
    chance = random.Random(seed)
    folder = tmp_path / "spool"
    first = next_one = 0
    for _ in range(KILLS):
        said = killed(folder, next_one, chance.randrange(2**32), chance.randrange(1, 120))
        found = left(folder)
        begin = found[0] if found else said.trying + 1
        assert found == list(range(begin, begin + len(found)))
        assert max(first, said.done + 1) <= begin <= max(first, said.trying + 1)
        assert begin + len(found) > said.appended
        first, next_one = begin, begin + len(found)
