"""A container that prints at speed, is restarted, created anew and loses its engine, while its reader is killed with
-9: every line once, or said to be lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.docker_engine import DockerEngine
from tests.scenarios.docker_torture import Torture

SECONDS = 4.0
SOAK_SECONDS = 60.0
SCHEDULES = [("lossless", "json-file"), ("anew", "local"), ("rotating", "json-file"), ("rotating", "local")]


def run(engine: DockerEngine, directory: Path, seed: int, mode: str, driver: str, seconds: float) -> None:
    torture = Torture(engine, directory, seed, mode, driver)
    try:
        torture.run(seconds)
    finally:
        print(torture.summary())
    assert torture.verdict() == ""


@pytest.mark.parametrize(("mode", "driver"), SCHEDULES)
def test_docker_torture(docker_engine: DockerEngine, tmp_path: Path, seed: int, mode: str, driver: str) -> None:
    """A random schedule of a few seconds: nothing twice, nothing lost in silence, and where nothing was deleted nothing
    missing at all and no loss told."""
    run(docker_engine, tmp_path, seed, mode, driver, SECONDS)


@pytest.mark.soak
@pytest.mark.parametrize("round_", range(10))
@pytest.mark.parametrize(("mode", "driver"), [*SCHEDULES, ("lossless", "local"), ("anew", "json-file")])
def test_docker_torture_for_long(
    docker_engine: DockerEngine, tmp_path: Path, seed: int, mode: str, driver: str, round_: int
) -> None:
    """The same for an hour in all."""
    run(docker_engine, tmp_path, (seed + round_) % 2**32, mode, driver, SOAK_SECONDS)
