"""What the guard does: a process of its own beside the node, tiny, so that it lives when keeper does not.

Armed with a deadline before the node is resumed, it fences when the deadline passes without having been moved, and
whenever the node runs while it is not armed. Pure: facts in, one step out, asked every quarter of a second. It works
with a lease only; all times are on the host's monotonic clock.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Guard(NamedTuple):
    """`deadline` is None while it is not armed. `settled`: no resume can be under way, so a pause that is read back is
    enough. `fencing_since`: when it began to fence, None while it does not."""

    deadline: float | None = None
    settled: bool = False
    fencing_since: float | None = None


class GuardStep(Enum):
    WAIT = "wait"
    PAUSE = "pause"
    KILL = "kill"


def arm(guard: Guard, deadline: float, settled: bool) -> Guard:
    """A deadline is only ever moved forward: a late message must not shorten what a newer one gave."""
    if guard.deadline is not None and deadline < guard.deadline:
        return guard
    return Guard(deadline, settled)


def disarm(guard: Guard) -> Guard:
    """keeper verified that the node is paused or gone."""
    return Guard(fencing_since=guard.fencing_since)


def why_fence(guard: Guard, paused: bool | None, now: float) -> str | None:
    """Why the node is to be fenced; None while it may be as it is. A node that was armed for is fenced also when it
    cannot be seen; one that was not, only when it is seen to run."""
    if guard.deadline is None:
        return "the node runs and nobody armed the guard" if paused is False else None
    if now < guard.deadline:
        return None
    if paused and guard.settled:
        return None
    return f"keeper has not moved the deadline for {now - guard.deadline:.1f} s too long"


def guard_step(
    guard: Guard, paused: bool | None, gone: bool, now: float, pause_within: float
) -> tuple[Guard, GuardStep]:
    """Fence step by step: pause, and kill what is not seen to be paused in `pause_within`. A resume that may be under
    way leaves only the kill. When the process is gone, what was to be done is done: the next one is judged anew."""
    if gone and guard.deadline is not None and now >= guard.deadline:
        return Guard(), GuardStep.WAIT
    why = None if gone else why_fence(guard, paused, now)
    if why is None:
        return guard._replace(fencing_since=None), GuardStep.WAIT
    since = now if guard.fencing_since is None else guard.fencing_since
    unsettled = guard.deadline is not None and not guard.settled
    step = GuardStep.KILL if unsettled or now - since >= pause_within else GuardStep.PAUSE
    return guard._replace(fencing_since=since), step
