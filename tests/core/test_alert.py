"""The life of one alert, as a table and as sentences."""

from __future__ import annotations

from itertools import product

import pytest

from keeper.core.alert import (
    MAX_REASON,
    RESOLVED_FOR,
    Alert,
    Phase,
    Policy,
    Transition,
    blind,
    due,
    retire,
    stands,
    step,
    wake,
)
from keeper.core.verdict import FOREVER, State, Verdict, failing, ok, unknown

POLICY = Policy("critical", for_=10.0, recover=20.0)
SAID = {
    State.OK: ok("the head moves", 1.0),
    State.FAILING: failing("the head stands still", 12.0),
    State.UNKNOWN: unknown("the API does not answer"),
}
BEFORE = {
    Phase.INACTIVE: Alert("head_stalled", "bp1", since=50.0),
    Phase.PENDING: Alert("head_stalled", "bp1", Phase.PENDING, 100.0, counts_from=100.0, reason="stands"),
    Phase.FIRING: Alert(
        "head_stalled", "bp1", Phase.FIRING, 110.0, started=100.0, counts_from=115.0, reason="stands", incident=1
    ),
    Phase.RESOLVED: Alert(
        "head_stalled", "bp1", Phase.RESOLVED, 140.0, started=100.0, resolved_at=140.0, reason="moves", incident=1
    ),
}
# When the hold of the phase is over: `for` of pending, `recover` of firing, the repetition of resolved.
OVER = {Phase.INACTIVE: 60.0, Phase.PENDING: 110.0, Phase.FIRING: 135.0, Phase.RESOLVED: 140.0 + RESOLVED_FOR}

N, P, F, R = Phase.INACTIVE, Phase.PENDING, Phase.FIRING, Phase.RESOLVED
# (phase, verdict) → phase before the hold is over, phase after it, phase after it with a cause or a silence
TABLE = {
    (N, State.OK): (N, N, N),
    (N, State.FAILING): (P, P, P),
    (N, State.UNKNOWN): (N, N, N),
    (P, State.OK): (N, N, N),
    (P, State.FAILING): (P, F, P),
    (P, State.UNKNOWN): (P, P, P),
    (F, State.OK): (F, R, R),
    (F, State.FAILING): (F, F, F),
    (F, State.UNKNOWN): (F, F, F),
    (R, State.OK): (R, N, N),
    (R, State.FAILING): (P, P, P),
    (R, State.UNKNOWN): (R, N, N),
}


@pytest.mark.parametrize(("phase", "state"), TABLE)
@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize(("cause", "silence"), list(product((None, "http_down"), (None, "maintenance"))))
def test_the_whole_table(phase: Phase, state: State, over: bool, cause: str | None, silence: str | None) -> None:
    """Every phase under every verdict, before and after its hold, held back or not: the next phase and what is told."""
    now = OVER[phase] - (0.0 if over else 0.5)
    alert, told = step(BEFORE[phase], SAID[state], now, POLICY, cause, silence)
    early, late, held = TABLE[phase, state]
    assert alert.phase is (held if over and (cause or silence) else late if over else early)
    if alert.phase is F and phase is not F:
        assert told == Transition(now, "head_stalled", "bp1", "firing", alert)
    elif phase is F and alert.phase is R:
        assert told == Transition(now, "head_stalled", "bp1", "resolved", alert)
    else:
        assert told is None


def test_fires_at_once_without_for() -> None:
    """`for = 0s`: the first failing verdict fires; the failure began at that moment; it is the first incident."""
    alert, told = step(BEFORE[N], SAID[State.FAILING], 60.0, Policy("critical", 0.0, 0.0), None, None)
    assert told is not None
    assert (alert.phase, alert.since, alert.started, alert.incident) == (F, 60.0, 60.0, 1)
    assert (alert.reason, alert.number) == ("the head stands still", 12.0)


def test_started_is_the_beginning_of_the_failure_not_of_the_alert() -> None:
    """startsAt of other people is when it went wrong, `for` seconds before it fired."""
    alert, _ = step(BEFORE[P], SAID[State.FAILING], 130.0, POLICY, None, None)
    assert (alert.since, alert.started) == (130.0, 100.0)


def test_recover_begins_anew_with_every_failure() -> None:
    """An alert that recovers and fails again is not resolved before it was well for `recover` in one piece."""
    alert, _ = step(BEFORE[F], SAID[State.FAILING], 134.0, POLICY, None, None)
    alert, _ = step(alert, SAID[State.OK], 135.0, POLICY, None, None)
    assert due(alert, 135.0, POLICY) == 155.0
    alert, told = step(alert, SAID[State.OK], 154.9, POLICY, None, None)
    assert told is None
    alert, told = step(alert, SAID[State.OK], 155.0, POLICY, None, None)
    assert told is not None
    assert (alert.phase, alert.resolved_at, told.kind) == (R, 155.0, "resolved")


def test_blind_seconds_count_neither_for_nor_against() -> None:
    """Pending for 4 of 10 s, blind for 100 s: fires 6 s after it can be seen again; firing likewise recovers."""
    for phase, seen in ((P, State.FAILING), (F, State.OK)):
        begun = BEFORE[phase].counts_from
        assert begun is not None
        alert, _ = step(BEFORE[phase], SAID[State.UNKNOWN], begun + 4, POLICY, None, None)
        assert (alert.phase, alert.blind_since, due(alert, begun + 4, POLICY)) == (phase, begun + 4, FOREVER)
        alert, told = step(alert, SAID[State.UNKNOWN], begun + 50, POLICY, None, None)
        assert (alert.phase, alert.blind_since, told) == (phase, begun + 4, None)
        alert, told = step(alert, SAID[seen], begun + 104, POLICY, None, None)
        hold = POLICY.for_ if phase is P else POLICY.recover
        assert (alert.blind_since, told, due(alert, 0.0, POLICY)) == (None, None, begun + 100 + hold)


def test_what_cannot_be_seen_says_so_once() -> None:
    """The reason keeps what was known and adds why no more is; it does not grow while nothing can be seen."""
    alert, _ = step(BEFORE[F], SAID[State.UNKNOWN], 120.0, POLICY, None, None)
    assert alert.reason == "stands; cannot be seen any more: the API does not answer"
    again, _ = step(alert, unknown("something else"), 130.0, POLICY, None, None)
    assert again is alert


def test_an_unchanged_alert_is_the_same_object() -> None:
    """So the loop knows without comparing what it need not store."""
    for phase, state in ((N, State.OK), (N, State.UNKNOWN), (R, State.OK)):
        alert, told = step(BEFORE[phase], SAID[state], 141.0, POLICY, None, None)
        assert alert is BEFORE[phase]
        assert told is None


def test_a_cause_holds_back_and_the_hold_begins_when_it_is_over() -> None:
    """What another rule explains is no failure of its own: `for` counts from the end of the explanation."""
    alert, _ = step(BEFORE[P], SAID[State.FAILING], 105.0, POLICY, "http_down", "maintenance")
    assert (alert.cause, alert.held, due(alert, 105.0, POLICY)) == ("http_down", "caused by http_down", FOREVER)
    alert, told = step(alert, SAID[State.FAILING], 300.0, POLICY, None, None)
    assert (alert.phase, alert.cause, alert.held, told) == (P, None, None, None)
    assert due(alert, 300.0, POLICY) == 310.0
    alert, told = step(alert, SAID[State.FAILING], 310.0, POLICY, None, None)
    assert told is not None
    assert (alert.started, alert.phase) == (100.0, F)


def test_a_cause_that_ends_with_it_raises_nothing() -> None:
    """One cause raises one alert: the explained rule is well again without ever having fired."""
    alert, _ = step(BEFORE[P], SAID[State.FAILING], 200.0, POLICY, "http_down", None)
    alert, told = step(alert, SAID[State.OK], 210.0, POLICY, None, None)
    assert (alert.phase, alert.cause, alert.held, told) == (N, None, None, None)


def test_a_silence_holds_back_and_at_its_end_it_fires_at_once() -> None:
    """Maintenance is over and it still fails: nobody waits for `for` a second time."""
    alert, _ = step(BEFORE[P], SAID[State.FAILING], 200.0, POLICY, None, "new disks")
    assert (alert.phase, alert.held, due(alert, 200.0, POLICY)) == (P, "silence: new disks", FOREVER)
    alert, told = step(alert, SAID[State.FAILING], 201.0, POLICY, None, None)
    assert told is not None
    assert (alert.phase, alert.held) == (F, None)


def test_a_silence_neither_ends_nor_hides_what_fires() -> None:
    """Under a silence a firing alert stands (so that nobody is told it was over) and its true end is told."""
    alert, told = step(BEFORE[F], SAID[State.FAILING], 134.0, POLICY, "http_down", "new disks")
    assert (alert.phase, told, stands(alert, 134.0)) == (F, None, True)
    alert, _ = step(alert, SAID[State.OK], 140.0, POLICY, None, "new disks")
    alert, told = step(alert, SAID[State.OK], 160.0, POLICY, None, "new disks")
    assert told is not None
    assert told.kind == "resolved"


def test_what_fails_again_keeps_the_last_incident_until_it_fires() -> None:
    """Its resolution is repeated while it is pending, with its own times; firing again is a new incident."""
    alert, _ = step(BEFORE[R], SAID[State.FAILING], 150.0, POLICY, None, None)
    assert (alert.phase, alert.started, alert.resolved_at, alert.incident) == (P, 100.0, 140.0, 1)
    assert stands(alert, 150.0)
    alert, _ = step(alert, SAID[State.FAILING], 160.0, POLICY, None, None)
    assert (alert.phase, alert.started, alert.resolved_at, alert.incident) == (F, 150.0, None, 2)


def test_a_resolution_stands_for_five_minutes() -> None:
    """Alertmanager's contract, whatever happens to the alert meanwhile but a new firing."""
    assert stands(BEFORE[R], 439.9)
    assert not stands(BEFORE[R], 440.0)
    assert not stands(BEFORE[N], 60.0)
    assert not stands(BEFORE[P], 105.0)


def test_an_alert_waits_out_a_restart() -> None:
    """Seconds in which keeper did not run prove nothing: pending does not fire, firing is not resolved by them."""
    for phase, seen in ((P, State.FAILING), (F, State.OK)):
        alert = wake(BEFORE[phase], 120.0, 5000.0)
        assert (alert.phase, alert.blind_since) == (phase, 120.0)
        assert alert.reason == "stands; cannot be seen any more: keeper was not running"
        hold = POLICY.for_ if phase is P else POLICY.recover
        alert, told = step(alert, SAID[seen], 5000.0, POLICY, None, None)
        begun = min(BEFORE[phase].counts_from or 0.0, 120.0)
        if 120.0 - begun < hold:
            assert told is None
            assert due(alert, 5000.0, POLICY) == begun + 4880.0 + hold


def test_a_clock_set_back_over_a_restart_leaves_no_time_in_the_future() -> None:
    """Times from before are not after the wake: nothing waits for a date that the clock left behind."""
    for before in BEFORE.values():
        alert = wake(before, 200.0, 90.0)
        times = (alert.since, alert.started, alert.resolved_at, alert.counts_from, alert.blind_since)
        assert all(time is None or time <= 90.0 for time in times)


def test_a_blind_alert_keeps_the_earlier_time() -> None:
    """Blind before the restart and after it is one blindness."""
    alert = blind(BEFORE[F], 120.0, "log gone")
    assert wake(alert, 130.0, 200.0) == alert


def test_retiring_ends_what_fires() -> None:
    """A rule taken out of the configuration while it fires is resolved, with that reason; pending is only forgotten."""
    alert, told = retire(BEFORE[F], 150.0, "no longer configured")
    assert told is not None
    assert (alert.phase, alert.resolved_at, alert.reason, told.kind) == (R, 150.0, "no longer configured", "resolved")
    alert, told = retire(BEFORE[P], 150.0, "no longer configured")
    assert (alert.phase, told) == (N, None)
    assert retire(BEFORE[N], 150.0, "") == (BEFORE[N], None)


def test_a_long_reason_is_cut() -> None:
    """What a peer said may be long; what we repeat of it is not."""
    verdict = Verdict(State.FAILING, "x" * 100_000, None, FOREVER)
    alert, _ = step(BEFORE[N], verdict, 60.0, POLICY, None, None)
    assert len(alert.reason) == MAX_REASON
    alert = blind(alert, 70.0, "y" * 100_000)
    assert len(alert.reason) == MAX_REASON
