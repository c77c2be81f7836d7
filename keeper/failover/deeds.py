"""What the rows and duties of the table of roles do, by name: a moment in, the state after it and the actions out."""

from __future__ import annotations

from collections.abc import Callable

from keeper.failover.actions import (
    Acquire,
    ArmGuard,
    Deed,
    DisarmGuard,
    Kill,
    Pause,
    ReadBack,
    Release,
    Renew,
    Resume,
    RunHook,
    VerifyGone,
    Want,
)
from keeper.failover.conditions import Moment, why_not
from keeper.failover.evidence import why_return
from keeper.failover.state import NEVER, Resumed, State, fence_at

Deeds = Callable[[Moment], tuple[State, tuple[Deed, ...]]]

CALL_FOR = 30.0  # seconds a host that is wanted may be unable to take over before it says so
AGAIN = 1.0  # seconds between two pauses, and between two kills, of a node that does not heed them
GUARD_STEP = 0.1  # a deadline is not moved for less


def _acquire(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    return m.state._replace(tried_at=m.now), (Acquire(),)


def _renew(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    """At once again after a question that was not answered."""
    grant = m.state.grant
    if grant is None or m.now - m.state.renewed_at < m.terms.timing.renew:
        return m.state, ()
    return m.state._replace(renewed_at=m.now), (Renew(grant),)


def _release(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    """Also of a lease that came too late to be used."""
    if m.state.grant is None:
        return m.state, ()
    return m.state._replace(grant=None, renewed=False, renewed_at=NEVER), (Release(m.state.grant),)


def _rest(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    """A script that said no is not asked again at once."""
    return m.state._replace(vetoed_at=m.now), ()


def _next_epoch(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    """Where no store counts them."""
    return m.state._replace(epoch=m.state.epoch + 1, hook=None, hooks=frozenset(), tried_at=m.now), ()


def _call(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    """Ask whoever holds the lease to pass it on, when our windows stay empty all the same: one more than were when it
    was first seen to hold it, so that a host that has just taken over has had its turn."""
    state, missed = m.state, m.facts.chain.missed or 0
    if state.holder != state.held_by or missed < state.held_missed:
        return state._replace(held_by=state.holder, held_missed=missed), ()
    if missed == state.held_missed or state.holder == m.terms.host or m.facts.cluster.wanted != "":
        return state, ()
    return state, (Want(m.terms.host),)


def _thank(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    return m.state, (Want(""),) if m.facts.cluster.wanted == m.terms.host else ()


def _return(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    """By policy `return`: ask for a planned switch to this host."""
    if not m.terms.lease or m.terms.returns != "return" or m.now - m.state.called_at < CALL_FOR:
        return m.state, ()
    if m.facts.cluster.wanted != "" or why_return(m.facts, m.terms):
        return m.state, ()
    return m.state._replace(called_at=m.now), (Want(m.terms.host),)


def _decline(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    """A host that is wanted and cannot must not keep the others waiting."""
    if m.facts.cluster.wanted != m.terms.host or why_not(m) is None:
        return m.state, ()
    if m.state.called_at == NEVER:
        return m.state._replace(called_at=m.now), ()
    if m.now - m.state.called_at < CALL_FOR:
        return m.state, ()
    return m.state._replace(called_at=m.now), (Want(""),)


def _arm(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    """The guard's deadline follows the lease; nothing else moves it."""
    if m.state.grant is None:
        return m.state, ()
    deadline = fence_at(m.state.grant, m.terms)
    settled = m.state.resume is Resumed.DONE
    return m.state._replace(guard_asked=deadline), (ArmGuard(deadline, settled),)


def _move_guard(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    if m.state.grant is None or fence_at(m.state.grant, m.terms) < m.state.guard_asked + GUARD_STEP:
        return m.state, ()
    return _arm(m)


def _disarm(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    return m.state, (DisarmGuard(),) if m.terms.lease else ()


def _resume(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    """Once an epoch: the state goes on from here in any case."""
    not_after = m.state.guard if m.terms.lease and m.state.guard is not None else m.now + m.terms.settle
    state = m.state._replace(resume=Resumed.ASKED, resumed_at=m.now)
    return state, (Resume(state.epoch, not_after), ReadBack())


def _pause(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    state = m.state._replace(attempt=m.state.attempt + 1, tried_at=m.now)
    return state, (Pause(state.epoch, state.attempt),)


def _kill(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    if not m.terms.killer:
        return m.state, ()
    killed_at = m.now if m.state.killed_at == NEVER else m.state.killed_at
    state = m.state._replace(attempt=m.state.attempt + 1, tried_at=m.now, killed_at=killed_at)
    return state, (Kill(state.epoch, state.attempt),)


def _pause_again(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    return (m.state, ()) if m.now - m.state.tried_at < AGAIN else _pause(m)


def _fence_again(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    if m.now - m.state.tried_at < m.terms.kill_within:
        return m.state, ()
    state, paused = _pause(m)
    state, killed = _kill(m._replace(state=state))
    return state, (*paused, *killed)


def _read_back(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    return m.state, (ReadBack(),)


def _verify_gone(m: Moment) -> tuple[State, tuple[Deed, ...]]:
    return m.state, (VerifyGone(),)


def _hook(name: str) -> Deeds:
    def run(m: Moment) -> tuple[State, tuple[Deed, ...]]:
        if name in m.state.hooks or (name == "pre_takeover" and not m.terms.hook):
            return m.state, ()
        return m.state._replace(hooks=m.state.hooks | {name}), (RunHook(name, m.state.epoch),)

    return run


DEEDS: dict[str, Deeds] = {
    "acquire": _acquire,
    "renew": _renew,
    "release": _release,
    "rest": _rest,
    "next epoch": _next_epoch,
    "call": _call,
    "thank": _thank,
    "return": _return,
    "decline": _decline,
    "arm": _arm,
    "move guard": _move_guard,
    "disarm": _disarm,
    "resume": _resume,
    "pause": _pause,
    "kill": _kill,
    "pause again": _pause_again,
    "fence again": _fence_again,
    "read back": _read_back,
    "verify gone": _verify_gone,
    "pre_takeover": _hook("pre_takeover"),
    "post_takeover": _hook("post_takeover"),
    "pre_step_down": _hook("pre_step_down"),
    "post_step_down": _hook("post_step_down"),
}

# Done at every look, after the row. Whoever has the lease renews it until it is given back, also while it fences: as
# long as it holds the lease, nobody else can begin.
DUTIES: dict[str, tuple[str, ...]] = {
    "watching": ("renew", "read back"),
    "standby": ("release", "decline", "return"),
    "suspended": ("release",),
    "claiming": (),
    "verifying": ("renew",),
    "arming": ("renew",),
    "taking_over": ("renew",),
    "producing": ("renew", "move guard"),
    "stepping_down": ("renew", "pause again", "read back"),
    "fencing": ("renew", "verify gone", "read back"),
    "fence_failed": ("renew", "fence again", "verify gone", "read back"),
}
