"""Where a host stands between watching and producing, and what the answers to its actions change in it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from keeper.failover.actions import Acquire, Action, Answer, ArmGuard, DisarmGuard, Outcome, Renew, Resume, RunHook
from keeper.failover.lease import Denied, Grant
from keeper.failover.terms import Terms

NEVER = float("-inf")


class Resumed(Enum):
    """What is known of the one resume of an epoch. UNSURE: it was put and not answered, so it may still take effect:
    a node that says it is paused proves nothing then, only its end does."""

    NOT = "not asked"
    ASKED = "asked"
    DONE = "done"
    FAILED = "failed"
    UNSURE = "unsure"


class State(NamedTuple):
    """`since` when it was entered and `why`. `grant`: the lease, held until the clock says otherwise; `renewed`: the
    store confirmed it to this process. `guard`: the deadline the guard confirmed, `guard_asked` the one it was last
    asked for. `hook`: the answer of pre_takeover in this epoch, `hooks`: the scripts that were run in it. `refused`:
    why the last Acquire or Renew gave nothing, empty while it is not answered, and `holder` who had it then; `held_by`:
    who has had it since our producer had missed `held_missed` windows. `attempt` counts the pauses and kills,
    `killed_at`: when the first kill since the node ran was asked, `vetoed_at`: when a script last said no;
    `tried_at`, `renewed_at`, `called_at`: when the last of its kind was asked."""

    name: str = "watching"
    since: float = NEVER
    why: str = "keeper has just started"
    epoch: int = 0
    grant: Grant | None = None
    renewed: bool = False
    guard: float | None = None
    guard_asked: float = NEVER
    hook: Outcome | None = None
    resume: Resumed = Resumed.NOT
    resumed_at: float = NEVER
    refused: str = ""
    holder: str = ""
    held_by: str = ""
    held_missed: int = 0
    attempt: int = 0
    hooks: frozenset[str] = frozenset()
    killed_at: float = NEVER
    vetoed_at: float = NEVER
    tried_at: float = NEVER
    renewed_at: float = NEVER
    called_at: float = NEVER


class Kept(NamedTuple):
    """What must outlive the process. The shell stores it whenever it changes, before the actions of the same step."""

    epoch: int = 0
    grant: Grant | None = None
    resume: Resumed = Resumed.NOT
    hooks: frozenset[str] = frozenset()


def kept(state: State) -> Kept:
    return Kept(state.epoch, state.grant, state.resume, state.hooks)


def restored(stored: Kept, now: float) -> State:
    """Where a new process begins: it believes nothing but what is confirmed. A resume that was not known to be answered
    may still be under way. `stored.grant.until` must be of this boot's clock; else leave the grant out."""
    resume = Resumed.UNSURE if stored.resume is Resumed.ASKED else stored.resume
    begun = State(since=now, epoch=stored.epoch, grant=stored.grant, hooks=stored.hooks)
    return begun._replace(resume=resume, resumed_at=now)


def fence_at(grant: Grant, terms: Terms) -> float:
    """When the fence ladder must begin at the latest, so that it has ended `margin` before the lease can end."""
    return grant.until - terms.timing.margin - terms.timing.act_within


def learn(state: State, answers: tuple[Answer, ...], now: float) -> State:
    """What the answers change. An answer to a question of another epoch or lease changes nothing."""
    for answer in answers:
        state = _learn(state, answer, now)
    return state


def _learn(state: State, answer: Answer, now: float) -> State:
    action, result = answer
    if isinstance(action, Acquire):
        return _acquired(state, result)
    if isinstance(action, Renew):
        return _renewed(state, action, result)
    if isinstance(action, ArmGuard) and result is Outcome.DONE:
        return state._replace(guard=action.deadline)
    if isinstance(action, DisarmGuard) and result is Outcome.DONE:
        return state._replace(guard=None, guard_asked=NEVER)
    return _acted(state, action, result, now)


def _acted(state: State, action: Action, result: object, now: float) -> State:
    if isinstance(action, Resume) and action.epoch == state.epoch:
        known = {Outcome.DONE: Resumed.DONE, Outcome.FAILED: Resumed.FAILED}
        resume = known.get(result, Resumed.UNSURE) if isinstance(result, Outcome) else Resumed.UNSURE
        return state._replace(resume=resume, resumed_at=now)
    if isinstance(action, RunHook) and action == RunHook("pre_takeover", state.epoch):
        return state._replace(hook=result if isinstance(result, Outcome) else None)
    return state


def _acquired(state: State, result: object) -> State:
    if isinstance(result, Grant):
        if state.grant is not None:
            return state
        return state._replace(grant=result, epoch=result.epoch, renewed=True, hook=None, hooks=frozenset())
    if isinstance(result, Denied):
        return state._replace(refused=result.why, holder=result.holder)
    return state._replace(refused="the lease store did not answer: whether it gave the lease is not known")


def _renewed(state: State, action: Renew, result: object) -> State:
    if state.grant is None or state.grant.token != action.grant.token:
        return state
    if isinstance(result, Grant):
        until = max(state.grant.until, result.until)
        return state._replace(grant=state.grant._replace(until=until), renewed=True, refused="")
    if isinstance(result, Denied):
        return state._replace(grant=None, renewed=False, refused=f"the lease is lost: {result.why}")
    return state._replace(renewed_at=NEVER, refused="the lease store did not answer")
