"""What a role decision has done, as values. The shell does them in the order given, each bounded in time, and answers.

`Journal` comes before what it names. When it cannot be written, nothing of WRITTEN is done; pausing, killing and giving
the lease back are done all the same.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

from keeper.failover.lease import Denied, Grant


class Acquire(NamedTuple):
    """Ask for the lease."""


class Renew(NamedTuple):
    grant: Grant


class Release(NamedTuple):
    """Give the lease back: the node is verified to be paused or gone."""

    grant: Grant


class Want(NamedTuple):
    """Name the host that shall produce, for all to see; empty: none."""

    host: str


class Resume(NamedTuple):
    """Un-pause the node. The clock is looked at right before the question leaves: at or after `not_after` it is not
    put, and the answer is FAILED."""

    epoch: int
    not_after: float


class Pause(NamedTuple):
    epoch: int
    attempt: int


class ReadBack(NamedTuple):
    """Ask the node at once whether it is paused. The answer is a fact, `OfNode.paused`."""


class Kill(NamedTuple):
    """Run the configured command that ends the node's process."""

    epoch: int
    attempt: int


class VerifyGone(NamedTuple):
    """Look at once whether the process is gone. The answer is a fact, `OfNode.gone`."""


class ArmGuard(NamedTuple):
    """The guard fences at `deadline` unless it is moved. `settled`: no resume can still be under way."""

    deadline: float
    settled: bool


class DisarmGuard(NamedTuple):
    """The node is verified to be paused or gone."""


class RunHook(NamedTuple):
    """Run a script of the site. `name` is pre_takeover, post_takeover, pre_step_down or post_step_down."""

    name: str
    epoch: int


class Said(NamedTuple):
    """A change of state, for the journal and the log."""

    state: str
    sentence: str


Deed: TypeAlias = (
    Acquire
    | Renew
    | Release
    | Want
    | Resume
    | Pause
    | ReadBack
    | Kill
    | VerifyGone
    | ArmGuard
    | DisarmGuard
    | RunHook
    | Said
)


class Journal(NamedTuple):
    """Write down what is about to be done."""

    deed: Deed


Action: TypeAlias = Deed | Journal


class Outcome(Enum):
    """UNKNOWN: it may have happened, or may still."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Answer(NamedTuple):
    """What came of an action. A Grant or Denied is of the lease; a hook that vetoes FAILED."""

    action: Action
    result: Outcome | Grant | Denied


# What brings a host nearer to producing: never done on what is unknown, on paused automation or without the journal.
TOWARDS = (Acquire, Resume)
# What is not done if it cannot be written down: it would be done again by the next keeper.
WRITTEN = (Acquire, Resume, RunHook, Want)
# What changes the world for others than keeper: journaled before it happens.
WORLD = (Acquire, Release, Resume, Pause, Kill, RunHook, Want)
