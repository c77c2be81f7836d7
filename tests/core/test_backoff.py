"""Pauses after failures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.backoff import LONGEST, delay


def test_doubles_from_a_second_to_a_minute() -> None:
    """Without luck: half of 1, 2, 4 ... seconds, never more than half of the longest."""
    assert [delay(n, 0.0) for n in (1, 2, 3, 6, 7, 8, 1000)] == [0.5, 1.0, 2.0, 16.0, 30.0, 30.0, 30.0]


def test_honours_what_was_asked_for_within_bounds() -> None:
    """Retry-After is a minimum; an hour of it is a minute."""
    assert delay(1, 0.5, asked=20.0) == 20.0
    assert delay(1, 0.5, asked=3600.0) == LONGEST
    assert delay(1, 0.5, asked=-5.0) == delay(1, 0.5)
    assert delay(1, 0.5, asked=3600.0, longest=30.0) == 30.0


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e9), st.floats(1, 60))
def test_is_always_bounded(failures: int, chance: float, asked: float | None, longest: float) -> None:
    """Never under half a second, never over the longest."""
    assert 0.5 <= delay(failures, chance, asked, longest) <= longest
