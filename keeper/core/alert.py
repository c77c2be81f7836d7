"""The life of an alert: from a verdict, the time, and what explains or silences it, to its next state.

    inactive ──failing──► pending ──failing for `for`──► firing ──ok for `recover`──► resolved ──5 min──► inactive
                             └──ok──► inactive                                            └──failing──► pending

UNKNOWN freezes it: the seconds in which keeper could not see count neither as failure nor as recovery.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

from keeper.core.verdict import FAILING, FOREVER, OK, UNKNOWN, State, Verdict

# Alertmanager's documentation (alerts_api.md): clients shall repeat a resolved alert for up to five minutes.
RESOLVED_FOR = 300.0
MAX_REASON = 1000  # characters; a reason may quote what a peer sent


class Phase(Enum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


INACTIVE, PENDING, FIRING, RESOLVED = Phase.INACTIVE, Phase.PENDING, Phase.FIRING, Phase.RESOLVED  # as in `verdict`


@dataclass(frozen=True, slots=True)
class Policy:
    """How a rule alerts. `for_` and `recover` in seconds."""

    severity: str
    for_: float
    recover: float


class Alert(NamedTuple):
    """One rule's alert about one subject. Times are seconds on keeper's steady clock.

    A named tuple because a replay makes tens of thousands: the words of what fires change.

    `incident` counts the firings; `started` and `resolved_at` belong to the newest of them: `started` is when its
    failure began, before `for`. `since` is when the phase was entered. `counts_from` is the time from which `for`
    (pending) or `recover` (firing) is counted, None while neither is. `blind_since` is set while a pending or firing
    alert cannot be seen. `cause` is the rule that explains it and `held` why it is not sent, both only while pending.
    """

    rule: str
    subject: str
    phase: Phase = INACTIVE
    since: float = 0.0
    started: float | None = None
    resolved_at: float | None = None
    counts_from: float | None = None
    blind_since: float | None = None
    reason: str = ""
    number: float | None = None
    cause: str | None = None
    held: str | None = None
    incident: int = 0


class Transition(NamedTuple):
    """What other people are told: the alert began to fire, or is resolved."""

    at: float
    rule: str
    subject: str
    kind: Literal["firing", "resolved"]
    alert: Alert


class _Now(NamedTuple):
    time: float
    policy: Policy
    cause: str | None
    silence: str | None


def step(  # who, what, when, how, and the two reasons to hold back: each of them once
    alert: Alert, verdict: Verdict, now: float, policy: Policy, cause: str | None, silence: str | None
) -> tuple[Alert, Transition | None]:
    """Bring the alert to `now`, at which its rule says `verdict`.

    `cause` is the failing rule that explains this one, `silence` why new firings are held back. What fires already
    goes on firing under both, and its resolution is told. Returns the very same object when nothing changed.
    """
    seen = blind(alert, now, verdict.reason) if verdict.state is UNKNOWN else _sighted(alert, verdict, now)
    after = _STEPS[alert.phase, verdict.state](seen, _Now(now, policy, cause, silence))
    return (alert if after == alert else after), _told(alert, after, now)


def due(alert: Alert, now: float, policy: Policy) -> float:
    """The earliest time, not before `now`, at which `step` could change the phase with the same verdict, cause and
    silence; infinity when time alone changes nothing."""
    if alert.phase is RESOLVED:
        return max(now, alert.since + RESOLVED_FOR)
    if alert.counts_from is None or alert.blind_since is not None or alert.held is not None:
        return FOREVER
    return max(now, alert.counts_from + (policy.for_ if alert.phase is PENDING else policy.recover))


def rests(alert: Alert, verdict: Verdict, now: float) -> bool:
    """Whether `step` changes nothing at `now`, whatever cause or silence there is: for most, most of the time."""
    if verdict.state is not FAILING:
        phase = alert.phase
        return phase is INACTIVE or (phase is RESOLVED and now < alert.since + RESOLVED_FOR)
    counts = alert.counts_from is not None or alert.blind_since is not None
    told = alert.reason == verdict.reason and alert.number == verdict.number
    return alert.phase is FIRING and told and not counts


def blind(alert: Alert, since: float, why: str) -> Alert:
    """Freeze a pending or firing alert: nobody has seen its subject since `since`."""
    if alert.blind_since is not None or alert.phase not in (PENDING, FIRING):
        return alert
    return alert._replace(blind_since=since, reason=_clipped(f"{alert.reason}; cannot be seen any more: {why}"))


def wake(alert: Alert, last_seen: float, now: float) -> Alert:
    """Take up an alert where an earlier keeper left it at `last_seen`: the time between counts for nothing.

    Times that lie in the future, because the clock was set back meanwhile, become `last_seen`.
    """
    seen = min(last_seen, now)
    alert = alert._replace(
        since=min(alert.since, seen),
        started=_not_after(alert.started, seen),
        resolved_at=_not_after(alert.resolved_at, seen),
        counts_from=_not_after(alert.counts_from, seen),
        blind_since=_not_after(alert.blind_since, seen),
    )
    return blind(alert, seen, "keeper was not running")


def retire(alert: Alert, now: float, why: str) -> tuple[Alert, Transition | None]:
    """End an alert whose rule or subject is no longer configured; `why` becomes its reason."""
    if alert.phase is FIRING:
        after = _resolve(alert._replace(reason=why, number=None), now)
    elif alert.phase is PENDING:
        after = _calm(alert._replace(reason=why, number=None), _Now(now, _AT_ONCE, None, None))
    else:
        after = alert
    return after, _told(alert, after, now)


def stands(alert: Alert, now: float) -> bool:
    """Whether it belongs to what is repeated to Alertmanager: firing, or resolved less than five minutes ago (even if
    it is pending again)."""
    if alert.phase is FIRING:
        return True
    return alert.resolved_at is not None and now - alert.resolved_at < RESOLVED_FOR


def _stay(alert: Alert, now: _Now) -> Alert:
    return alert


def _begin(alert: Alert, now: _Now) -> Alert:
    return _ripen(alert._replace(phase=PENDING, since=now.time, counts_from=now.time), now)


def _calm(alert: Alert, now: _Now) -> Alert:
    return alert._replace(phase=INACTIVE, since=now.time, counts_from=None, blind_since=None, cause=None, held=None)


def _ripen(alert: Alert, now: _Now) -> Alert:
    """Pending and failing. What another rule explains does not count: `for` begins anew when the cause is over."""
    if now.cause is not None:
        return _hold(alert._replace(counts_from=None), now)
    counts_from = now.time if alert.counts_from is None else alert.counts_from
    if now.silence is not None or now.time < counts_from + now.policy.for_:
        return _hold(alert._replace(counts_from=counts_from), now)
    return alert._replace(
        phase=FIRING,
        since=now.time,
        started=alert.since,
        resolved_at=None,
        counts_from=None,
        cause=None,
        held=None,
        incident=alert.incident + 1,
    )


def _wait(alert: Alert, now: _Now) -> Alert:
    """Pending and not seen. Where another rule explains that, `for` begins anew too."""
    return _hold(alert if now.cause is None else alert._replace(counts_from=None), now)


def _hold(alert: Alert, now: _Now) -> Alert:
    if now.cause is not None:
        held: str | None = f"caused by {now.cause}"
    else:
        held = None if now.silence is None else f"silence: {now.silence}"
    return alert._replace(cause=now.cause, held=held)


def _persist(alert: Alert, now: _Now) -> Alert:
    return alert._replace(counts_from=None)


def _recover(alert: Alert, now: _Now) -> Alert:
    counts_from = now.time if alert.counts_from is None else alert.counts_from
    if now.time < counts_from + now.policy.recover:
        return alert._replace(counts_from=counts_from)
    return _resolve(alert, now.time)


def _resolve(alert: Alert, now: float) -> Alert:
    return alert._replace(phase=RESOLVED, since=now, resolved_at=now, counts_from=None, blind_since=None)


def _fade(alert: Alert, now: _Now) -> Alert:
    return _calm(alert, now) if now.time >= alert.since + RESOLVED_FOR else alert


_Step: TypeAlias = Callable[[Alert, _Now], Alert]

_STEPS: dict[tuple[Phase, State], _Step] = {
    (INACTIVE, OK): _stay,
    (INACTIVE, FAILING): _begin,
    (INACTIVE, UNKNOWN): _stay,
    (PENDING, OK): _calm,
    (PENDING, FAILING): _ripen,
    (PENDING, UNKNOWN): _wait,
    (FIRING, OK): _recover,
    (FIRING, FAILING): _persist,
    (FIRING, UNKNOWN): _stay,
    (RESOLVED, OK): _fade,
    (RESOLVED, FAILING): _begin,
    (RESOLVED, UNKNOWN): _fade,
}

_AT_ONCE = Policy(severity="", for_=0.0, recover=0.0)


def _sighted(alert: Alert, verdict: Verdict, now: float) -> Alert:
    """The alert with what is seen now; the time it could not be seen is taken out of what is counted."""
    if alert.phase not in (PENDING, FIRING) and verdict.state is OK:
        return alert
    if alert.blind_since is None and alert.reason == verdict.reason and alert.number == verdict.number:
        return alert
    counts_from = alert.counts_from
    if alert.blind_since is not None and counts_from is not None:
        counts_from += max(0.0, now - alert.blind_since)
    return alert._replace(
        counts_from=counts_from, blind_since=None, reason=_clipped(verdict.reason), number=verdict.number
    )


def _told(before: Alert, after: Alert, now: float) -> Transition | None:
    if after.phase is FIRING and before.phase is not FIRING:
        return Transition(now, after.rule, after.subject, "firing", after)
    if after.phase is not FIRING and before.phase is FIRING:
        return Transition(now, after.rule, after.subject, "resolved", after)
    return None


def _clipped(text: str) -> str:
    return text if len(text) <= MAX_REASON else f"{text[: MAX_REASON - 1]}…"


def _not_after(time: float | None, limit: float) -> float | None:
    return None if time is None else min(time, limit)
