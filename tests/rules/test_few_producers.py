"""few_producers: this node is on a small island."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from keeper.core.event import ScheduleProposed
from keeper.rules.few_producers import FewProducers
from tests.rules.build import T0, Scene, blocks, info, received, said, schedule_of

RULE = FewProducers()


def seen(start: float, until: float, **kept: object) -> Scene:
    """Blocks of the schedule of seven from `start` on, of a log known since long before."""
    scene = Scene().sees("log", -300).knows()
    return scene.take(blocks(start, until, **kept)).sees("log", until)  # type: ignore[arg-type]  # options of blocks


def test_enough_signers_are_ok_until_the_fifth_newest_is_forgotten() -> None:
    """The newest five signed last at 59.6, 59.6-6 ...: the fifth at 36-ish, out of the window a minute later."""
    scene = seen(0, 60).sees("log", float("inf"))
    verdict = scene.verdict(RULE, 60)
    assert said(verdict) == ("ok", "7 producers signed in 1 min")
    assert verdict.until == pytest.approx(35.6 + 60)


def test_an_island_of_one_fails_a_minute_after_it_was_cut_off() -> None:
    """All others sign elsewhere: the fourth last of them, `d`, leaves the window at 83.6."""
    scene = seen(0, 42, own="a").take(blocks(42, 48, first=1084, own="a")).take(blocks(84, 90, first=1096, own="a"))
    scene.sees("log", 90)
    assert said(scene.verdict(RULE, 83.5)) == ("ok", "5 producers signed in 1 min")
    verdict = scene.verdict(RULE, 83.7)
    assert said(verdict) == (
        "failing",
        "only 4 producers (a, e, f and g) signed blocks in 1 min; 5 of the 7 producers in the schedule should have",
    )
    assert verdict.number == 4
    assert verdict.until == pytest.approx(84.7)


def test_nobody_at_all_is_few() -> None:
    """head_stalled explains it."""
    scene = seen(0, 6).sees("log", 70)
    assert said(scene.verdict(RULE, 70)) == (
        "failing",
        "nobody signed a block in 1 min; 5 of the 7 producers in the schedule should have",
    )
    assert "head_stalled" in FewProducers.after


@pytest.mark.parametrize(("schedule", "demanded"), [(schedule_of("a"), 1), (schedule_of("abc"), 3)])
def test_never_more_are_demanded_than_the_schedule_has(schedule: tuple[str, ...], demanded: int) -> None:
    """A network of three has three."""
    scene = Scene().sees("log", -300).knows(schedule).take(blocks(0, 90, schedule=schedule)).sees("log", 90)
    assert said(scene.verdict(RULE, 90)) == (
        "ok",
        f"{demanded} producer{'s' if demanded > 1 else ''} signed in 1 min",
    )


def test_a_new_schedule_has_to_go_round_first() -> None:
    """From one producer to twenty-one: as many as its share of the minute, and always fewer than could have signed."""
    new = schedule_of(tuple("bcdefghijklmnopqrstuv"))
    scene = Scene().sees("log", -300).knows(schedule_of("a")).take(blocks(-90, 0, schedule=schedule_of("a")))
    scene.take(ScheduleProposed(T0 - 1, 2, new))
    for second in range(0, 120, 2):
        scene.take(blocks(second, second + 2, schedule=new, first=1180 + 2 * second)).sees("log", second + 2)
        assert said(scene.verdict(RULE, second + 2))[0] == "ok", second


def test_a_new_schedule_of_which_only_one_signs_fails_as_it_goes_round() -> None:
    """This node is alone with it: two of five could have been seen after 24 seconds."""
    new = schedule_of("bcdefgh")
    scene = Scene().sees("log", -300).knows(schedule_of("a")).take(blocks(-90, 0, schedule=schedule_of("a")))
    scene.take(ScheduleProposed(T0 - 1, 2, new), blocks(0, 6, schedule=new, first=1180)).sees("log", float("inf"))
    assert said(scene.verdict(RULE, 23.9))[0] == "ok"
    verdict = scene.verdict(RULE, 23.9)
    assert verdict.until == 24
    assert said(scene.verdict(RULE, 24)) == (
        "failing",
        "only 2 producers (a and b) signed blocks in 1 min; 3 of the 7 producers in the schedule should have",
    )


def test_without_a_schedule_few_signers_prove_nothing() -> None:
    """Perhaps there are no more."""
    scene = Scene().sees("log", -300).take(received(0, 1000, "a")).sees("log", 1)
    assert said(scene.verdict(RULE, 1)) == ("unknown", "the producer schedule is not known yet")


def test_without_a_schedule_many_signers_prove_enough() -> None:
    """Five are five."""
    scene = Scene().sees("log", -300).take(blocks(0, 30)).sees("log", 30)
    assert said(scene.verdict(RULE, 30)) == ("ok", "5 producers signed in 1 min")


def test_before_the_window_has_been_seen_few_signers_prove_nothing() -> None:
    """The log is known for thirty seconds."""
    scene = Scene().sees("log", 0).knows().take(blocks(0, 12)).sees("log", 59)
    assert said(scene.verdict(RULE, 59)) == ("unknown", "blocks have not been seen for 1 min yet")
    assert said(scene.sees("log", 60).verdict(RULE, 60))[0] == "failing"


def alone(seconds: Iterable[int]) -> Scene:
    """An API asked at these seconds, of a node that sees only itself, `a`, which signs up to 6 and from 42 to 48."""
    scene = Scene(sources={"api"}).sees("api", 0).knows()
    for second in seconds:
        slot = min(second, 5.5) if second < 42 else min(second, 47.5)
        scene.take(info(second, 1000 + int(slot), producer="a")._replace(head_time=T0 + slot))
    return scene


def test_an_api_asked_once_a_second_is_enough() -> None:
    """Every producer's turn lasts six seconds."""
    assert said(alone(range(61)).verdict(RULE, 60))[0] == "failing"


def test_an_api_that_failed_for_a_while_proves_nothing() -> None:
    """Whoever signed in those ten seconds was not seen."""
    scene = alone([*range(20), *range(30, 61)])
    assert said(scene.verdict(RULE, 60)) == ("unknown", "blocks have not been seen for 1 min yet")


def test_more_producers_may_be_demanded_but_not_more_than_fit_into_the_window() -> None:
    """Ten windows in a minute."""
    big = schedule_of(tuple("abcdefghijklmnopqrstu"))
    scene = Scene().sees("log", -300).knows(big).take(blocks(0, 66, schedule=big)).sees("log", 66)
    assert said(scene.verdict(FewProducers(producers=20), 66))[0] == "ok"


def test_nothing_is_known_without_sight() -> None:
    """Neither source."""
    assert said(Scene().verdict(RULE, 1)) == ("unknown", "neither the log nor the api can be seen")
