"""How rules write times, spans, counts and lists."""

from __future__ import annotations

import pytest

from keeper.rules.phrases import clock, counted, listed, of_references, quoted, span
from tests.rules.build import T0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (86400, "1 d"),
        (90000, "1 d 1 h"),
        (8640000, "100 d"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    """Two units at most, rounded down."""
    assert span(seconds) == text


def test_clock() -> None:
    """UTC, to the second."""
    assert [clock(T0 + s) for s in (0, 12.9, 4 * 3600)] == ["20:36:00", "20:36:12", "00:36:00"]


def test_counted() -> None:
    """With thousands and the plural."""
    assert [counted(n, "block") for n in (0, 1, 1234)] == ["0 blocks", "1 block", "1,234 blocks"]


def test_listed() -> None:
    """Five names at most."""
    names = "abcdefg"
    assert [listed(names[:n]) for n in (0, 1, 2, 5)] == ["", "a", "a and b", "a, b, c, d and e"]
    assert listed(names) == "a, b, c, d and 3 others"


def test_of_references() -> None:
    """Every combination reads like a sentence."""
    assert [of_references(some, 3) for some in (1, 2, 3)] == [
        "one of three reference nodes is",
        "two of three reference nodes are",
        "all three reference nodes are",
    ]
    assert [of_references(1, 1), of_references(2, 2), of_references(12, 20)] == [
        "the reference node is",
        "both reference nodes are",
        "12 of 20 reference nodes are",
    ]


def test_quoted() -> None:
    """One line, not too long."""
    assert quoted(" a\n b\t c ") == "a b c"
    assert len(quoted("x" * 1000)) == 200
