"""The life of one collector: when it is started, stopped, left alone, and what each of its ends means. Pure.

    waiting ──start──► running ──end──► waiting, resting, looping or retired
                          │ overstays, is silent, changed, removed, disabled
                          ▼
                       stopping ──5 s──► killing ──5 s──► stuck

Times are seconds of one clock that never jumps. `chance` is a random number in [0, 1).
"""

from __future__ import annotations

from enum import Enum
from math import ceil, inf
from typing import NamedTuple

from keeper.core.backoff import delay

RETIRES = 13  # the exit code that says: nothing for me here
GRACE = 5.0  # seconds from SIGTERM to SIGKILL, and from that until it counts as stuck
REMIND = 300.0  # seconds between two words about one that cannot be killed
LOOPS = 5  # failures in a row from which on it is said to crash in a loop
LONGEST_REST = 900.0  # seconds; tcollector's hour hides a collector that was broken for a minute
WELL = 60.0  # seconds a long-lived one must have run for its end to be no failure


class Stage(Enum):
    WAITING = "waiting"  # for its time
    RUNNING = "running"
    RESTING = "resting"  # it failed, and is tried again
    LOOPING = "looping"  # it fails each time; still tried again, seldom
    STOPPING = "stopping"  # told to end
    KILLING = "killing"
    STUCK = "stuck"  # killed, and still there: only a person can help
    RETIRED = "retired"  # it said that there is nothing for it here
    DISABLED = "disabled"  # by a person
    REFUSED = "refused"  # others can write it


ALIVE = (Stage.RUNNING, Stage.STOPPING, Stage.KILLING, Stage.STUCK)
FAILING = (Stage.RESTING, Stage.LOOPING, Stage.STUCK, Stage.REFUSED)


class Deed(Enum):
    START = "start"
    TERM = "term"  # to the process group
    KILL = "kill"
    REMIND = "remind"  # of one that is stuck


class Life(NamedTuple):
    """`at` is when `stage` began and `due` when something is to be done about it. `beat` is when its run should have
    begun, `started` when it did, `heard` when it last printed. `why` is one sentence about the last thing that was
    wrong; `failures` are those in a row; `worked` whether it ever did. `then` is what follows its end if that was asked
    for, else None."""

    stage: Stage
    at: float
    due: float
    beat: float = -inf
    started: float = -inf
    heard: float = -inf
    failures: int = 0
    worked: bool = False
    runs: int = 0
    exit: int | None = None
    why: str = ""
    then: Stage | None = None


def born(now: float, interval: float, chance: float) -> Life:
    """A collector that was just found: its first run is spread over its interval, so that they do not all run at once;
    a long-lived one's over a second."""
    return Life(Stage.WAITING, now, now + chance * (interval or 1.0))


def outside(life: Life, now: float, stage: Stage, why: str) -> Life:
    """DISABLED or REFUSED, or WAITING again: as a person or the file system says. One that runs ends first."""
    if life.stage is Stage.RUNNING:
        return life._replace(due=now, then=stage, why=why)
    if life.stage in ALIVE:
        return life._replace(then=stage, why=why)
    return life._replace(stage=stage, at=now, due=now if stage is Stage.WAITING else inf, why=why, failures=0)


def tick(life: Life, now: float, interval: float, silent: float) -> tuple[Life, Deed | None]:
    """What is to be done now that `due` has come. `silent` is how many seconds a long-lived one may print nothing; 0:
    any time."""
    if now < life.due:
        return life, None
    match life.stage:
        case Stage.RUNNING:
            why = life.why if life.then is not None else _overdue(life, now, interval, silent)
            if why or life.then is not None:
                return life._replace(stage=Stage.STOPPING, at=now, due=now + GRACE, why=why), Deed.TERM
            return life._replace(due=_patience(life, interval, silent)), None
        case Stage.STOPPING:
            return life._replace(stage=Stage.KILLING, at=now, due=now + GRACE), Deed.KILL
        case Stage.KILLING | Stage.STUCK:
            why = "it is still there after it was killed: a person must look"
            return life._replace(stage=Stage.STUCK, at=now, due=now + REMIND, why=why), Deed.REMIND
    return life, Deed.START


def started(life: Life, now: float, interval: float, silent: float) -> Life:
    life = life._replace(
        stage=Stage.RUNNING,
        at=now,
        beat=max(life.due, now - interval),
        started=now,
        heard=now,
        runs=life.runs + 1,
        then=None,
        exit=None,
    )
    return life._replace(due=_patience(life, interval, silent))


def not_started(life: Life, now: float, interval: float, chance: float, why: str) -> Life:
    return _failed(life._replace(beat=max(life.due, now - interval), started=now), now, interval, chance, why)


def heard(life: Life, now: float, points: int) -> Life:
    """It printed; of that so many points were taken."""
    return life._replace(heard=now, worked=life.worked or points > 0)


def ended(life: Life, now: float, interval: float, chance: float, code: int) -> Life:
    """Its process is gone. `code` is negative for a signal."""
    life = life._replace(exit=code)
    if life.then is not None:
        due = now if life.then is Stage.WAITING else inf
        return life._replace(stage=life.then, at=now, due=due, then=None, failures=0)
    if life.stage is not Stage.RUNNING:
        return _failed(life, now, interval, chance, life.why)
    if code == RETIRES:
        why = f"it ended with {RETIRES}: nothing for it on this host"
        return life._replace(stage=Stage.RETIRED, at=now, due=inf, why=why)
    if code == 0 and interval:
        return life._replace(
            stage=Stage.WAITING, at=now, due=_next(life, now, interval), failures=0, worked=True, why=""
        )
    if code == 0:
        life = life._replace(worked=True)
        return _failed(life, now, interval, chance, "it ended, but it is to run on")
    return _failed(life, now, interval, chance, said_code(code))


def said_code(code: int) -> str:
    return f"signal {-code} ended it" if code < 0 else f"it ended with {code}"


def _failed(life: Life, now: float, interval: float, chance: float, why: str) -> Life:
    lived = now - life.started >= WELL and not interval
    failures = 1 if lived else life.failures + 1
    rest = now + delay(failures, chance, longest=LONGEST_REST)
    due = _next(life, rest, interval) if interval else rest
    stage = Stage.LOOPING if failures >= LOOPS else Stage.RESTING
    return life._replace(stage=stage, at=now, due=due, failures=failures, why=why)


def _next(life: Life, now: float, interval: float) -> float:
    """The next time of its own rhythm, which neither a late nor a long run moves."""
    return life.beat + interval * max(1, ceil((now - life.beat) / interval - 1e-9))


def _patience(life: Life, interval: float, silent: float) -> float:
    if interval:
        return life.started + interval
    return life.heard + silent if silent else inf


def _overdue(life: Life, now: float, interval: float, silent: float) -> str:
    if now < _patience(life, interval, silent):
        return ""
    if interval:
        return f"it ran longer than its {interval:g} s and was stopped"
    return f"it printed nothing for {silent:g} s and was stopped"
