"""What a view of the node tells about producing: our windows, the head, the others; what it does not cover is None."""

from __future__ import annotations

import pytest

from keeper.core.event import ClockJumped, LoopLate
from keeper.core.memory import View
from keeper.failover.facts import OfChain, distrust, of_chain
from tests.rules.build import T0, Scene, blocks, produced, received, reference

ROUND = 42.0  # seven producers


def lived(until: float, *, without: str = "", skip: tuple[float, ...] = (), own: str = "") -> Scene:
    """Our producer `b` is to sign from 6 to 12, from 48 to 54, from 90 to 96."""
    scene = Scene(producers="b").sees("log", -60).knows()
    return scene.take(blocks(0, until, without=without, skip=skip, own=own)).sees("log", until)


def facts(scene: Scene, time: float) -> OfChain:
    scene.memory.close_windows(T0 + time)
    return of_chain(View(scene.memory, T0 + time))


@pytest.mark.parametrize(("time", "missed"), [(13.0, 1), (47.0, 1), (55.0, 2), (97.0, 3), (12.9, None), (54.9, 1)])
def test_windows_missed_in_a_row_are_counted(time: float, missed: int | None) -> None:
    """A second after the end of each: until then a straggler may come, and the one before is the newest."""
    scene = lived(time, without="b")
    assert facts(scene, time).missed == missed


def test_a_block_of_ours_ends_the_row() -> None:
    """Also when its window is not over."""
    assert facts(lived(55, own="b"), 55).missed == 0
    scene = lived(47, without="b").take(blocks(47, 50, first=2000)).sees("log", 50)
    assert facts(scene, 47).missed == 0


def test_a_window_that_broke_off_is_no_missed_one() -> None:
    """Its last six slots are empty: whoever signs may have died in it."""
    scene = lived(14, skip=(9.0, 9.5, 10.0, 10.5, 11.0, 11.5))
    assert facts(scene, 14)[1:3] == (0, True)
    assert facts(lived(14, skip=(9.0, 9.5, 10.0)), 14)[1:3] == (0, False)
    assert facts(lived(14, without="b"), 14).broken_off is True


def test_the_age_of_the_window_is_told() -> None:
    """What was before a takeover is not held against who took over."""
    assert facts(lived(20, without="b"), 20).judged == 14.0


def test_what_could_not_be_seen_was_not_missed() -> None:
    """The log was gone during the window, and it is seen again."""
    scene = lived(50, without="b")
    scene.memory.forgot("log", T0 + 50)
    scene.take(blocks(50, 60, first=3000, without="b")).sees("log", 60)
    assert facts(scene, 60).missed is None


def test_a_hole_between_two_windows_ends_the_row() -> None:
    """Only windows seen without a break count: the first was, the second was not."""
    scene = lived(20, without="b")
    assert facts(scene, 20).missed == 1
    scene.memory.forgot("log", T0 + 53)
    scene.take(blocks(53, 100, first=3000, without="b")).sees("log", 100)
    assert facts(scene, 100).missed == 1


def test_a_log_that_is_blind_tells_nothing() -> None:
    """All of it is unknown, not bad."""
    scene = lived(60, without="b").blinded("log", 60)
    told = facts(scene, 61)
    assert (told.missed, told.behind, told.flat, told.others, told.elsewhere) == (None,) * 5
    assert told.scheduled is True


def test_a_log_that_says_nothing_for_long_is_blind() -> None:
    """Its source has not said that it sees everything."""
    assert facts(lived(60, without="b"), 66).missed is None


def test_while_keeper_distrusts_itself_nothing_was_missed() -> None:
    """Its clock jumped, or it stood still."""
    scene = lived(60, without="b")
    scene.memory.distrust(T0 + 90, "the clock jumped")
    assert facts(scene, 60).missed is None


def test_the_schedule_says_whether_we_are_in_it() -> None:
    """Unknown, no, yes."""
    assert facts(Scene(producers="b").sees("log", 0), 0).scheduled is None
    assert facts(Scene(producers="z").sees("log", 0).knows().take(blocks(0, 6)), 6).scheduled is False
    assert facts(lived(6), 6).scheduled is True


def test_head_and_lib_have_their_ages() -> None:
    """Of the newest block, and since LIB rose."""
    told = facts(lived(60), 60)
    assert told.behind == pytest.approx(0.5)
    assert told.flat is not None and told.flat < 1.0


def test_the_others_are_counted() -> None:
    """Six of the seven, five are enough."""
    told = facts(lived(60), 60)
    assert (told.others, told.due) == (6, 5)
    quiet = lived(60, without="cdefg")
    assert facts(quiet, 60).others == 1


def test_reference_nodes_that_are_ahead_do_not_agree() -> None:
    """A node far behind them may be the only one that sees windows missed."""
    scene = Scene(producers="b", references=2).sees("log", -60).knows().take(blocks(0, 60)).sees("log", 60)
    scene.take([reference(59, "one", 1119), reference(59, "two", 2000)])
    told = facts(scene, 60)
    assert (told.agree, told.asked) == (1, 2)


def test_a_block_signed_as_us_elsewhere_has_its_age() -> None:
    """Our own blocks are not somebody else's."""
    assert facts(lived(14, own="b"), 14).elsewhere == float("inf")
    scene = Scene(producers="b").sees("log", -60).knows().take([produced(6, 1000, "b"), received(6.5, 1001, "b")])
    assert facts(scene.sees("log", 8), 8).elsewhere == pytest.approx(1.5)


@pytest.mark.parametrize(("time", "gap"), [(0.0, 6.0), (6.0, 0.0), (11.5, 0.0), (12.0, 36.0), (47.0, 1.0)])
def test_the_gap_until_our_next_window(time: float, gap: float) -> None:
    """Nothing while we are in it."""
    assert facts(lived(time or 0.5), time).gap == pytest.approx(gap)


def test_keeper_tells_why_it_does_not_trust_itself() -> None:
    """A jump of the clock, a loop that was late; small ones count for nothing."""
    scene = Scene(kind="keeper", sources=())
    assert distrust(View(scene.memory, T0 + 10)) == ""
    scene.take([ClockJumped(T0 + 10, 0.5), LoopLate(T0 + 10, 1.0)])
    assert distrust(View(scene.memory, T0 + 11)) == ""
    scene.take([ClockJumped(T0 + 12, -3.0)])
    assert distrust(View(scene.memory, T0 + 13)) == "the clock jumped by -3.0 s less than 60 s ago"
    assert distrust(View(scene.memory, T0 + 73)) == ""
    scene.take([LoopLate(T0 + 80, 4.0)])
    assert distrust(View(scene.memory, T0 + 81)) == "keeper itself stood still for 4.0 s less than 60 s ago"
