"""Which schedule is in force, judged by blocks."""

from __future__ import annotations

import random

import pytest

from keeper.core.schedule import MAX_WINDOWS, Schedule
from keeper.core.slots import scheduled

SEVEN = tuple("abcdefg")
TWENTY_ONE = tuple("abcdefghijklmnopqrstu")


def observe(
    schedule: Schedule, windows: range, producers: tuple[str, ...], absent: frozenset[str] = frozenset()
) -> None:
    for window in windows:
        producer = scheduled(window, producers)
        if producer not in absent:
            schedule.observe(window, producer)


def test_nothing_is_believed_at_first() -> None:
    """No block, no schedule."""
    assert Schedule().producers == ()


def test_an_announced_schedule_counts_once_a_block_agrees() -> None:
    """The API names it before the first block is seen."""
    schedule = Schedule()
    schedule.announce(SEVEN)
    assert schedule.producers == ()
    schedule.observe(100, scheduled(100, SEVEN))
    assert (schedule.producers, schedule.since, schedule.took_over) == (SEVEN, 100, False)


def test_an_announced_schedule_counts_at_once_if_the_blocks_agreed_already() -> None:
    """It is believed as far back as they agree."""
    schedule = Schedule()
    observe(schedule, range(100, 103), SEVEN)
    schedule.announce(SEVEN)
    assert (schedule.producers, schedule.since, schedule.took_over) == (SEVEN, 100, False)


def test_an_announced_schedule_the_newest_block_contradicts_does_not_count() -> None:
    """It may come into force later, or never."""
    schedule = Schedule()
    observe(schedule, range(100, 103), SEVEN)
    schedule.announce(tuple("tuvwxyz"))
    assert schedule.producers == ()


def test_a_block_refutes_the_schedule_and_the_announced_next_one_takes_over() -> None:
    """`since` is the first window of the new one, and that one need not be whole."""
    schedule = Schedule()
    schedule.announce(SEVEN)
    observe(schedule, range(100, 107), SEVEN)
    new = tuple("tuvwxyz")
    schedule.announce(new)
    assert schedule.producers == SEVEN
    changes = schedule.changes
    schedule.observe(107, scheduled(107, new))
    assert (schedule.producers, schedule.since, schedule.took_over) == (new, 107, True)
    assert (schedule.replaced, schedule.changes) == (SEVEN, changes + 2)


def test_a_refuted_schedule_is_no_candidate_any_more() -> None:
    """Otherwise it would come back with every block that happens to agree."""
    schedule = Schedule()
    schedule.announce(SEVEN)
    observe(schedule, range(100, 107), SEVEN)
    schedule.observe(107, "stranger")
    schedule.observe(108, scheduled(108, SEVEN))
    assert schedule.producers == ()


def test_a_late_block_of_the_schedule_before_changes_nothing() -> None:
    """Blocks of a fork may come after those that follow them."""
    schedule = Schedule()
    schedule.announce(SEVEN)
    observe(schedule, range(100, 107), SEVEN)
    schedule.observe(99, "stranger")
    assert schedule.producers == SEVEN


@pytest.mark.parametrize("producers", [("a",), ("a", "b"), SEVEN, TWENTY_ONE])
def test_a_schedule_is_read_off_the_blocks(producers: tuple[str, ...]) -> None:
    """After one turn and three windows that repeat, whatever the size."""
    schedule = Schedule()
    start = 1000
    observe(schedule, range(start, start + len(producers) + 2), producers)
    assert schedule.producers == ()
    observe(schedule, range(start + len(producers) + 2, start + len(producers) + 3), producers)
    assert schedule.producers == producers
    assert (schedule.since, schedule.took_over) == (start, False)


def test_one_missed_window_is_filled_by_the_other_turn() -> None:
    """A producer that missed once is known from its other window."""
    schedule = Schedule()
    for window in range(1000, 1011):
        if window != 1002:
            schedule.observe(window, scheduled(window, SEVEN))
    assert schedule.producers == SEVEN


def test_a_producer_that_never_signs_hides_the_schedule() -> None:
    """Nobody knows the name at its place: the schedule stays unknown rather than wrong."""
    schedule = Schedule()
    observe(schedule, range(1000, 1100), SEVEN, absent=frozenset("c"))
    assert schedule.producers == ()


def test_a_change_is_read_off_the_blocks_too() -> None:
    """One producer is replaced: believed again three windows after the new one signed."""
    schedule = Schedule()
    observe(schedule, range(700, 720), SEVEN)
    new = ("a", "b", "c", "d", "new", "f", "g")
    observe(schedule, range(720, 732), new)
    assert schedule.producers == new
    assert schedule.took_over
    assert schedule.replaced == SEVEN


def test_a_smaller_schedule_is_not_taken_for_a_larger_one() -> None:
    """From 21 to 20 producers: nobody sits where he did before."""
    schedule = Schedule()
    observe(schedule, range(2100, 2150), TWENTY_ONE)
    observe(schedule, range(2150, 2180), TWENTY_ONE[:-1])
    assert schedule.producers == TWENTY_ONE[:-1]


def test_memory_is_bounded() -> None:
    """However many windows and candidates come."""
    schedule = Schedule()
    for window in range(5000):
        schedule.observe(window, f"p{window}")
        schedule.announce((f"q{window}", "z"))
    assert len(schedule._windows) <= MAX_WINDOWS
    assert len(schedule._candidates) <= 4


def test_random_histories_are_never_believed_wrongly(seed: int) -> None:
    """Random schedules, changes, absences, announcements: what is believed agrees with the blocks of its time, and the
    true schedule is found within two turns if nobody in it is absent."""
    rng = random.Random(seed)
    for _ in range(150):
        schedule = Schedule()
        window = rng.randrange(10_000)
        for _ in range(rng.randrange(1, 5)):
            size = rng.choice((1, 2, 3, 5, 21, 21, 40))
            producers = tuple(sorted(f"p{n}" for n in rng.sample(range(45), size)))
            announced = rng.random() < 0.5
            absent = frozenset(rng.sample(producers, rng.randrange(size + 1))) if rng.random() < 0.3 else frozenset()
            if announced and rng.random() < 0.5:
                schedule.announce(producers)
            length = rng.randrange(2 * size + 8, 4 * size + 10)
            for step in range(length):
                if announced and step == length // 3:
                    schedule.announce(producers)
                producer = scheduled(window, producers)
                if producer not in absent:
                    schedule.observe(window, producer)
                    if schedule.producers:
                        assert scheduled(window, schedule.producers) == producer
                        assert schedule.since <= window
                window += 1
            if not absent:
                assert schedule.producers == producers
