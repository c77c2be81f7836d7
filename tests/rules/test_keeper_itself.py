"""self_late, clock_jump, state_unwritable: keeper watches itself."""

from __future__ import annotations

from keeper.core.event import ClockJumped, LoopLate, StateFailed
from keeper.rules.clock_jump import ClockJump
from keeper.rules.self_late import SelfLate
from keeper.rules.state_unwritable import StateUnwritable
from tests.rules.build import T0, Scene, said


def keeper(*events: object) -> Scene:
    return Scene(kind="keeper", sources=()).take(events)  # type: ignore[arg-type]  # events


def test_a_loop_that_stood_still_fails_for_a_minute() -> None:
    """More than two seconds; the worst is told."""
    scene = keeper(LoopLate(T0, 2.0), LoopLate(T0 + 1, 4.56), LoopLate(T0 + 5, 3.0))
    verdict = scene.verdict(SelfLate(), 61)
    assert said(verdict) == (
        "failing",
        "keeper itself stood still for 4.6 s until 20:36:01, 2 times in 1 min; "
        "its machine is overloaded or was suspended",
    )
    assert verdict.number == 4.56
    assert said(scene.verdict(SelfLate(), 65.1)) == ("ok", "keeper is in time")


def test_a_clock_that_jumped_fails_for_a_minute() -> None:
    """Forward or back."""
    scene = keeper(ClockJumped(T0, -3600.0), ClockJumped(T0 + 1, 2.0))
    assert said(scene.verdict(ClockJump(), 60)) == (
        "failing",
        "the clock of this machine jumped back by 3600.0 s at 20:36:00; check NTP",
    )
    assert said(scene.verdict(ClockJump(), 60.1)) == ("ok", "the clock runs steadily")
    assert "forward by 2.5 s" in said(keeper(ClockJumped(T0, 2.5)).verdict(ClockJump(), 1))[1]


def test_a_database_that_refused_a_write_fails_for_a_while() -> None:
    """keeper goes on from memory."""
    scene = keeper(StateFailed(T0, "disk full"))
    verdict = scene.verdict(StateUnwritable(), 14.9)
    assert (said(verdict)[0], verdict.until) == ("failing", 15)
    assert said(scene.verdict(StateUnwritable(), 15))[0] == "ok"


def test_a_quiet_keeper_is_well_until_something_happens() -> None:
    """Nothing is asked for in between."""
    for rule in (SelfLate(), ClockJump(), StateUnwritable()):
        verdict = keeper().verdict(rule, 1)
        assert (said(verdict)[0], verdict.until) == ("ok", float("inf"))
