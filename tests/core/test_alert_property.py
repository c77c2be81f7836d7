"""Random lives of one alert: what must hold whatever the verdicts, causes and silences."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.alert import RESOLVED_FOR, Alert, Phase, Policy, Transition, due, step, wake
from keeper.core.verdict import State, Verdict

TICK = 0.125  # seconds; a power of two, so that sums are exact


class Change(NamedTuple):
    """From `ticks` after the last change on: these answers."""

    ticks: int
    verdict: Verdict
    cause: str | None
    silence: str | None


VERDICTS = st.sampled_from([Verdict(state, state.value, None, float("inf")) for state in State])
CHANGES = st.lists(
    st.builds(
        Change,
        st.integers(1, 400),
        VERDICTS,
        st.sampled_from([None, None, "http_down"]),
        st.sampled_from([None, None, "disks"]),
    ),
    max_size=40,
)
POLICIES = st.builds(
    Policy, st.just("critical"), st.integers(0, 80).map(lambda n: n * TICK), st.integers(0, 80).map(lambda n: n * TICK)
)
START = 1_000_000.0
CALM = Change(0, Verdict(State.OK, "ok", None, float("inf")), None, None)


class Life:
    """An alert with its transitions; `run` steps it through the changes, only when due or every tick."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.alert = Alert("head_stalled", "bp1")
        self.now = START
        self.answer = CALM
        self.told: list[Transition] = []
        self.looks: list[tuple[float, State, Alert]] = []

    def step(self) -> None:
        before = self.alert
        self.alert, told = step(
            before, self.answer.verdict, self.now, self.policy, self.answer.cause, self.answer.silence
        )
        self.looks.append((self.now, self.answer.verdict.state, self.alert))
        if told is not None:
            self.told.append(told)
            if told.kind == "firing":
                assert self.answer.verdict.state is State.FAILING
                assert self.answer.cause is None
                assert self.answer.silence is None
            else:
                assert self.answer.verdict.state is State.OK
        if self.answer.verdict.state is State.UNKNOWN and before.phase is not Phase.RESOLVED:
            assert self.alert.phase is before.phase

    def run(self, changes: list[Change], every: float | None) -> None:
        for change in changes:
            end = self.now + change.ticks * TICK
            while True:
                later = self.now + every if every else due(self.alert, self.now, self.policy)
                assert later >= self.now
                if later >= end:
                    break
                assert later > self.now, "due twice at one time"
                self.now = later
                self.step()
            self.now = end
            self.answer = change
            self.step()


@given(CHANGES, POLICIES)
def test_stepping_when_due_is_as_good_as_stepping_always(changes: list[Change], policy: Policy) -> None:
    """`due` is never too late: an alert stepped only when it is due or its answers change tells the same, at the same
    times, as one stepped eight times a second."""
    lazy, eager = Life(policy), Life(policy)
    tail = [Change(1, CALM.verdict, None, None), Change(10_000, CALM.verdict, None, None)]
    lazy.run(changes + tail, None)
    eager.run(changes + tail, TICK)
    assert lazy.told == eager.told
    assert lazy.alert == eager.alert


@given(CHANGES, POLICIES)
def test_the_invariants(changes: list[Change], policy: Policy) -> None:
    """Firing and resolved alternate, incidents count up, nothing is resolved or fires on UNKNOWN (see Life.step), times
    are in order, and whatever fires is resolved when it is well for long enough."""
    life = Life(policy)
    life.run(changes, None)
    life.run([Change(1, CALM.verdict, None, None), Change(100, CALM.verdict, None, None)], None)
    assert life.alert.phase in (Phase.RESOLVED, Phase.INACTIVE)
    kinds = [told.kind for told in life.told]
    assert kinds == ["firing", "resolved"] * (len(kinds) // 2)
    assert [told.alert.incident for told in life.told] == [1 + n // 2 for n in range(len(kinds))]
    for told in life.told:
        started, resolved_at = told.alert.started, told.alert.resolved_at
        assert started is not None
        assert started <= told.at
        assert (resolved_at == told.at) is (told.kind == "resolved")
    life.run([Change(int(RESOLVED_FOR / TICK) + 1, CALM.verdict, None, None)], None)
    assert life.alert.phase is Phase.INACTIVE


@given(CHANGES, POLICIES)
def test_only_seen_seconds_count(changes: list[Change], policy: Policy) -> None:
    """Counted by hand: it fires only after `for` seconds of failing that somebody saw, without explanation, since it
    was last well; it is resolved only after `recover` seconds of being seen well since it last failed."""
    life = Life(policy)
    life.run(changes, TICK)
    told = {t.at: t.kind for t in life.told}
    failing = well = 0.0
    last: tuple[float, State, Alert] | None = None
    for now, state, alert in life.looks:
        if last is not None:
            passed = now - last[0]
            failing += passed if last[1] is State.FAILING and last[2].cause is None else 0.0
            well += passed if last[1] is State.OK else 0.0
        if state is State.OK or alert.cause is not None:
            failing = 0.0
        if state is State.FAILING:
            well = 0.0
        if told.get(now) == "firing":
            assert failing >= policy.for_
        if told.get(now) == "resolved":
            assert well >= policy.recover
        last = (now, state, alert)


@given(CHANGES, POLICIES, st.integers(1, 100_000))
def test_a_restart_neither_fires_nor_resolves(changes: list[Change], policy: Policy, ticks: int) -> None:
    """Waking up after any time under UNKNOWN changes no phase but the end of the repetition."""
    life = Life(policy)
    life.run(changes, None)
    now = life.now + ticks * TICK
    alert = wake(life.alert, life.now, now)
    assert alert.phase is life.alert.phase
    stepped, told = step(alert, Verdict(State.UNKNOWN, "just started", None, now), now, policy, None, None)
    assert told is None
    assert stepped.phase is alert.phase or alert.phase is Phase.RESOLVED
