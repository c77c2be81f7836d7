"""Points that repeat the one before are held back, and a change is shown where it happened."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from keeper.collectors.dedup import Dedup
from keeper.core.point import Number, Point, Series

A, B = Series("a", ()), Series("b", ())


def points(series: Series, *pairs: tuple[int, Number]) -> list[Point]:
    return [Point(series, second * 1000, value) for second, value in pairs]


def sent(dedup: Dedup, *pairs: tuple[int, Number]) -> list[tuple[int, Number]]:
    return [(point.at // 1000, point.value) for point in dedup.take(points(A, *pairs))]


def test_the_same_value_is_sent_once_an_interval() -> None:
    """At 300 s a point is due again, whether or not the value changed."""
    assert sent(Dedup(300), *[(second, 7) for second in range(0, 615, 15)]) == [(0, 7), (300, 7), (600, 7)]


def test_a_change_replays_the_last_point_that_was_held() -> None:
    """So that the graph is flat up to it; and where nothing was held nothing is sent twice."""
    assert sent(Dedup(300), (0, 1), (15, 1), (30, 1), (45, 2), (60, 3)) == [(0, 1), (30, 1), (45, 2), (60, 3)]


def test_a_change_after_a_long_silence_repeats_nothing() -> None:
    """tcollector sent the point before a second time."""
    assert sent(Dedup(300), (0, 1), (400, 2)) == [(0, 1), (400, 2)]


def test_a_clock_that_is_set_back_holds_nothing_back_for_so_long() -> None:
    """After a point of tomorrow those of today are sent as ever."""
    assert sent(Dedup(300), (86_400, 7), (15, 7), (30, 7), (315, 7)) == [(86_400, 7), (15, 7), (315, 7)]


def test_one_and_one_point_nought_are_the_same() -> None:
    assert sent(Dedup(300), (0, 1), (15, 1.0)) == [(0, 1)]


def test_no_interval_holds_nothing() -> None:
    assert sent(Dedup(0), (0, 1), (1, 1), (2, 1)) == [(0, 1), (1, 1), (2, 1)]


def test_a_quiet_series_is_forgotten() -> None:
    """Its next point is sent though the value is the same; one whose held point is young is not quiet."""
    dedup = Dedup(300, evict=600)
    dedup.take(points(A, (0, 1), (200, 1)))
    dedup.take(points(B, (0, 1)))
    assert dedup.evict(700_000) == 1
    assert len(dedup) == 1
    assert dedup.take(points(B, (701, 1))) == points(B, (701, 1))


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 2)), max_size=60))
def test_what_is_sent_draws_the_same_graph(steps: list[tuple[int, int]]) -> None:
    """Whatever comes, in whatever pieces: at every change both ends are sent, nothing is sent twice or out of order,
    and no two sent points of a steady value are further apart than the interval and one step."""
    second, given_ = 0, list[tuple[int, Number]]()
    for step, value in steps:
        second += step
        given_.append((second, value))
    dedup, out = Dedup(300), list[tuple[int, Number]]()
    for pair in given_:
        out += sent(dedup, pair)
    assert out == sent(Dedup(300), *given_)
    assert out == sorted(set(out))
    assert set(out) <= set(given_)
    for before, after in pairwise(given_):
        if before[1] != after[1]:
            assert {before, after} <= set(out)
    assert dedup.held == len(given_) - len(out)
    last = None
    for pair in given_:
        if pair in out:
            last = pair[0]
        assert last is not None
        assert pair[0] - last < 300
