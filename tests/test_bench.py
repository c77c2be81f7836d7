"""The benchmarks run, and those that compare check that both sides did the same work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_collecting_is_measured_and_finds_what_was_not_delivered() -> None:
    """keeper, the baseline and the log's own truth agree on the packets; every figure is printed."""
    argv = [sys.executable, "-m", "bench", "collect", "--quick"]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    for figure in (
        "keeper to baseline",
        "keeper to zcat to grep -c",
        "two logs on two cores",
        "210 unanswered: memory",
    ):
        assert figure in ran.stdout, ran.stdout


@pytest.mark.soak
def test_receiving_is_measured_and_all_of_it_is_there() -> None:
    """What was answered is counted and stored: the bench says so itself; every figure is printed."""
    argv = [sys.executable, "-m", "bench", "receive", "--quick"]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    for figure in (
        "keeper to the seed server",
        "keeper to beanstalkd -f 0",
        "keeper, Thrift: p99",
        "a connection for each: stored after that in",
        "one worker into SQLite, packets of 20",
    ):
        assert figure in ran.stdout, ran.stdout
