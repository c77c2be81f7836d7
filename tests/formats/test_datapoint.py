"""What a collector prints becomes points, or a reason why not."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.point import Point, line
from keeper.formats.datapoint import HEADS, MAX_LINE, REASONS, Datapoints

NOW = 1_700_000_100.0


def read(text: bytes, **bounds: int) -> tuple[list[str], Datapoints]:
    form = Datapoints(**bounds)
    return [line(point) for point in form.feed(text, NOW)], form


@pytest.mark.parametrize(
    ("printed", "point"),
    [
        (b"df.percent 1700000000 12 mount=/data", "df.percent 1700000000 12 mount=/data"),
        (b"a 1700000000 1", "a 1700000000 1"),
        (b"  a \t 1700000000\t1  b=c \r", "a 1700000000 1 b=c"),
        (b"a 1700000000500 1 z=1 b=2", "a 1700000000500 1 b=2 z=1"),
        (b"a 1700000000000 1 b=c", "a 1700000000 1 b=c"),
        (b"a 1700000000.25 1 b=c", "a 1700000000250 1 b=c"),
        (b"a 1700000000 -1.50 b=c", "a 1700000000 -1.5 b=c"),
        (b"a 1700000000 1e3 b=c", "a 1700000000 1000.0 b=c"),
        (b"a 1700000000 +7 b=c", "a 1700000000 7 b=c"),
        (b"a 1700000000 .5 b=c", "a 1700000000 0.5 b=c"),
        (b"a 1700000000 9223372036854775807 b=c", "a 1700000000 9223372036854775807 b=c"),
        (b"a 1700000000 18446744073709551615 b=c", "a 1700000000 1.8446744073709552e+19 b=c"),
        (b"-_./Z9 1700000000 0 -_./=-_./", "-_./Z9 1700000000 0 -_./=-_./"),
    ],
)
def test_a_line_becomes_a_point(printed: bytes, point: str) -> None:
    """Blanks, tags in any order, seconds, milliseconds and fractions; whole numbers stay whole up to 64 bits."""
    found, form = read(printed + b"\n")
    assert found == [point]
    assert not form.rejected
    assert form.lines == form.points == 1


@pytest.mark.parametrize(
    ("printed", "reason", "why"),
    [
        (b"a 1700000000 nan b=c", "bad_value", "'nan' is no finite decimal number"),
        (b"a 1700000000 inf b=c", "bad_value", "'inf' is no finite decimal number"),
        (b"a 1700000000 1e400 b=c", "bad_value", "it is too large for a number"),
        (b"a 1700000000 " + b"9" * 400 + b" b=c", "bad_value", "it is too large for a number"),
        (b"a 1700000000 1_000 b=c", "bad_value", "'1_000' is no finite decimal number"),
        (b"a 1700000000 True b=c", "bad_value", "'True' is no finite decimal number"),
        (b"a 1700000000 0x10 b=c", "bad_value", "'0x10' is no finite decimal number"),
        (b"a 1700000000 1,5 b=c", "bad_value", "'1,5' is no finite decimal number"),
        (b"a 1700000000 1.2.3 b=c", "bad_value", "'1.2.3' is no decimal number"),
        (b"a 1700000000 - b=c", "bad_value", "'-' is no decimal number"),
        (b"a now 1 b=c", "bad_time", "'now' is no time; write seconds or milliseconds since 1970"),
        (b"a -5 1 b=c", "bad_time", "'-5' is no time; write seconds or milliseconds since 1970"),
        (b"a 1.2.3 1 b=c", "bad_time", "'1.2.3' is no time; write seconds or milliseconds"),
        (b"a 0 1 b=c", "bad_time", "its time is 0; write seconds or milliseconds since 1970"),
        (b"a 1700099999 1 b=c", "future_time", "its time is more than 3600 s ahead of the clock"),
        (b"a 1700000000 1 b=c b=d", "duplicate_tag", "it has the tag b twice"),
        (b"a 1700000000 1 a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1", "too_many_tags", "9 tags; it may have 8 of its own"),
        (b"a 1700000000 1 b", "bad_tag", "'b' is no tag; write name=value with letters, digits and -_./"),
        (b"a 1700000000 1 b=", "bad_tag", "'b=' is no tag; write name=value with letters, digits and -_./"),
        (b"a 1700000000 1 b=c=d", "bad_tag", "'b=c=d' is no tag; write name=value with letters, digits and -_./"),
        (b"a:b 1700000000 1 b=c", "bad_metric", "'a:b' is no name; letters, digits and -_./ are allowed"),
        (b"put a 1700000000 1 b=c", "bad_time", "'a' is no time; write seconds or milliseconds since 1970"),
        (b"hello world", "no_point", "write: metric timestamp value tag=value ..."),
        (b"a\xff 1700000000 1 b=c", "bad_bytes", "byte 2 is 0xff; only printable ASCII is allowed"),
        (b"a 1700000000 1 b=c\x00", "bad_bytes", "byte 19 is 0x00; only printable ASCII is allowed"),
        (b"a 1700000000 1 b=c\x0bd=e", "bad_bytes", "byte 19 is 0x0b; only printable ASCII is allowed"),
        (b"a 1700000000 1 b=" + b"c" * MAX_LINE, "line_too_long", "1040 bytes; 1023 are the most"),
    ],
)
def test_a_bad_line_is_rejected_with_its_reason(printed: bytes, reason: str, why: str) -> None:
    """And the good ones before and behind it are taken."""
    found, form = read(b"g 1700000001 1 b=c\n" + printed + b"\ng 1700000002 2 b=c\n")
    assert found == ["g 1700000001 1 b=c", "g 1700000002 2 b=c"]
    assert form.rejected == {reason: 1}
    assert form.bad is not None
    assert (form.bad.reason, form.bad.why) == (reason, why)
    assert form.lines == 3
    assert reason in REASONS


def test_only_newer_points_of_a_series_are_taken() -> None:
    """However its tags are ordered; and a wrong one does not move the time."""
    printed = b"a 1700000005 1 b=1 c=2\na 1700000005 2 c=2 b=1\na 1700000004 3 b=1 c=2\na 1700000006 4 c=2 b=1\n"
    found, form = read(printed)
    assert found == ["a 1700000005 1 b=1 c=2", "a 1700000006 4 b=1 c=2"]
    assert form.rejected == {"old_time": 2}
    assert form.bad is not None
    assert form.bad.line == "a 1700000004 3 b=1 c=2"
    assert form.bad.why == "its series has a point of 1700000005.000 already"
    assert form.series == 1


def test_a_clock_that_was_far_ahead_silences_nothing() -> None:
    """What came meanwhile is no reason to reject what comes after it was set right; order counts again from there."""
    it = Datapoints()
    day = 86_400
    assert len(it.feed(b"a %d 1\n" % (NOW + day), NOW + day)) == 1
    assert len(it.feed(b"a %d 1\na %d 1\na %d 1\n" % (NOW, NOW, NOW + 1), NOW)) == 2
    assert it.rejected == {"old_time": 1}
    assert it.feed(b"a %d 1\n" % (NOW + day), NOW) == []
    assert it.rejected == {"old_time": 1, "future_time": 1}


def test_series_are_bounded_and_those_known_go_on() -> None:
    printed = b"".join(b"a 1700000000 1 n=%d\n" % n for n in range(5))
    found, form = read(printed, max_series=3)
    assert [text[-1] for text in found] == ["0", "1", "2"]
    assert form.rejected == {"too_many_series": 2}
    assert len(form.feed(printed.replace(b"1700000000", b"1700000001"), NOW)) == 3


def test_ways_to_write_a_series_are_bounded() -> None:
    """A script that writes another number of blanks each time gains no memory, and loses no point."""
    form = Datapoints(max_series=2)
    for n in range(50):
        assert len(form.feed(b"a %d 1 %sb=c\n" % (1_700_000_000 + n, b" " * n), NOW)) == 1
    assert len(form._heads) == HEADS * 2  # what must not grow


def test_own_tags_leave_room_for_those_that_are_added() -> None:
    found, form = read(b"a 1700000000 1 a=1 b=1 c=1\na 1700000000 1 a=1 b=1\n", max_tags=4, more_tags=2)
    assert found == ["a 1700000000 1 a=1 b=1"]
    assert form.rejected == {"too_many_tags": 1}


def test_an_endless_line_holds_no_memory_and_is_one_line() -> None:
    form = Datapoints()
    for _ in range(100):
        assert form.feed(b"x" * 100_000, NOW) == []
        assert len(form._held) <= MAX_LINE  # what must not grow
    assert [line(p) for p in form.feed(b"x\na 1700000000 1 b=c\n", NOW)] == ["a 1700000000 1 b=c"]
    assert form.rejected == {"line_too_long": 1}
    assert form.lines == 2


def test_the_last_line_may_lack_its_newline() -> None:
    """When its process ended well; what one left unfinished is no part of the next one's first line."""
    form = Datapoints()
    assert form.feed(b"a 1700000000 1 b=c", NOW) == []
    assert len(form.flush(NOW)) == 1
    form.feed(b"a 17000", NOW)
    form.start_over()
    assert len(form.feed(b"a 1700000001 1 b=c\n", NOW)) == 1
    assert form.rejected == {"no_point": 1}


def test_a_series_of_which_nothing_comes_is_forgotten() -> None:
    """However old the times are that a script prints: one that goes on is known."""
    form = Datapoints(max_series=2)
    form.feed(b"a 1000000000 1 b=c\nb 1000000000 1 b=c\n", NOW)
    form.feed(b"b 1000000001 1 b=c\n", NOW + 100)
    assert form.evict(NOW + 50) == 1
    assert len(form.feed(b"c 1000000000 1 b=c\n", NOW + 100)) == 1
    assert len(form.feed(b"b 1000000001 1 b=c\n", NOW + 100)) == 0


WORDS = st.text("ab./-_09", min_size=1, max_size=4)
NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.sampled_from(["1_0", "", "e", "1e999", "+1", "0x1"]),
)
GOOD = st.builds(
    lambda metric, time, value, tags, blank: blank.join([metric, str(time), value, *(f"{a}={b}" for a, b in tags)]),
    WORDS, st.integers(0, 1_700_009_999), NUMBERS, st.lists(st.tuples(WORDS, WORDS), max_size=4),
    st.sampled_from([" ", "  ", "\t"]),
).map(str.encode)  # fmt: skip
LINES = st.one_of(GOOD, st.binary(max_size=30), st.just(b"x" * 1100), st.just(b""))


@given(st.lists(LINES, max_size=20), st.lists(st.integers(0, 5000), max_size=8))
def test_any_bytes_in_any_pieces_are_the_same(lines: list[bytes], cuts: list[int]) -> None:
    """Points, counts and reasons do not depend on how the bytes arrive, and every line is a point or has a reason."""
    data = b"".join(one + b"\n" for one in lines)
    whole = Datapoints()
    expected = whole.feed(data, NOW)
    form, found = Datapoints(), list[Point]()
    for start, end in pairwise(sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})):
        found += form.feed(data[start:end], NOW)
    assert [line(p) for p in found] == [line(p) for p in expected]
    assert (form.lines, form.points, form.rejected) == (whole.lines, whole.points, whole.rejected)
    assert form.lines == form.points + sum(form.rejected.values())
    again = Datapoints()
    assert [line(p) for p in again.feed("".join(line(p) + "\n" for p in expected).encode(), NOW)] == [
        line(p) for p in expected
    ]
