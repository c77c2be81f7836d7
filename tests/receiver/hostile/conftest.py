"""One receiver for all attacks of a file: behind every attack stands a packet that it must take."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from tests.receiver.hostile.target import CROWD, MEMORY, Target


@pytest.fixture(scope="package", autouse=True)
def _files() -> None:
    """The crowd are files of ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < CROWD + 1000:
        resource.setrlimit(resource.RLIMIT_NOFILE, (CROWD + 1000, max(hard, CROWD + 1000)))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with Target(tmp_path_factory.mktemp("hostile")) as running:
        yield running
        running.judge()


@pytest.fixture(autouse=True)
def _unharmed(target: Target) -> Iterator[None]:
    """It is the same process afterwards, holds little, and takes a packet."""
    pid, held = target.pid, target.memory()
    yield
    assert target.running(), target.tail()
    target.good()
    assert target.pid == pid
    assert target.memory() < held + MEMORY
