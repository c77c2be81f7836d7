"""The guard: what it does when nobody moves its deadline."""

from __future__ import annotations

import pytest

from keeper.failover.guard_rule import Guard, GuardStep, arm, disarm, guard_step, why_fence

ARMED = Guard(100.0, settled=True)


@pytest.mark.parametrize(
    ("guard", "paused", "now", "step"),
    [
        (ARMED, False, 99.9, GuardStep.WAIT),
        (ARMED, False, 100.0, GuardStep.PAUSE),
        (ARMED, None, 100.0, GuardStep.PAUSE),
        (ARMED, True, 100.0, GuardStep.WAIT),
        (ARMED._replace(fencing_since=100.0), False, 101.9, GuardStep.PAUSE),
        (ARMED._replace(fencing_since=100.0), None, 102.0, GuardStep.KILL),
        (Guard(100.0, settled=False), True, 100.0, GuardStep.KILL),
        (Guard(), False, 5.0, GuardStep.PAUSE),
        (Guard(), None, 5.0, GuardStep.WAIT),
        (Guard(), True, 5.0, GuardStep.WAIT),
    ],
)
def test_it_pauses_and_kills_what_does_not_heed(guard: Guard, paused: bool | None, now: float, step: GuardStep) -> None:
    """A resume that may be under way leaves only the kill; a node nobody armed it for must not run."""
    assert guard_step(guard, paused, False, now, 2.0)[1] is step


def test_a_process_that_is_gone_is_the_end_of_it() -> None:
    """The next one is judged anew, or it would be killed for what the last one did."""
    guard, step = guard_step(Guard(100.0, settled=False), None, True, 101.0, 2.0)
    assert (guard, step) == (Guard(), GuardStep.WAIT)


def test_a_deadline_only_moves_forward() -> None:
    """A message that was late must not shorten it."""
    assert arm(ARMED, 90.0, True) == ARMED
    assert arm(ARMED, 110.0, True) == Guard(110.0, settled=True)


def test_disarmed_it_lets_a_node_rest() -> None:
    """keeper verified that it is paused."""
    assert why_fence(disarm(ARMED), True, 500.0) is None
    assert why_fence(disarm(ARMED), False, 500.0) == "the node runs and nobody armed the guard"
    assert why_fence(ARMED, False, 103.0) == "keeper has not moved the deadline for 3.0 s too long"
