"""Every line exactly once and in order, or counted as lost: whatever is done to the log, and however often keeper dies.

The schedule is random and its seed printed; how the reader's time falls into it is up to the machine. To run one again,
or many: `python -m tests.scenarios.rotation_torture MODE SCHEME SECONDS FIRST_SEED LAST_SEED`.
"""

from __future__ import annotations

from pathlib import Path
from random import SystemRandom

import pytest

from tests.scenarios.rotation_torture import Torture

SCHEMES = ("numbers", "dates", "glob")


def torture(directory: Path, mode: str, scheme: str, seed: int, seconds: float) -> None:
    run = Torture(directory / "log", seed, mode, scheme)
    try:
        run.run(seconds)
    finally:
        print(run.summary())
    assert not run.verdict(), "\n".join([run.verdict(), run.summary(), *run.story])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mode", ["lossless", "exact", "wild"])
def test_torture(tmp_path: Path, mode: str, scheme: str) -> None:
    """Lossless: every line comes. Exact: bytes made to vanish are told to the byte. Wild: nothing is kept quiet."""
    seed = SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    torture(tmp_path, mode, scheme, seed, 3.0)


@pytest.mark.soak
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mode", ["lossless", "exact", "wild"])
def test_torture_for_minutes(tmp_path: Path, mode: str, scheme: str) -> None:
    """The same with a hundred schedules each."""
    first = SystemRandom().randrange(1 << 32)
    for seed in range(first, first + 100):
        print(f"seed {seed}")
        torture(tmp_path / str(seed), mode, scheme, seed, 5.0)
