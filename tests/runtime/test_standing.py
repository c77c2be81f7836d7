"""How scripts stand: what the rules are told, what is said once, what is shown."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from keeper.collectors.orders import Orders, Said
from keeper.core.event import CollectorStands, Event
from keeper.metrics import Metrics
from keeper.runtime.measure_collectors import MeasureCollectors
from keeper.runtime.standing import Standing

STAND: dict[str, Any] = {
    "interval": 15.0, "path": "/x", "stage": "waiting", "since": 0.0, "due": 15.0, "why": "", "worked": True,
    "failures": 0, "runs": 1, "killed": 0, "exit": 0, "pid": 0, "lines": 1, "points": 1, "series": 1, "rejected": {},
    "bad": (), "dropped": 0, "memory": 0, "cpu": 0.0,
}  # fmt: skip


class Told:
    """A standing with a clock of its own, and what it told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.events: list[CollectorStands] = []
        self.journal: list[str] = []
        self.metrics = Metrics(CollectorRegistry())
        measure = MeasureCollectors(self.metrics)
        self.standing = Standing(lambda: self.now, measure, self._tell, lambda _kind, text: self.journal.append(text))

    def _tell(self, event: Event) -> None:
        assert isinstance(event, CollectorStands)
        self.events.append(event)

    def take(self, stage: str, **more: Any) -> None:
        self.now += 1
        self.standing.take("x", {**STAND, "stage": stage, **more})


def test_one_that_is_tried_again_goes_on_to_fail() -> None:
    """Since it failed first, however often it runs in between; a good end makes it well."""
    told = Told()
    told.take("waiting")
    told.take("resting", failures=1, why="it ended with 1")
    first = told.now
    for failures in range(2, 6):
        told.take("running", failures=failures - 1, why="it ended with 1")
        told.take("resting", failures=failures, why="it ended with 1")
    told.take("running", failures=5, why="it ended with 2")
    assert [(event.failing, event.at) for event in told.events[1:]] == [(True, first), (True, first)]
    assert told.metrics.collector_failing.labels("x")._value.get() == 1
    told.take("waiting")
    assert (told.events[-1].failing, told.events[-1].at) == (False, told.now)


def test_a_loop_is_said_once() -> None:
    told = Told()
    told.take("waiting")
    for failures in range(1, 12):
        told.take("running", failures=failures - 1, why="it ended with 1")
        told.take("looping" if failures >= 5 else "resting", failures=failures, why="it ended with 1")
    assert told.journal == ["x is resting: it ended with 1", "x is looping: it ended with 1"]


def test_what_was_removed_while_there_was_no_runner_is_missing() -> None:
    """So that its alert ends."""
    told = Told()
    told.take("resting", failures=1, why="it ended with 1")
    told.standing.lost()
    assert told.standing.missing() == ["x"]
    told.standing.gone("x")
    assert told.standing.missing() == []
    assert told.events[-1].stage == "gone"


def test_a_person_sees_who_disabled_it() -> None:
    told = Told()
    told.take("disabled", due=float("inf"), why="a person disabled it")
    [shown] = told.standing.shown(Orders({"x": Said(1.0, "ann", "broken"), "y": Said(1.0, "bob", "")}, {}))
    assert (shown["why"], shown["due"], shown["since"]) == ("ann disabled it: broken", None, "1970-01-01T00:16:41.000Z")


@pytest.mark.parametrize("again", [0, 3])
def test_counts_begin_anew_with_another_runner(again: int) -> None:
    """A counter never falls, whatever a new runner counts."""
    told = Told()
    told.take("waiting", points=5)
    told.standing.lost()
    told.take("waiting", points=again)
    assert told.metrics.collector_points.labels("x")._value.get() == 5 + again
