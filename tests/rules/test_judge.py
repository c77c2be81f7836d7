"""The judge asks a rule when its answer may have changed, and not otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from keeper.core.event import ForkSwitched, PeerCount
from keeper.core.memory import Memory, View
from keeper.core.verdict import FOREVER, State, Verdict, failing, ok
from keeper.rules.judge import EARLY, Judge
from keeper.rules.rule import Rule
from tests.rules.build import T0, Scene


@dataclass(frozen=True, kw_only=True)
class Scripted(Rule):
    """Answers what the script says from a time on, and notes when it was asked."""

    name = "scripted"
    wakes: ClassVar[tuple[type, ...]] = (ForkSwitched,)

    script: tuple[tuple[float, Verdict], ...] = ((0.0, ok("fine")),)
    asked: list[float] = field(default_factory=list)

    def judge(self, view: View) -> Verdict:
        self.asked.append(view.now - T0)
        verdict = next(verdict for since, verdict in reversed(self.script) if view.now - T0 >= since)
        return verdict._replace(until=verdict.until + T0)


@dataclass(frozen=True, kw_only=True)
class Other(Scripted):
    name = "other"
    wakes = ()


def judge(*rules: Rule, scene: Scene | None = None) -> Judge:
    return Judge((scene or Scene()).memory, rules, T0)


def test_a_rule_is_asked_at_first_and_then_when_its_verdict_ends() -> None:
    """`due` says when."""
    rule = Scripted(script=((0.0, ok("fine", until=20.0)), (20.0, ok("still fine"))))
    asking = judge(rule)
    assert asking.due == T0
    asking.ask(T0)
    assert asking.due == T0 + 20
    for time in (1, 10, 14.9):
        assert asking.ask(T0 + time) == []
    asking.ask(T0 + 20)
    assert rule.asked == [0, 20]
    assert asking.due == FOREVER


def test_a_rule_whose_time_comes_soon_is_asked_along() -> None:
    """Fewer walks over all rules; a verdict is never asked too late."""
    first = Scripted(script=((0.0, ok("a", until=20.0)), (20.0, ok("b"))))
    second = Other(script=((0.0, ok("c", until=20.0 + EARLY)), (20.0, ok("d", until=99.0))))
    asking = judge(first, second)
    asking.ask(T0)
    asking.ask(T0 + 20)
    assert (first.asked, second.asked) == ([0, 20], [0, 20])
    assert asking.due == T0 + 99


def test_only_a_new_state_or_reason_is_told() -> None:
    """`since` is when the state began; the number may change unnoticed."""
    rule = Scripted(
        script=(
            (0.0, ok("fine", 1.0, until=10.0)),
            (10.0, ok("fine", 2.0, until=20.0)),
            (20.0, failing("broken for 1 s", until=21.0)),
            (21.0, failing("broken for 2 s", until=22.0)),
            (22.0, ok("fine again")),
        )
    )
    asking = judge(rule)
    told = [(time, asking.ask(T0 + time)) for time in (0, 10, 20, 21, 22)]
    shown = [(time, [(j.verdict.state.value, j.verdict.reason, j.since - T0) for j in judged]) for time, judged in told]
    assert shown == [
        (0, [("ok", "fine", 0)]),
        (10, []),
        (20, [("failing", "broken for 1 s", 20)]),
        (21, [("failing", "broken for 2 s", 20)]),
        (22, [("ok", "fine again", 22)]),
    ]
    assert asking.judged["scripted"].verdict.reason == "fine again"
    assert asking.failing() == frozenset()


def test_an_event_wakes_the_rules_that_listen_to_it() -> None:
    """And no others."""
    listening, deaf = Scripted(), Other()
    asking = judge(listening, deaf)
    asking.ask(T0)
    asking.wake(asking.heeding(PeerCount(T0, 1, 1)))
    assert asking.ask(T0 + 1) == []
    asking.wake(asking.heeding(ForkSwitched(T0, 1, 2, "x")))
    asking.ask(T0 + 2)
    assert (listening.asked, deaf.asked) == ([0, 2], [0])
    assert asking.wakes == frozenset({ForkSwitched})


def test_a_deadline_that_is_now_is_not_due_again_at_once() -> None:
    """A rule that promises nothing must not hold up time."""
    rule = Scripted(script=((0.0, failing("bad", until=0.0)),))
    asking = judge(rule)
    asking.ask(T0)
    assert T0 < asking.due <= T0 + 0.01


def test_fresh_numbers_can_wait_while_nothing_happens() -> None:
    """In a gap of a recorded log; exact deadlines are kept."""
    refreshed = Scripted(script=((0.0, failing("for 1 s", until=1.0)),))
    exact = Other(script=((0.0, ok("fine", until=30.0)),))
    asking = judge(refreshed, exact)
    asking.ask(T0, pause=20.0)
    assert asking.due == T0 + 20


def test_what_no_event_tells_wakes_all() -> None:
    """A source that went blind, another schedule, distrust: see `Memory.turns`."""
    scene = Scene().sees("log", 0)
    rule = Other()
    asking = judge(rule, scene=scene)
    asking.ask(T0)
    asking.heed()
    asking.ask(T0 + 1)
    scene.blinded("log", 2)
    asking.heed()
    asking.ask(T0 + 2)
    assert rule.asked == [0, 2]


def test_while_keeper_distrusts_itself_nothing_is_known() -> None:
    """Until it has looked long enough; then every rule is asked."""
    scene = Scene()
    rule = Scripted()
    asking = judge(rule, scene=scene)
    asking.ask(T0)
    scene.memory.distrust(T0 + 13, "the clock jumped by +5.0 s")
    asking.heed()
    (judged,) = asking.ask(T0 + 3)
    assert (judged.verdict.state, judged.verdict.reason) == (State.UNKNOWN, "the clock jumped by +5.0 s")
    assert asking.due == T0 + 13
    (judged,) = asking.ask(T0 + 13)
    assert judged.verdict.state is State.OK
    assert rule.asked == [0, 13]


def test_keeper_judges_itself_even_then() -> None:
    """That it was late is what it has to tell."""
    scene = Scene(kind="keeper", sources=())
    scene.memory.distrust(T0 + 13, "keeper was late")
    asking = judge(Scripted(), scene=scene)
    (judged,) = asking.ask(T0)
    assert judged.verdict.state is State.OK


def test_a_judge_that_takes_the_place_of_another_keeps_its_verdicts() -> None:
    """A reload is no reason to forget since when something fails."""
    memory: Memory = Scene().memory
    old = Judge(memory, [Scripted(script=((0.0, failing("broken")),))], T0)
    old.ask(T0)
    new = Judge(memory, [Scripted(script=((0.0, failing("broken")),)), Other()], T0 + 50, former=old)
    assert [judged.rule.name for judged in new.ask(T0 + 50)] == ["other"]
    assert new.judged["scripted"].since == T0


def test_no_rules_are_never_due() -> None:
    """Everything may be switched off."""
    asking = judge()
    assert asking.ask(T0) == []
    assert asking.due == FOREVER


@dataclass(frozen=True, kw_only=True)
class Resting(Scripted):
    rests = 0.5


def test_a_rule_that_rests_is_not_woken_again_at_once() -> None:
    """However often what it listens to happens; when it has rested it is asked, even if nothing comes any more."""
    rule = Resting()
    asking = judge(rule)
    asking.ask(T0)
    for hundredths in range(100):
        asking.wake([rule])
        asking.ask(T0 + 1 + hundredths / 100)
    assert rule.asked == [0, 1, 1.5]
    assert asking.due == T0 + 2
    asking.ask(T0 + 2)
    assert (rule.asked[-1], asking.due) == (2, FOREVER)


def test_a_rule_that_rests_is_asked_when_sight_is_lost() -> None:
    """That is no event among many."""
    rule = Resting()
    scene = Scene().sees("log", 0)
    asking = judge(rule, scene=scene)
    asking.ask(T0)
    scene.blinded("log", 0.1)
    asking.heed()
    asking.ask(T0 + 0.1)
    assert rule.asked == [0, pytest.approx(0.1)]
