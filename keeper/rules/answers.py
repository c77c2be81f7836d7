"""How the rules about a statistics agent count what came of its packets, and how they say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keeper.core.event import PacketAnswered, PacketsCounted
from keeper.core.memory import View
from keeper.core.tally import ACCEPTED, NOTHING, OTHER, Said
from keeper.core.verdict import FOREVER
from keeper.rules.phrases import quoted

REST = 0.25  # seconds between two answers of a rule that each answer of a busy agent wakes
SHOWN = 3  # different answers told apart in a reason
MOST_QUOTED = 80  # characters of one of them


def answers_said(said: Mapping[Said, int]) -> str:
    """`25 times 599 (HTTP 599: Timeout), 6 times 500, once no answer`, the most frequent first."""
    often = sorted(said.items(), key=lambda one: (one[0] == OTHER, -one[1], str(one[0])))
    shown = [f"{_times(times)} {_answer(what)}" for what, times in often[:SHOWN] if what != OTHER]
    if others := sum(said.values()) - sum(times for what, times in often[:SHOWN] if what != OTHER):
        shown.append(f"{_times(others)} something else")
    return ", ".join(shown)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _answer(what: Said) -> str:
    code, why = what
    if what == NOTHING:
        return "no answer"
    text = quoted(why)
    text = text if len(text) <= MOST_QUOTED else text[: MOST_QUOTED - 1] + "…"
    return " ".join(filter(None, ["no answer" if code is None else str(code), f"({text})" if text else ""]))


def all_said(counts: Iterable[PacketsCounted]) -> Mapping[Said, int]:
    said: dict[Said, int] = {}
    for one in counts:
        for what, times in one.said.items():
            said[what] = said.get(what, 0) + times
    return said


def remembered(view: View, kind: type[PacketAnswered | PacketsCounted], window: float) -> float:
    """The seconds of the last `window` of which such events are remembered: all of them, if none fell out."""
    ring = view.memory.ring(kind)
    oldest = next(iter(ring), None)
    return window if oldest is None or not ring.forgotten else min(window, view.now - oldest.at)


def falls_out(view: View, oldest: PacketAnswered | PacketsCounted | None, window: float) -> float:
    """When the oldest of what was counted leaves the window, if something was lost of the log since: what is left may
    be too little to tell by then. Where nothing was, the whole window has been seen by then."""
    return FOREVER if oldest is None or oldest.at >= view.known_since("log") else oldest.at + window


def not_accepted(event: object) -> bool:
    """Whether the event, an answer or the lack of one, says that a packet was not accepted."""
    return not isinstance(event, PacketAnswered) or event.code != ACCEPTED
