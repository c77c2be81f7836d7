"""The series of a collector are one object each, and bounded."""

from __future__ import annotations

from keeper.collectors.known import KnownSeries, read_series


def test_a_series_is_read_from_its_text() -> None:
    series = read_series("a.b c=d e=f")
    assert (series.metric, series.tags, series.text) == ("a.b", (("c", "d"), ("e", "f")), "a.b c=d e=f")
    assert read_series("a.b").tags == ()


def test_what_is_used_stays_the_same_and_what_is_not_is_forgotten() -> None:
    """However many come and go beside it."""
    known = KnownSeries(10)
    first = known.of("first")
    for n in range(1000):
        known.of(f"other n={n}")
        assert known.of("first") is first
        assert len(known) <= 20
