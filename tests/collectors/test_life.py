"""When a collector is started, stopped and left alone, as a table of what happens to it."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.collectors.life import (
    ALIVE,
    GRACE,
    LONGEST_REST,
    REMIND,
    RETIRES,
    Deed,
    Life,
    Stage,
    born,
    ended,
    heard,
    not_started,
    outside,
    started,
    tick,
)


def running(interval: float = 15.0, silent: float = 0.0) -> Life:
    return started(born(0.0, interval, 0.0), 0.0, interval, silent)


def test_the_first_run_is_spread_over_the_interval() -> None:
    """Of a long-lived one over a second."""
    assert [born(100.0, 15.0, chance).due for chance in (0.0, 0.5)] == [100.0, 107.5]
    assert born(100.0, 0.0, 0.5).due == 100.5


def test_a_good_run_waits_for_its_beat() -> None:
    """Which is every second where that is its folder, and is moved neither by a late start nor by a long run."""
    life = running(1.0)
    for n in range(5):
        life = started(life._replace(due=float(n)), n + 0.3, 1.0, 0.0)
        life = ended(life, n + 0.9, 1.0, 0.0, 0)
        assert (life.stage, life.due) == (Stage.WAITING, n + 1.0)


def test_runs_that_were_missed_are_left_out() -> None:
    """The machine slept for a minute: the next run is the next beat, not four in a row."""
    life = ended(running(15.0), 62.0, 15.0, 0.0, 0)
    assert life.due == 75.0


@pytest.mark.parametrize(
    ("code", "interval", "stage", "due", "why"),
    [
        (0, 15.0, Stage.WAITING, 15.0, ""),
        (RETIRES, 15.0, Stage.RETIRED, inf, "it ended with 13: nothing for it on this host"),
        (1, 15.0, Stage.RESTING, 15.0, "it ended with 1"),
        (-11, 15.0, Stage.RESTING, 15.0, "signal 11 ended it"),
        (0, 0.0, Stage.RESTING, 3.0, "it ended, but it is to run on"),
        (RETIRES, 0.0, Stage.RETIRED, inf, "it ended with 13: nothing for it on this host"),
        (2, 0.0, Stage.RESTING, 3.0, "it ended with 2"),
    ],
)
def test_each_end_means_something_else(code: int, interval: float, stage: Stage, due: float, why: str) -> None:
    life = ended(running(interval), 2.0, interval, 0.999999, code)
    assert (life.stage, round(life.due, 3), life.why, life.exit) == (stage, due, why, code)
    assert life.worked == (code == 0)


def test_failures_rest_longer_each_time_and_then_loop() -> None:
    """Doubling up to a quarter of an hour; said to crash in a loop from the fifth on; and well again after one good
    run."""
    life, now, rests = running(1.0), 0.0, []
    for _ in range(14):
        life = ended(started(life._replace(due=now), now, 1.0, 0.0), now, 1.0, 0.999999, 1)
        rests.append(life.due - now)
        now = life.due
    assert rests[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert rests[-1] == LONGEST_REST
    assert life.stage is Stage.LOOPING
    assert life.failures == 14
    life = ended(started(life, now, 1.0, 0.0), now + 0.1, 1.0, 0.0, 0)
    assert (life.stage, life.failures) == (Stage.WAITING, 0)


def test_a_long_lived_one_that_ran_well_for_a_minute_begins_with_a_short_rest() -> None:
    life = running(0.0)._replace(failures=9)
    assert ended(life, 59.0, 0.0, 0.5, 1).failures == 10
    assert ended(life, 60.0, 0.0, 0.5, 1).failures == 1


def test_one_that_never_worked_is_known() -> None:
    life = running(0.0)
    assert not heard(life, 1.0, 0).worked
    assert heard(life, 1.0, 1).worked
    life = ended(life, 2.0, 0.0, 0.0, 1)
    assert not life.worked


def test_one_that_overstays_is_told_then_killed_then_given_up() -> None:
    """TERM at its interval, KILL five seconds later, and a word every five minutes if even that does not end it."""
    life = running(15.0)
    assert tick(life, 14.9, 15.0, 0.0) == (life, None)
    life, deed = tick(life, 15.0, 15.0, 0.0)
    assert (deed, life.stage, life.why) == (Deed.TERM, Stage.STOPPING, "it ran longer than its 15 s and was stopped")
    assert tick(life, 19.9, 15.0, 0.0)[1] is None
    life, deed = tick(life, 15.0 + GRACE, 15.0, 0.0)
    assert (deed, life.stage) == (Deed.KILL, Stage.KILLING)
    life, deed = tick(life, 15.0 + 2 * GRACE, 15.0, 0.0)
    assert (deed, life.stage) == (Deed.REMIND, Stage.STUCK)
    assert life.due == 15.0 + 2 * GRACE + REMIND
    life = ended(life, 1000.0, 15.0, 0.0, -9)
    assert (life.stage, life.failures) == (Stage.RESTING, 1)
    assert life.due % 15.0 == 0


def test_a_silent_one_is_stopped_if_that_is_asked_for() -> None:
    life = running(0.0, silent=60.0)
    life = heard(life, 50.0, 1)
    life, deed = tick(life, 60.0, 0.0, 60.0)
    assert (deed, life.due) == (None, 110.0)
    life, deed = tick(life, 110.0, 0.0, 60.0)
    assert (deed, life.why) == (Deed.TERM, "it printed nothing for 60 s and was stopped")
    assert running(0.0).due == inf


@pytest.mark.parametrize("stage", [Stage.DISABLED, Stage.REFUSED, Stage.WAITING])
def test_one_that_runs_ends_before_it_is_what_it_was_told(stage: Stage) -> None:
    """And then at once: a changed file runs anew."""
    life = outside(running(0.0), 5.0, stage, "because")
    assert life.stage is Stage.RUNNING
    life, deed = tick(life, 5.0, 0.0, 0.0)
    assert deed is Deed.TERM
    life = ended(life, 6.0, 0.0, 0.0, -15)
    assert (life.stage, life.due, life.failures) == (stage, 6.0 if stage is Stage.WAITING else inf, 0)


def test_one_that_retired_begins_again_when_its_file_changes() -> None:
    life = ended(running(0.0), 1.0, 0.0, 0.0, RETIRES)
    assert tick(outside(life, 2.0, Stage.WAITING, ""), 2.0, 0.0, 0.0)[1] is Deed.START


def test_one_that_cannot_be_started_rests() -> None:
    life = not_started(born(0.0, 15.0, 0.0), 0.0, 15.0, 0.0, "exec format error")
    assert (life.stage, life.due, life.runs) == (Stage.RESTING, 15.0, 0)


STEPS = st.lists(st.tuples(st.sampled_from(["tick", "end", "hear", "out"]), st.floats(0, 40), st.integers(0, 14)))


@given(STEPS, st.sampled_from([0.0, 1.0, 15.0]), st.sampled_from([0.0, 20.0]))
def test_whatever_happens(steps: list[tuple[str, float, int]], interval: float, silent: float) -> None:
    """There is never more than one process, every living one has a time by which it is looked at unless it may run for
    ever, and nothing that was ended by a person starts by itself."""
    life, now, alive = born(0.0, interval, 0.5), 0.0, False
    for what, seconds, number in steps:
        now += seconds
        if what == "tick":
            life, deed = tick(life, now, interval, silent)
            if deed is Deed.START:
                assert not alive
                alive, life = True, started(life, now, interval, silent)
            elif deed is not None:
                assert alive
        elif what == "end" and alive:
            alive, life = False, ended(life, now, interval, 0.5, number)
        elif what == "hear":
            life = heard(life, now, number)
        elif what == "out":
            life = outside(life, now, (Stage.DISABLED, Stage.REFUSED, Stage.WAITING)[number % 3], "said")
        assert (life.stage in ALIVE) == alive
        if alive and (interval or silent or life.then is not None):
            assert life.due < inf
        if life.stage in (Stage.DISABLED, Stage.REFUSED, Stage.RETIRED):
            assert life.due == inf
