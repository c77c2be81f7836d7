"""own_missed: our producer's window passed and blocks are missing in it."""

from __future__ import annotations

import pytest

from keeper.core.event import WindowClosed
from keeper.rules.own_missed import OwnMissed
from tests.rules.build import Scene, blocks, received, said

RULE = OwnMissed()
ALWAYS = float("inf")


def lived(until: float, *, role: str = "B", producers: str = "b", **kept: object) -> Scene:
    """Our producer `b` is to sign from 6 to 12 and from 48 to 54."""
    scene = Scene(role=role, producers=producers).sees("log", -60).knows()
    return scene.take(blocks(0, until, **kept)).sees("log", until)  # type: ignore[arg-type]  # options of blocks


@pytest.mark.parametrize("role", list("ABCF"))
def test_a_missed_window_is_known_a_second_after_its_end(role: str) -> None:
    """On A, B, C and F alike: the next producer has signed, and stragglers had their second."""
    scene = lived(12.5, role=role, without="b").sees("log", 13)
    assert said(scene.verdict(RULE, 12.9)) == ("unknown", "no window of our producer has been seen yet")
    verdict = scene.verdict(RULE, 13)
    assert said(verdict) == ("failing", "b missed 12 of 12 blocks in its window 20:36:06-20:36:12")
    assert verdict.number == 12


def test_one_missing_block_is_enough() -> None:
    """The default; `missed` may ask for more."""
    scene = lived(14, skip=(8.0,))
    assert said(scene.verdict(RULE, 13)) == ("failing", "b missed 1 of 12 blocks in its window 20:36:06-20:36:12")
    assert said(scene.verdict(OwnMissed(missed=2), 13)) == ("ok", "b signed 11 of 12 blocks at 20:36:06-20:36:12")


def test_a_whole_window_is_ok_until_something_new_is_known() -> None:
    """Our next window wakes the rule."""
    scene = lived(14).sees("log", ALWAYS)
    verdict = scene.verdict(RULE, 13)
    assert (said(verdict), verdict.until) == (("ok", "b signed 12 of 12 blocks at 20:36:06-20:36:12"), ALWAYS)
    assert WindowClosed in OwnMissed.wakes


def test_it_fails_until_our_next_window_is_whole() -> None:
    """The windows of others change nothing."""
    scene = lived(14, without="b").take(blocks(14, 54.5, first=1016)).sees("log", ALWAYS)
    assert said(scene.verdict(RULE, 54.9))[0] == "failing"
    assert said(scene.verdict(RULE, 55)) == ("ok", "b signed 12 of 12 blocks at 20:36:48-20:36:54")


def test_of_several_producers_the_worst_counts() -> None:
    """`b` missed one block, `c` all; `d` is not in the schedule."""
    scene = lived(20, producers="bcz", skip=(8.0,), without="c")
    assert said(scene.verdict(RULE, 20)) == ("failing", "c missed 12 of 12 blocks in its window 20:36:12-20:36:18")


def test_own_blocks_count_like_received_ones() -> None:
    """On A."""
    assert said(lived(14, role="A", own="b").verdict(RULE, 13))[0] == "ok"


def test_a_producer_without_a_place_misses_nothing() -> None:
    """It was voted out."""
    scene = lived(14, producers="z").sees("log", ALWAYS)
    verdict = scene.verdict(RULE, 13)
    assert (said(verdict), verdict.until) == (("ok", "z is not in the schedule of 7"), ALWAYS)


def test_the_schedule_must_be_known() -> None:
    """Nobody announced it and the blocks have not shown it yet."""
    scene = Scene(producers="b").sees("log", -60).take(blocks(0, 30, without="b")).sees("log", 30)
    assert said(scene.verdict(RULE, 30)) == ("unknown", "the producer schedule is not known yet")


def test_a_refuted_schedule_leaves_nothing_to_say() -> None:
    """The old window was of the old schedule."""
    scene = lived(14, without="b").take(received(14, 2000, "stranger")).sees("log", 15)
    assert said(scene.verdict(RULE, 15)) == ("unknown", "the producer schedule is not known yet")


def test_while_the_log_is_out_of_sight_nothing_is_known() -> None:
    """Not even what failed before: our next window may have been whole."""
    scene = lived(14, without="b").blinded("log", 14, "it is gone")
    verdict = scene.verdict(RULE, 20)
    assert (said(verdict), verdict.until) == (("unknown", "the log cannot be seen: it is gone"), 21)
    scene = lived(14)
    assert scene.verdict(RULE, 14).until == 19  # the source speaks every second; without it the log is out of sight


def test_without_producer_or_log_nothing_is_ever_known() -> None:
    """Such a node only follows."""
    verdict = Scene(producers=()).sees("log", 0).verdict(RULE, 1)
    assert (said(verdict), verdict.until) == (("unknown", "no producer is configured"), ALWAYS)
    verdict = Scene(sources={"api"}).verdict(RULE, 1)
    assert (said(verdict), verdict.until) == (("unknown", "no log is configured"), ALWAYS)
