"""What the answers of a receiver say over time."""

from __future__ import annotations

import pytest

from keeper.core.receiver_memory import ReceiverMemory
from tests.rules.build import T0
from tests.rules.receiver import answer


@pytest.mark.parametrize("count", ["deaths", "refused", "lost"])
def test_a_count_grows_answer_by_answer(count: str) -> None:
    """And begins at nought with another process, however much that counted before it answered first."""
    memory = ReceiverMemory(100)
    grown = getattr(memory, count)
    memory.take([answer(0, **{count: 9}), answer(1, **{count: 9}), answer(2, **{count: 11})])
    assert grown.since(T0) == (2, T0 + 2)
    memory.take([answer(10, started=2000.0, up=5.0, **{count: 4}), answer(11, started=2000.0, **{count: 5})])
    assert grown.since(T0 + 2) == (7, T0 + 11)
    assert grown.since(T0 + 5) == (5, T0 + 11)
    assert grown.since(T0 + 5.1) == (1, T0 + 11)
    assert grown.since(T0 + 12) == (0, 0)


def test_a_process_cannot_have_begun_before_the_one_before_it_answered() -> None:
    """Its clock was set meanwhile."""
    memory = ReceiverMemory(100)
    memory.take([answer(0), answer(10, started=2000.0, up=9e9, refused=3)])
    assert memory.refused.since(T0) == (3, T0)


def test_what_grew_is_remembered_up_to_a_number() -> None:
    """The oldest is forgotten."""
    memory = ReceiverMemory(3)
    memory.take([answer(time, refused=2 * time) for time in range(10)])
    assert memory.refused.since(T0) == (6, T0 + 9)


def test_since_when_something_is_so() -> None:
    """From the first answer that says so on, over a restart, until one does not."""
    memory = ReceiverMemory(100)
    memory.take([answer(0), answer(1, running=3, hindered=1, trouble="full"), answer(2, running=2, started=2000.0)])
    assert (memory.troubled_since, memory.hindered_since, memory.short_since) == (None, None, T0 + 1)
    memory.take([answer(3, running=3, hindered=3, trouble="full")])
    assert (memory.troubled_since, memory.hindered_since, memory.short_since) == (T0 + 3, T0 + 3, T0 + 1)
    memory.take([answer(4)])
    assert (memory.troubled_since, memory.hindered_since, memory.short_since) == (None, None, None)
