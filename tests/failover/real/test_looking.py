"""What an observer may conclude from answers, and from none."""

from __future__ import annotations

import pytest

from tests.failover.real.looking import Span, Told

ONE, OTHER, GONE = 7, 8, 0

CASES: dict[str, tuple[list[tuple[float, float, bool | None, int]], list[Span]]] = {
    "never un-paused": ([(0, 1, True, ONE), (2, 3, None, ONE), (4, 5, True, ONE)], []),
    "from the first question to the last answer": (
        [(0, 1, True, ONE), (2, 3, False, ONE), (4, 5, False, ONE), (6, 7, True, ONE)],
        [Span(2, 5)],
    ),
    "paused for a while": (
        [(0, 1, False, ONE), (2, 3, True, ONE), (4, 5, False, ONE)],
        [Span(0, 1), Span(4, 5)],
    ),
    "one question unanswered, then paused: it may have been paused before it": (
        [(0, 1, False, ONE), (2, 3, None, ONE), (4, 5, True, ONE)],
        [Span(0, 1)],
    ),
    "unanswered in between": ([(0, 1, False, ONE), (2, 3, None, ONE), (4, 5, False, ONE)], [Span(0, 5)]),
    "frozen, then paused": (
        [(0, 1, False, ONE), (2, 3, None, ONE), (4, 5, None, ONE), (6, 7, None, ONE), (8, 9, True, ONE)],
        [Span(0, 4)],
    ),
    "frozen, then killed": (
        [(0, 1, False, ONE), (2, 3, None, ONE), (4, 5, None, ONE), (6, 7, None, GONE), (8, 9, None, GONE)],
        [Span(0, 2)],
    ),
    "started again between two questions": (
        [(0, 1, False, ONE), (2, 3, None, OTHER), (4, 5, None, OTHER), (6, 7, False, OTHER)],
        [Span(0, 1), Span(6, 7)],
    ),
    "gone right after its answer": ([(0, 1, False, GONE), (2, 3, None, GONE)], [Span(0, 1)]),
}


@pytest.mark.parametrize("case", CASES)
def test_from_answers_to_spans(case: str) -> None:
    """A node that is silent is what it was while its process lives, but for the last question it left unanswered."""
    answers, spans = CASES[case]
    told = Told()
    for answer in answers:
        told.hear(*answer)
    assert told.spans == spans
