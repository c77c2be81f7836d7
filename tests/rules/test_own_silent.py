"""own_silent: no block by our producer for far too long."""

from __future__ import annotations

import pytest

from keeper.core.event import ScheduleProposed
from keeper.rules.own_silent import OwnSilent
from tests.rules.build import T0, Scene, answers, blocks, produced, received, said, schedule_of

RULE = OwnSilent()
ALWAYS = float("inf")


def silent_since(time: float, role: str, *, here: bool = False) -> Scene:
    """The last block of our `a` is of `time`; the log has been and will be seen."""
    scene = Scene(role=role).sees("log", -900).knows(time=-1)
    make = produced if here else received
    return scene.take(make(time, 1000, "a")).sees("log", ALWAYS)


@pytest.mark.parametrize(("role", "window"), [("A", 260), ("B", 260), ("C", 780), ("F", 650)])
def test_each_role_has_its_patience(role: str, window: int) -> None:
    """Counted from the slot of the last block."""
    scene = silent_since(5.5, role, here=role == "A")
    verdict = scene.verdict(RULE, 100)
    of_whom = "signed by this node" if role == "A" else "of a"
    assert said(verdict) == ("ok", f"the last block {of_whom} is of 20:36:05")
    assert verdict.until == 5.5 + window
    assert said(scene.verdict(RULE, 5.4 + window))[0] == "ok"
    verdict = scene.verdict(RULE, 5.5 + window)
    whom = "this node has signed no block for a" if role == "A" else "a has signed no block"
    spans = {260: "4 min 20 s", 780: "13 min", 650: "10 min 50 s"}
    assert said(verdict) == ("failing", f"{whom} since 20:36:05, for {spans[window]}")
    assert (verdict.number, verdict.until) == (window, float("inf"))  # until our next block, of which the judge hears


def test_role_a_counts_only_what_it_signed_itself() -> None:
    """Somebody else signs as us: that is no consolation."""
    scene = silent_since(5.5, "A", here=True).take(received(200, 1400, "a"))
    assert said(scene.verdict(RULE, 266))[0] == "failing"
    scene = silent_since(5.5, "B").take(received(200, 1400, "a"))
    assert said(scene.verdict(RULE, 266))[0] == "ok"


def test_role_a_without_a_log_counts_every_block_of_ours() -> None:
    """The API does not say who signed."""
    scene = Scene(role="A", sources={"api"}).sees("api", 0).knows(time=-1)
    scene.take(answers(range(5)))
    assert said(scene.verdict(RULE, 4.5)) == ("ok", "the last block of a is of 20:36:04")


def test_a_block_ends_it() -> None:
    """At once."""
    scene = silent_since(5.5, "B")
    assert said(scene.verdict(RULE, 300))[0] == "failing"
    assert said(scene.take(received(300, 1600, "a")).verdict(RULE, 300.1))[0] == "ok"


def test_time_that_was_not_seen_does_not_count() -> None:
    """The log is known from 100 on."""
    scene = silent_since(5.5, "B")
    scene.memory.forgot("log", T0 + 100)
    assert said(scene.verdict(RULE, 266)) == (
        "unknown",
        "no block of a in the 2 min 46 s that can be looked back",
    )
    assert said(scene.verdict(RULE, 360)) == ("failing", "a has signed no block since 20:36:05, for 4 min 20 s")


def test_a_fresh_keeper_waits_for_the_window() -> None:
    """It knows of no block of ours, and of nobody's before it looked."""
    scene = Scene().sees("log", 0).knows().take(blocks(6, 30)).sees("log", ALWAYS)
    assert said(scene.verdict(RULE, 259.9))[0] == "unknown"
    assert said(scene.verdict(RULE, 260)) == ("failing", "a has signed no block for 4 min 20 s")


def test_while_nothing_is_seen_nothing_is_said() -> None:
    """Blindness is no silence."""
    scene = Scene().sees("log", -900).knows().take(received(5.5, 1000, "a")).blinded("log", 200)
    assert said(scene.verdict(RULE, 300)) == ("unknown", "the log cannot be seen: it is gone")


def test_the_api_steps_in_for_a_log_out_of_sight() -> None:
    """As far back as it answered without a longer pause than a turn lasts."""
    scene = Scene(sources={"log", "api"}).sees("log", -900).sees("api", 0).knows()
    scene.blinded("log", 1).take(answers(range(6)), answers(range(6, 200), without="a"))
    assert said(scene.verdict(RULE, 200)) == ("ok", "the last block of a is of 20:36:05")
    scene.take(answers([200, 210, *range(211, 269)], without="a"))
    assert said(scene.verdict(RULE, 268)) == ("unknown", "no block of a in the 58 s that can be looked back")


def test_an_api_that_answers_all_the_time_proves_the_silence() -> None:
    """A producer's turn lasts six seconds, and it is asked every second."""
    scene = Scene(sources={"api"}).sees("api", 0).knows().take(answers(range(260), without="a"))
    assert said(scene.verdict(RULE, 259))[0] == "unknown"
    scene.take(answers(range(260, 262), without="a"))
    assert said(scene.verdict(RULE, 261)) == ("failing", "a has signed no block for 4 min 21 s")
    assert said(scene.verdict(RULE, 266)) == ("unknown", "the api gives no answers")


def test_a_producer_that_was_just_voted_in_has_its_window_first() -> None:
    """Its last block is weeks old."""
    scene = Scene(producers="z").sees("log", -900).knows().take(received(-800, 2, "z"))
    scene.take(blocks(0, 6)).take(ScheduleProposed(T0 + 1, 2, schedule_of("uvwxyz")))
    scene.take(blocks(6, 30, schedule=schedule_of("uvwxyz"), first=1012)).sees("log", ALWAYS)
    assert said(scene.verdict(RULE, 30))[0] == "unknown"
    assert said(scene.verdict(RULE, 265.9))[0] == "unknown"
    assert said(scene.verdict(RULE, 266))[0] == "failing"


def test_a_producer_without_a_place_may_be_silent() -> None:
    """It was voted out."""
    scene = Scene(producers="z").sees("log", -900).knows().take(blocks(0, 6)).sees("log", ALWAYS)
    assert said(scene.verdict(RULE, 900)) == ("ok", "z is not in the schedule of 7")


def test_without_a_schedule_only_one_who_has_signed_can_be_missed() -> None:
    """Perhaps our account has no place."""
    scene = Scene().sees("log", -900).take(received(6, 1012, "b")).sees("log", ALWAYS)
    assert said(scene.verdict(RULE, 900)) == (
        "unknown",
        "no block of a has been seen, and the schedule is not known",
    )
    scene.take(received(7, 1014, "a"))
    assert said(scene.verdict(RULE, 900))[0] == "failing"


def test_of_several_producers_the_worst_counts_and_the_soonest_deadline() -> None:
    """`b` is silent for longer."""
    scene = Scene(producers="ab").sees("log", -900).knows(time=-1)
    scene.take(received(-30, 900, "b"), received(5.5, 1000, "a")).sees("log", ALWAYS)
    assert scene.verdict(RULE, 10).until == 230
    assert said(scene.verdict(RULE, 230)) == ("failing", "b has signed no block since 20:35:30, for 4 min 20 s")


def test_without_producer_or_source_nothing_is_ever_known() -> None:
    """Such a node only follows."""
    assert said(Scene(producers=()).verdict(RULE, 1)) == ("unknown", "no producer is configured")
    assert said(Scene(sources=()).verdict(RULE, 1)) == ("unknown", "no log is configured")
