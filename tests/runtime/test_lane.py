"""A lane does one thing after the other, keeps few waiting, and nothing twice that is asked again and again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.failover.actions import Outcome
from keeper.failover.lease import Timing
from keeper.failover.terms import Terms
from keeper.runtime.clock import since_boot
from keeper.runtime.guard_process import Duty, GuardProcess
from keeper.runtime.guarding import Guarding
from keeper.runtime.lane import WAITING, Lane
from tests.peers.ask import eventually


@pytest.fixture
def lane() -> Iterator[Lane]:
    failed: list[str] = []
    lane = Lane("test", failed.append)
    lane.start()
    yield lane
    lane.stop()
    lane.join(2)
    assert not failed


def stay(hang: threading.Event, begun: threading.Event | None = None) -> None:
    if begun is not None:
        begun.set()
    hang.wait(5)


def test_in_order_and_no_more_than_may_wait(lane: Lane) -> None:
    """What finds too much waiting is refused, and counted."""
    hang, begun, done = threading.Event(), threading.Event(), list[int]()
    assert lane.put(lambda: stay(hang, begun))
    assert begun.wait(5)
    taken = [lane.put(lambda n=n: done.append(n)) for n in range(WAITING + 3)]  # type: ignore[misc]
    eventually(lambda: lane.refused, "something to be refused")
    hang.set()
    eventually(lambda: lane.idle, "the lane to be done")
    assert done == list(range(sum(taken)))
    assert lane.refused == len(taken) - sum(taken) == 3


def test_what_is_asked_again_waits_once(lane: Lane) -> None:
    """And again when it was done."""
    hang, done = threading.Event(), list[str]()
    lane.put(lambda: stay(hang))
    for _ in range(20):
        lane.put_once("pause", lambda: done.append("pause"))
        lane.put_once("look", lambda: done.append("look"))
    hang.set()
    eventually(lambda: len(done) == 2, "both to be done")
    lane.put_once("pause", lambda: done.append("pause"))
    eventually(lambda: done == ["pause", "look", "pause"], "it to be done again")


def test_a_guard_that_cannot_be_had_is_told_once(tmp_path: Path) -> None:
    """However often it is tried; and nothing is armed."""
    told: list[str] = []
    terms = Terms("a", "A", lease=True, timing=Timing())
    guarding = Guarding(GuardProcess(tmp_path / "nowhere"), Duty("http://127.0.0.1:1", "", 6.0), terms, told.append)
    guarding.begin()
    for _ in range(3):
        guarding.look()
    assert guarding.arm(since_boot() + 60) is Outcome.FAILED
    assert len(told) == 1
    assert guarding.trouble
