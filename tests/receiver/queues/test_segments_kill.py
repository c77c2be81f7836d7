"""kill -9 of server and workers at any moment: what was said to be durable is stored, and nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.peers.ask import eventually
from tests.receiver.queues.segments_ground import EACH, QUEUE_BYTES
from tests.receiver.queues.server import Server, drain, segment_intake

REPOSITORY = Path(__file__).parents[3]


def numbers(path: Path) -> list[int]:
    return list(map(int, path.read_text().split()))


def run(folder: Path, seed: int, seconds: float) -> None:
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.receiver.queues.segments_ground"]
    ground = subprocess.run(
        [*command, str(folder), str(seed), str(seconds)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    assert ground.returncode == 0, ground.stderr
    lives, kills = map(int, ground.stdout.split())
    durable = numbers(folder / "durable")
    stored = numbers(folder / "stored")
    print(f"{lives} servers, {kills} kills, {len(durable)} durable, {len(stored)} stored")
    assert lives > 5
    assert len(durable) > 100
    with Server(folder / "queue", QUEUE_BYTES) as server:
        intake = segment_intake(folder / "queue")
        while left := drain(intake):
            stored += map(int, left)
        assert server.drained(20.0)
        eventually(server.swept, "what is done to be removed")
        assert server.depth(0)[:3] == (0, 0, None)
        intake.close()
    assert len(set(durable)) == len(durable)
    assert set(durable) - set(stored) == set()
    assert all(number // EACH <= lives for number in stored)
    doubled = sum(count - 1 for count in Counter(stored).values())
    assert doubled <= 100 * kills  # a batch of each worker that was killed


def test_killed_at_random_moments(tmp_path: Path, seed: int) -> None:
    """Servers and workers, alone and together, some of which hung before: each record that was said to be durable is
    stored, at most the batches of killed workers twice, and the folder is empty in the end."""
    run(tmp_path, seed, 6.0)


@pytest.mark.soak
def test_killed_for_minutes(tmp_path: Path, seed: int) -> None:
    """The same for longer."""
    run(tmp_path, seed, 300.0)
