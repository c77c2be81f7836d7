"""What an outage cost: from the first empty slot of ours to the first that was signed again."""

from __future__ import annotations

from keeper.core.event import OutageEnded, WindowClosed
from keeper.core.outage import Outages
from keeper.notable import notable

ROUND = 30.0
WHOLE = 0b1111_1111_1111


def told(*windows: tuple[float, int]) -> list[OutageEnded]:
    """Windows of `a`: when they begin, and which of their slots are signed."""
    outages = Outages()
    made = [WindowClosed(start + 7.0, start, "a", slots.bit_count(), slots) for start, slots in windows]
    return [ended for window in made if (ended := outages.window(window, ROUND)) is not None]


def test_nothing_lost_is_no_outage() -> None:
    assert told((0, WHOLE), (30, WHOLE)) == []


def test_two_windows_lost_between_two_whole_ones() -> None:
    """From the first slot of the first to the first of the one that is signed again."""
    [ended] = told((0, WHOLE), (30, 0), (60, 0), (90, WHOLE))
    assert ended == OutageEnded(97.0, "a", 30.0, 90.0, 24, 2, True, False, "")


def test_broken_off_in_one_window_and_going_on_in_the_middle_of_another() -> None:
    """Slots are half a second: seven signed, then nothing until the fourth slot of the window after the next."""
    [ended] = told((0, 0b0000_0111_1111), (30, 0), (60, 0b1111_1111_1000))
    assert (ended.since, ended.until, ended.blocks, ended.windows) == (3.5, 61.5, 5 + 12 + 3, 3)


def test_a_hole_in_one_window_ends_in_it() -> None:
    [ended] = told((0, 0b1111_1100_1111))
    assert (ended.since, ended.until, ended.blocks, ended.windows) == (2.0, 3.0, 2, 1)


def test_what_was_not_seen_is_not_counted_and_told() -> None:
    """A window of ours that nobody judged: at least so many."""
    [ended] = told((0, 0), (90, 0), (120, WHOLE))
    assert (ended.blocks, ended.whole) == (24, False)


def test_a_person_reads_it_when_it_was_more_than_a_few_blocks() -> None:
    [ended] = told((0, 0), (30, 0), (60, WHOLE))
    said = notable(ended._replace(here=True, why="production is explicitly paused"), frozenset("a"))
    assert said == (
        "end of an outage: a lost 24 blocks in 2 windows from 00:00:00 to 00:01:00; this node signs again; "
        "this node had said: production is explicitly paused"
    )
    [hole] = told((0, 0b1111_1100_1111))
    assert notable(hole, frozenset("a")) is None
    [unseen] = told((0, 0), (90, 0), (120, WHOLE))
    assert "at least 24 blocks" in (notable(unseen, frozenset("a")) or "")
