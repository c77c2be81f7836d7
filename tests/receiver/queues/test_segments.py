"""The embedded queue keeps to what all queues do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keeper.receiver.queues.segments.intake import SegmentIntake, bell
from keeper.sources.inotify import Bell
from tests.receiver.queues.contract import *  # noqa: F403  # the tests of every queue
from tests.receiver.queues.contract import Ground
from tests.receiver.queues.server import segment_queue


def no_bell() -> Bell | None:
    return None


@pytest.fixture(params=[bell, no_bell], ids=["rung", "polling"])
def ground(tmp_path: Path, request: pytest.FixtureRequest) -> Ground:
    """With inotify, and where the system has none left."""
    new_bell: Callable[[], Bell | None] = request.param
    folder = tmp_path / "queue"
    return Ground(lambda: segment_queue(folder), lambda: SegmentIntake(folder, time.time, new_bell()))
