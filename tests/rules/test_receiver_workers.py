"""worker_failing, store_failing, packets_set_aside: what becomes of what the receiver took in."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.rules.packets_set_aside import PacketsSetAside
from keeper.rules.store_failing import StoreFailing
from keeper.rules.worker_failing import WorkerFailing
from tests.rules.build import T0, said
from tests.rules.receiver import answer, receiver, told


@pytest.mark.parametrize(
    ("stands", "said_of_it"),
    [
        ({}, ("ok", "all 4 workers run, none died lately")),
        ({"workers": 1, "running": 1}, ("ok", "its worker runs, none died lately")),
        ({"workers": 0, "running": 0}, ("ok", "this receiver has no workers of its own")),
        (
            {"running": 3, "deaths": 1, "death": "worker 2: ended by signal 9"},
            ("ok", "only 3 of 4 workers run, 1 death within 5 min (worker 2: ended by signal 9)"),
        ),
        (
            {"running": 3, "looping": 1, "deaths": 9, "death": "worker 2: ended with 1"},
            ("failing", "1 of 4 workers dies whenever it is started (worker 2: ended with 1)"),
        ),
        (
            {"running": 0, "looping": 4, "deaths": 9, "death": "worker 1: ended with 1"},
            ("failing", "all 4 workers die whenever they are started (worker 1: ended with 1)"),
        ),
        (
            {"workers": 1, "running": 0, "looping": 1, "death": "worker 1: ended with 1"},
            ("failing", "its worker dies whenever it is started (worker 1: ended with 1)"),
        ),
        ({"deaths": 3}, ("failing", "workers died 3 times within 5 min, last at 20:36:01")),
        (
            {"running": 3, "deaths": 3, "death": "worker 4: ended by signal 9"},
            ("failing", "workers died 3 times within 5 min, last at 20:36:01 (worker 4: ended by signal 9)"),
        ),
        ({"deaths": 2}, ("ok", "all 4 workers run, 2 deaths within 5 min")),
    ],
)
def test_workers_that_die_fail(stands: dict[str, Any], said_of_it: tuple[str, str]) -> None:
    """Often, or whenever they are started."""
    assert said(receiver(answer(0), answer(1, **stands)).verdict(WorkerFailing(), 1)) == said_of_it


def test_deaths_count_for_the_window_over_a_restart_of_the_receiver() -> None:
    """Which begins to count at nought."""
    scene = receiver(answer(0, deaths=40), answer(10, deaths=42), answer(20, started=2000.0, up=3.0, deaths=1))
    verdict = scene.verdict(WorkerFailing(), 20)
    assert (said(verdict)[0], verdict.number, verdict.happened) == ("failing", 3, T0 + 17)
    told(scene, answer(310, started=2000.0, deaths=1))
    assert said(scene.verdict(WorkerFailing(), 310))[0] == "failing"
    assert said(scene.verdict(WorkerFailing(), 310.1))[0] == "ok"


def test_a_worker_that_does_not_run_fails_after_half_a_minute() -> None:
    """Whichever it is: the number counts."""
    away = {"running": 3, "death": "worker 2: resting"}
    scene = receiver(answer(0), *(answer(time, **away) for time in range(5, 35)))
    assert said(scene.verdict(WorkerFailing(), 34.5))[0] == "ok"
    verdict = told(scene, answer(35, **away)).verdict(WorkerFailing(), 35)
    assert said(verdict) == ("failing", "only 3 of 4 workers run, for 30 s already (worker 2: resting)")
    assert (verdict.number, verdict.happened) == (1, None)
    told(scene, answer(36, running=0, death="worker 1: stopped"))
    assert said(scene.verdict(WorkerFailing(), 36)) == (
        "failing",
        "no worker runs, for 31 s already (worker 1: stopped)",
    )
    assert said(told(scene, answer(37)).verdict(WorkerFailing(), 37)) == ("ok", "all 4 workers run, none died lately")


def test_how_long_it_lasts_is_known_beyond_what_is_remembered() -> None:
    """A night without a store."""
    locked = {"hindered": 4, "hindrance": "worker 1: database is locked"}
    scene = receiver(*(answer(time, **locked) for time in range(9001)))
    verdict = scene.verdict(StoreFailing(), 9000)
    assert said(verdict) == ("failing", "all 4 workers could not store for 2 h 30 min: worker 1: database is locked")


@pytest.mark.parametrize(
    ("stands", "said_of_it"),
    [
        ({}, ("ok", "4 workers can store")),
        (
            {"hindered": 1, "hindrance": "worker 3: too many clients", "records": 12},
            ("failing", "1 of 4 workers could not store for 30 s: worker 3: too many clients; 12 records waiting"),
        ),
        (
            {"workers": 1, "running": 1, "hindered": 1, "hindrance": "worker 1: the disk is full"},
            ("failing", "its worker could not store for 30 s: worker 1: the disk is full"),
        ),
        ({"running": 0}, ("unknown", "no worker runs that could try")),
        ({"workers": 0, "running": 0}, ("unknown", "this receiver has no workers of its own")),
    ],
)
def test_workers_that_run_must_be_able_to_store(stands: dict[str, Any], said_of_it: tuple[str, str]) -> None:
    """Some cannot for half a minute."""
    scene = receiver(*(answer(time, **stands) for time in range(31)))
    assert said(scene.verdict(StoreFailing(), 30)) == said_of_it


def test_a_store_may_be_away_for_a_moment() -> None:
    """Another writer holds its lock."""
    locked = {"hindered": 1, "hindrance": "worker 1: database is locked"}
    scene = receiver(answer(0, **locked), answer(29, **locked))
    assert said(scene.verdict(StoreFailing(), 29)) == (
        "ok",
        "1 of 4 workers cannot store just now: worker 1: database is locked",
    )
    scene = told(scene, answer(30), answer(31, **locked), answer(60, **locked))
    assert said(scene.verdict(StoreFailing(), 60))[0] == "ok"


def test_what_is_set_aside_fails_until_somebody_looks() -> None:
    """And takes it away, or says how many may stand there."""
    scene = receiver(answer(0, set_aside=3))
    verdict = scene.verdict(PacketsSetAside(), 1)
    reason = "3 records could never be stored, each with its reason in /var/lib/keeper/receiver/dead"
    assert (said(verdict), verdict.number) == (("failing", reason), 3)
    assert said(scene.verdict(PacketsSetAside(most=2), 1)) == ("failing", reason)
    assert said(scene.verdict(PacketsSetAside(most=3), 1)) == ("ok", reason)
    assert said(told(scene, answer(5)).verdict(PacketsSetAside(), 5)) == ("ok", "every record could be stored")
