"""lib_stalled: the last irreversible block does not get higher."""

from __future__ import annotations

import pytest

from keeper.core.event import ScheduleAnswer, ScheduleProposed
from keeper.rules.lib_stalled import LibStalled
from tests.rules.build import SCHEDULE, T0, Scene, blocks, info, received, said, schedule_of

RULE = LibStalled()
NEW = schedule_of("uvwxyz")


def flat(until: float) -> Scene:
    """The schedule of seven is known; LIB 980 came at 0.1 and stays while blocks go on."""
    scene = Scene().sees("log", -60).knows().take(received(0, 1000, "a", lib=980))
    return scene.take(blocks(0.5, until, first=1001, lib_behind=None)).sees("log", until)


def test_a_moving_lib_is_ok_until_it_could_have_stood_for_the_window() -> None:
    """Twenty seconds after it rose."""
    verdict = flat(5).sees("log", float("inf")).verdict(RULE, 5)
    assert said(verdict) == ("ok", "LIB moves")
    assert verdict.until == pytest.approx(20.1)


def test_it_fails_at_the_window() -> None:
    """And says how far the head is ahead."""
    assert said(flat(20).verdict(RULE, 20))[0] == "ok"
    verdict = flat(20.5).verdict(RULE, 20.5)
    assert said(verdict) == ("failing", "LIB 980 has not moved for 20 s; it is 60 blocks behind the head")
    assert verdict.until == 21.5


def test_answers_of_the_api_show_it_too() -> None:
    """Without a log."""
    scene = Scene(sources={"api"}).sees("api", 0).take(info(0, 1000, lib=980), info(20, 1040, lib=980))
    assert said(scene.verdict(RULE, 20))[0] == "failing"


def test_while_a_new_schedule_settles_it_may_stand() -> None:
    """Two and a half rounds of the larger schedule (7 · 6 s) and the window: 105 + 20 s after the first new block."""
    scene = flat(6).take(ScheduleProposed(T0 - 900, 2, NEW))
    scene.take(blocks(6, 130.5, schedule=NEW, first=1012, lib_behind=None)).sees("log", 130.9)
    verdict = scene.verdict(RULE, 130.9)
    assert said(verdict) == ("ok", "a new schedule settles until 20:38:11; LIB 980 has stood for 2 min 10 s")
    assert verdict.until == 131
    assert said(scene.sees("log", 131).verdict(RULE, 131))[0] == "failing"


@pytest.mark.parametrize("kind", ["proposed", "pending"])
def test_an_announced_schedule_counts_before_its_first_block(kind: str) -> None:
    """It may take over with producers that sign in the same places at first."""
    scene = flat(30)
    if kind == "proposed":
        scene.take(ScheduleProposed(T0 + 10, 2, NEW))
    else:
        scene.take(ScheduleAnswer(T0 + 10, 1, SCHEDULE, NEW), ScheduleAnswer(T0 + 25, 1, SCHEDULE, NEW))
    assert said(scene.verdict(RULE, 30)) == (
        "ok",
        "a new schedule settles until 20:38:15; LIB 980 has stood for 29 s",
    )


def test_a_schedule_that_stays_pending_does_not_excuse_a_dead_lib_for_ever() -> None:
    """It counts from the first answer that had it."""
    scene = flat(160)
    scene.take(ScheduleAnswer(T0 + t, 1, SCHEDULE, NEW) for t in range(10, 160, 30))
    assert said(scene.verdict(RULE, 134.9))[0] == "ok"
    assert said(scene.verdict(RULE, 135))[0] == "failing"


def test_a_schedule_that_is_pending_no_more_excuses_nothing() -> None:
    """It was withdrawn; the rule is woken by the answer."""
    scene = flat(30).take(ScheduleAnswer(T0 + 10, 1, SCHEDULE, NEW), ScheduleAnswer(T0 + 25, 1, SCHEDULE, ()))
    assert said(scene.verdict(RULE, 30))[0] == "failing"
    assert ScheduleAnswer in LibStalled.wakes


def test_while_the_schedule_is_unknown_twenty_one_producers_are_counted_with() -> None:
    """A block of a stranger refuted the old schedule: 21 · 6 · 2.5 s and the window."""
    scene = flat(6).take(received(6, 1012, "stranger")).sees("log", 340)
    assert said(scene.verdict(RULE, 341)) == (
        "ok",
        "a new schedule settles until 20:41:41; LIB 980 has stood for 5 min 39 s",
    )
    scene.sees("log", 342)
    assert said(scene.verdict(RULE, 342))[0] == "failing"


def test_a_higher_lib_ends_it() -> None:
    """At once."""
    scene = flat(30)
    assert said(scene.verdict(RULE, 30))[0] == "failing"
    assert said(scene.take(received(30, 1060, "f", lib=981)).verdict(RULE, 30.2)) == ("ok", "LIB moves")


def test_nothing_is_known_without_sight_or_lib() -> None:
    """Dawn's log may have none."""
    assert said(flat(5).verdict(RULE, 10)) == ("unknown", "neither the log nor the api can be seen")
    scene = Scene().sees("log", 0).take(received(0, 1000, "a", lib=None)).sees("log", 1)
    assert said(scene.verdict(RULE, 1)) == ("unknown", "no LIB has been seen yet")
