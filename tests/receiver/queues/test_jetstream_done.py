"""What workers say that they are done with, in whatever order and however often."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keeper.receiver.queues.jetstream_done import Done, heard, said

NUMBERS = st.integers(1, 40)


@given(st.lists(st.lists(NUMBERS, max_size=8), max_size=12), st.lists(NUMBERS, max_size=3))
def test_the_floor_is_below_the_first_that_nobody_is_done_with(words: list[list[int]], firsts: list[int]) -> None:
    """Whatever the order; what is gone from the stream counts as done."""
    done = Done()
    for word in words:
        done.add(heard(said(word)))
    for first in firsts:
        done.gone(first)
    known = {number for word in words for number in word} | set(range(1, max(firsts, default=1)))
    assert done.floor == next(number for number in range(50) if number + 1 not in known)


def test_what_is_said_is_short() -> None:
    """Numbers that follow one another are one range."""
    assert said([3, 1, 2, 7]) == b"[[1, 3], [7, 7]]"
    assert heard(said([])) == []
