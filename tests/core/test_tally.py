"""What came of an agent's packets, counted by seconds."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.event import PacketAnswered, PacketsCounted, PacketUnanswered
from keeper.core.memory import Bounds, Memory, Subject
from keeper.core.tally import MOST_KINDS, OTHER, counts
from tests.rules.agent import accepted, failed, unanswered
from tests.rules.build import T0

Answer = PacketAnswered | PacketUnanswered


def test_a_second_is_one_count() -> None:
    """`at` is when the last of it came; what was not accepted is told apart by what the answers said."""
    first: list[Answer] = [accepted(0), failed(0.5), failed(0.7, 500, ""), unanswered(0.9, 0), accepted(0.95)]
    events = [*first, failed(1), accepted(3)]
    assert list(counts(None, events)) == [
        PacketsCounted(T0 + 0.95, 2, 3, {(599, "HTTP 599: Timeout"): 1, (500, ""): 1, (None, ""): 1}),
        PacketsCounted(T0 + 1, 0, 1, {(599, "HTTP 599: Timeout"): 1}),
        PacketsCounted(T0 + 3, 1, 0, {}),
    ]


def test_a_second_has_room_for_few_different_answers() -> None:
    """All are counted."""
    [count] = counts(None, [failed(0.1, 500, str(n)) for n in range(100)])
    assert (count.failed, len(count.said), count.said[OTHER]) == (100, MOST_KINDS + 1, 100 - MOST_KINDS)


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(0, 2**32))
def test_it_does_not_matter_in_how_many_pieces_they_come(tenths: list[int], seed: int) -> None:
    """One chunk of the log or several, and clocks that step back."""
    chance = random.Random(seed)
    events = [accepted(tenth / 10) if chance.random() < 0.5 else failed(tenth / 10) for tenth in tenths]
    subject = Subject("a", "agent", sources=frozenset({"log"}))
    whole, pieces = (Memory(subject, Bounds(), 1.0, T0) for _ in range(2))
    if events:
        whole.take(events, 0, len(events))
    for event in events:
        pieces.take([event], 0, 1)
    assert list(whole.ring(PacketsCounted)) == list(pieces.ring(PacketsCounted))
    assert whole.acceptance.outage == pieces.acceptance.outage
