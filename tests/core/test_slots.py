"""Slot arithmetic, against what recorded logs show."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keeper.core.slots import (
    CHAIN_EPOCH,
    FULL_WINDOW,
    round_seconds,
    scheduled,
    slot_of,
    window_end,
    window_of,
    window_start,
)

T = datetime(2026, 11, 20, 20, 36, 12, tzinfo=UTC).timestamp()


def test_the_epoch_is_the_first_slot() -> None:
    """Slot 0 is 2000-01-01T00:00:00Z."""
    assert datetime(2000, 1, 1, tzinfo=UTC).timestamp() == CHAIN_EPOCH
    assert slot_of(CHAIN_EPOCH) == 0


@pytest.mark.parametrize(("seconds", "place"), [(0.0, 0), (0.5, 1), (5.5, 11), (6.0, 0), (-0.5, 11)])
def test_windows_begin_at_multiples_of_six_seconds(seconds: float, place: int) -> None:
    """In the recordings every hand-over falls on a second that six divides."""
    assert slot_of(T + seconds) % 12 == place


def test_a_window_ends_where_the_next_begins() -> None:
    """The window of 20:36:12 lasts to 20:36:18."""
    window = window_of(slot_of(T))
    assert (window_start(window), window_end(window)) == (T, T + 6.0)
    assert window_of(slot_of(T + 5.5)) == window
    assert window_of(slot_of(T + 6.0)) == window + 1


def test_producers_take_turns() -> None:
    """Window by window, the schedule comes round; three producers need 18 seconds."""
    window = window_of(slot_of(T))
    turn = [scheduled(window + n, ("a", "b", "c")) for n in range(6)]
    assert turn[:3] == turn[3:]
    assert sorted(turn[:3]) == ["a", "b", "c"]
    assert round_seconds(("a", "b", "c")) == 18.0
    assert round_seconds(tuple("abcdefghijklmnopqrstu")) == 126.0


def test_a_full_window_has_twelve_bits() -> None:
    """One for each slot."""
    assert FULL_WINDOW.bit_count() == 12
