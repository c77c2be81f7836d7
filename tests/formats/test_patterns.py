"""Named patterns of the configuration, on any log and any bytes, in time linear to the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.event import PatternMatched
from keeper.errors import ConfigError
from keeper.formats.patterns import MAX_TEXT, PatternFormat, check_pattern


def test_matches_in_the_order_of_lines_then_patterns() -> None:
    """Every pattern is looked for in every line; all lines count as recognised, for no grammar is known."""
    form = PatternFormat({"error": "(?i)error", "disk": r"disk .*full$"})
    parsed = form.parse(b"fine\nERROR: disk is full\r\ndisk full? no\nerror\n", 7.0)
    assert parsed.events == [
        PatternMatched(7.0, "error", "ERROR: disk is full\r"),
        PatternMatched(7.0, "disk", "ERROR: disk is full\r"),
        PatternMatched(7.0, "error", "error"),
    ]
    assert (parsed.lines, parsed.recognized, parsed.unrecognized) == (4, 4, 0)
    assert form.flush(8.0) == []


def test_a_pattern_sees_one_line_at_a_time() -> None:
    """`^`, `$`, `\\A` and `\\z` are the line's ends; no match reaches over a newline."""
    form = PatternFormat({"whole": r"^a\sb$", "edges": r"\Ac\z"})
    assert [e.text for e in form.parse(b"a\nb\nc\na b\n", 0.0).events if isinstance(e, PatternMatched)] == ["c", "a b"]


def test_bytes_that_are_no_text_do_no_harm() -> None:
    """`.` is one byte; text outside ASCII matches as its UTF-8 bytes."""
    form = PatternFormat({"any": "^a.b$", "word": "grün"})
    parsed = form.parse(b"a\xffb\n\x00\xfe\nes ist gr\xc3\xbcn\n", 0.0)
    assert [e[1:] for e in parsed.events] == [("any", "a\ufffdb"), ("word", "es ist grün")]


def test_a_long_line_is_kept_in_part() -> None:
    """The match may be anywhere, the event shows the beginning."""
    [event] = PatternFormat({"end": "needle$"}).parse(b"x" * 100_000 + b"needle\n", 0.0).events
    assert event == PatternMatched(0.0, "end", "x" * MAX_TEXT)


@pytest.mark.timeout(20)
def test_a_catastrophic_pattern_is_none_here() -> None:
    """The pattern that takes a second for 25 bytes elsewhere, and twice as long for each byte more."""
    line = b"a" * (1 << 20) + b"!\n"
    assert (
        PatternFormat({"evil": r"^(\w+\s?)+$", "worse": r"(a*)*c", "dots": r"(.*)(.*)(.*)(.*)d"})
        .parse(line, 0.0)
        .events
        == []
    )


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        (r"(a)\1", "refers back"),
        (r"(?P<x>a)(?P=x)", "refers back"),
        (r"(?=a)b", "looks around"),
        (r"(?<!a)b", "looks around"),
        ("(", "missing )"),
        ("a++", "bad repetition"),
        ("a{5000}", "repetition size"),
        ("", "empty"),
    ],
)
def test_what_cannot_be_matched_says_so(pattern: str, says: str) -> None:
    """The problem names the pattern and the cure, in one sentence and without a traceback."""
    problem = check_pattern(pattern)
    assert problem is not None
    assert says in problem
    assert repr(pattern) in problem or not pattern
    with pytest.raises(ConfigError) as caught:
        PatternFormat({"good": "a", "bad": pattern})
    assert caught.value.problems == [f"pattern bad: {problem}"]


@pytest.mark.parametrize("pattern", ["a", r"\d+ ms", "(?i)ERROR", "(?P<name>x)", "grün", r"a\\1", "x*"])
def test_what_can_be_matched_has_no_problem(pattern: str) -> None:
    """An escaped backslash before a digit is no back-reference."""
    assert check_pattern(pattern) is None


@given(st.text(max_size=30), st.binary(max_size=100))
def test_any_text_is_a_pattern_or_has_a_problem(pattern: str, data: bytes) -> None:
    """Nothing else: no pattern raises, and one without a problem can be used on any bytes."""
    if check_pattern(pattern) is None:
        parsed = PatternFormat({"p": pattern}).parse(data, 0.0)
        assert parsed.lines == data.count(b"\n") + bool(data and not data.endswith(b"\n"))
