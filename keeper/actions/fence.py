"""The fence: make sure that a node signs nothing more, by the mildest step that can be verified.

    pause by the API ─► read back ─► its log is quiet ─► verified: paused
         │ not in its part of the time, or the API refuses connections
         ▼
    kill ─► process not there and nobody listens at its API ─► verified: gone

All of it is over after `act_within` seconds, whatever hangs. What is not verified is not fenced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keeper.actions.producer_api import Done, Nobody, ProducerApi, Refused, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from keeper.actions.kill import Kill
    from keeper.core.source import Now, Wait

PAUSE_SHARE, MOST_SHARE = 1 / 3, 0.6  # of the time, where there is a way to kill; MOST where all of it is short
SETTLE = 0.6  # seconds after which the block under way was signed or was not
AGAIN = 0.1  # seconds between two tries
KILL_AGAIN = 1.0  # seconds after which something that is there again is killed again
LOOKING = 1.0  # seconds at the end that are kept for looking whether it is gone
ANSWER = 0.5  # seconds a node that lives may take to say that it does, on its own host


class Fenced(NamedTuple):
    """It signs nothing more. `step` is `paused` or `gone`; `words` say what was done and seen, `took` is seconds."""

    step: str
    words: str
    took: float


class NotFenced(NamedTuple):
    """It may still sign. `why` names every step that failed."""

    why: str
    took: float


class Ladder(NamedTuple):
    """`kill` is None where none is configured. `quiet` says whether the node's log shows no block of ours since the
    pause; without it a second look after `SETTLE` has to do. `act_within` in seconds."""

    api: ProducerApi
    kill: Kill | None
    act_within: float
    quiet: Callable[[], bool] | None = None


def fence(ladder: Ladder, now: Now, wait: Wait) -> Fenced | NotFenced:
    """Climb until a step is verified. What `wait` says about stopping is not heard: this has to be done."""
    began = now()
    until = began + ladder.act_within
    paused = _pause(ladder, began + _pausing(ladder), now, wait)
    if not paused:
        return Fenced("paused", "paused by its API and read back", now() - began)
    if ladder.kill is None:
        return NotFenced(f"{paused}; no way to kill it is configured", now() - began)
    killed = _kill(ladder.api, ladder.kill, until, now, wait)
    if not killed:
        return Fenced("gone", f"killed, as it could not be paused: {paused}", now() - began)
    return NotFenced(f"{paused}; {killed}", now() - began)


def holds(ladder: Ladder, now: Now) -> bool | None:
    """Whether a node that was fenced still is, for looking again and again: told to pause once more, as a node that was
    started again knows of no pause, or gone. None when it does not answer."""
    said = ladder.api.pause(2 * ANSWER)
    if isinstance(said, Nobody):
        return ladder.kill is not None and not ladder.kill.gone(now() + ANSWER)
    return None if isinstance(said, Unknown) else isinstance(said, Done)


def _pausing(ladder: Ladder) -> float:
    """Seconds for pausing: what a node that answers needs, and no more than leaves time to kill one that does not."""
    if ladder.kill is None:
        return ladder.act_within
    return min(max(PAUSE_SHARE * ladder.act_within, SETTLE + 2 * ANSWER), MOST_SHARE * ladder.act_within)


def _pause(ladder: Ladder, until: float, now: Now, wait: Wait) -> str:
    """Empty when it is paused and that was seen; else why not."""
    why = "there was no time to pause it"
    while (left := until - now()) > 0:
        # The first question may hang: it must leave time for another.
        said = ladder.api.pause(min(left, max(left / 2, ANSWER)))
        if isinstance(said, Done):
            why = _settled(ladder, until, now, wait)
            if not why:
                return ""
            continue
        why = said.why
        if isinstance(said, Refused | Nobody) and ladder.kill is not None:
            return why
        wait(min(AGAIN, max(0.0, until - now())))
    return why


def _settled(ladder: Ladder, until: float, now: Now, wait: Wait) -> str:
    """The block that was under way has come or not, and the node is still paused."""
    seen = now()
    while now() < until:
        wait(min(AGAIN, max(0.0, until - now())))
        if ladder.quiet is None:
            if now() - seen < SETTLE:
                continue
            said = ladder.api.paused(until - now())
            return "" if said is True else "it was paused and is not any more"
        if now() - seen >= SETTLE and ladder.quiet():
            return ""
    return "it says paused, but its log shows blocks of ours" if ladder.quiet else "there was no time to look again"


def _kill(api: ProducerApi, kill: Kill, until: float, now: Now, wait: Wait) -> str:
    """Empty when it is gone and that was seen; else why not."""
    why, failed, killed = "there was no time to kill it", "", -KILL_AGAIN
    while (left := until - now()) > 0:
        if now() - killed >= KILL_AGAIN and (kill.repeats or killed < 0):
            failed, killed = kill.kill(until - min(LOOKING, left / 4)), now()
        lives = kill.gone(max(now() + ANSWER / 5, until))
        answers = "" if isinstance(api.paused(max(ANSWER / 5, min(until - now(), ANSWER))), Nobody) else _someone(api)
        if not lives and not answers:
            return ""
        why = "; ".join(dict.fromkeys(words for words in (failed, lives, answers) if words))
        wait(min(AGAIN, max(0.0, until - now())))
    return why


def _someone(api: ProducerApi) -> str:
    return f"somebody still listens at {api.address.shown}"
