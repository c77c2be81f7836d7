"""What can be seen at all: the question every rule asks first. What is not seen is UNKNOWN, never a failure.

A function that finds nothing to look with returns the rule's verdict instead.
"""

from __future__ import annotations

from typing import NamedTuple

from keeper.core.event import InfoAnswer
from keeper.core.memory import BLIND_AFTER, View
from keeper.core.verdict import Verdict, unknown

SOON = 0.25  # seconds until a look at a deadline that has come although the sources have not told of it yet
FRESH = 1.0  # seconds until an UNKNOWN or a FAILING is looked at again


class Look(NamedTuple):
    """What a source tells by now.

    `seen` is the last moment at which a new block would have shown; `flat_from` the time since which nothing was
    missed; `lasts` when this look is too old to say anything. A head answered by the API is the highest there was
    (heads only rise), so an answer proves a standstill over any time before it; a log proves it only back to where it
    is known.
    """

    seen: float
    flat_from: float
    lasts: float


def log_look(view: View) -> Look | Verdict:
    found: Look | Verdict | None = view.found.get("log")
    if found is None:
        found = view.found["log"] = _log_look(view)
    return found


def _log_look(view: View) -> Look | Verdict:
    sight = view.sight("log")
    if sight is None:
        return unknown("no log is configured")
    if blind := sight.blind(view.now):
        return unknown(f"the log cannot be seen: {blind}", until=view.now + FRESH)
    return Look(sight.seen(view.now), sight.known_from, sight.blind_from)


def answer_now(view: View) -> InfoAnswer | None:
    """The last answer of get_info, while it is young enough to speak of the present."""
    answer = view.last(InfoAnswer)
    if answer is None or view.sight("api") is None or view.now >= answer.at + BLIND_AFTER:
        return None
    return answer


def head_looks(view: View) -> list[Look] | Verdict:
    """Every way the head is seen now: the log, the API, or both."""
    found: list[Look] | Verdict | None = view.found.get("head")
    if found is None:
        found = view.found["head"] = _head_looks(view)
    return found


def _head_looks(view: View) -> list[Look] | Verdict:
    log = log_look(view)
    looks = [log] if isinstance(log, Look) else []
    if (answer := answer_now(view)) is not None:
        looks.append(Look(answer.at, float("-inf"), answer.at + BLIND_AFTER))
    if looks:
        return looks
    if view.sight("log") is None and view.sight("api") is None:
        return unknown("neither a log nor an api is configured")
    return unknown("neither the log nor the api can be seen", until=view.now + FRESH)


def standstill(looks: list[Look], since: float) -> float:
    """For how many seconds something provably has not happened that last happened at `since`."""
    longest = float("-inf")
    for seen, flat_from, _ in looks:
        proved = seen - (flat_from if flat_from > since else since)
        longest = max(longest, proved)
    return longest


def stands_until(looks: list[Look], since: float, window: float, now: float) -> float:
    """Until when a standstill since `since` cannot have lasted for `window`. Where the time has come already but the
    sources have not said so yet, look again soon; at the end of sight too."""
    first, end = float("inf"), 0.0
    for _, flat_from, lasts in looks:
        begun = flat_from if flat_from > since else since
        first = min(first, begun)
        end = max(end, lasts)
    return min(max(first + window, now + SOON), end)


def moves_until(view: View, since: float | None, window: float) -> float:
    """Until when what last happened at `since` in a recorded log keeps a rule well that fails after a standstill of
    `window`. 0.0 where more must be looked at."""
    known_from = view.memory.recorded_from
    if since is None or known_from is None:
        return 0.0
    return (since if since > known_from else known_from) + window


def kept_fresh(view: View, until: float) -> float:
    """When to judge again what fails until `until` if nothing is heard: every second, so that its number grows before
    the eyes of who looks on. Nobody looks on while a recorded log is judged."""
    return until if view.memory.recorded_from is not None else min(until, view.now + FRESH)


def in_sight_until(looks: list[Look]) -> float:
    """When the first of them is too old to say anything, unless its source speaks again."""
    return min(look.lasts for look in looks)
