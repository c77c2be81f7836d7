"""kill -9 of the receiver, its workers, or both, at any moment: each acknowledged packet is stored once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.receiver.kill_run import LOGIN, kill_run, sources
from tests.receiver.receiver_process import ReceiverProcess


def test_killed_at_random_moments(tmp_path: Path, seed: int) -> None:
    """Eight times, with seven clients that send until they hear 200: 0 lost, 0 doubled, nothing set aside."""
    receiver = ReceiverProcess(tmp_path, "workers = 2", "lines_confirm = yes", sections=sources(), login=LOGIN)
    try:
        result = kill_run(receiver, 8, seed)
    finally:
        receiver.kill()
    print(result.kills, result.tries, result.acknowledged.total())
    assert result.acknowledged.total() > 500


@pytest.mark.soak
def test_killed_two_hundred_times(tmp_path: Path, seed: int) -> None:
    """The same for minutes."""
    receiver = ReceiverProcess(tmp_path, "workers = 2", "lines_confirm = yes", sections=sources(), login=LOGIN)
    try:
        result = kill_run(receiver, 200, seed)
    finally:
        receiver.kill()
    print(result.kills, result.tries, result.acknowledged.total())
