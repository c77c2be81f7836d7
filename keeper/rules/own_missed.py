"""Our producer's window passed and blocks are missing in it."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import Event, WindowClosed
from keeper.core.memory import Subject, View
from keeper.core.options import count
from keeper.core.slots import SLOTS_PER_WINDOW, WINDOW_SECONDS
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, log_look
from keeper.rules.phrases import clock, whose
from keeper.rules.rule import Rule

LOOK_BACK = 2 * 125  # windows: two rounds of the largest schedule


@dataclass(frozen=True, kw_only=True)
class OwnMissed(Rule):
    """In the last window of our producer `missed` or more of its 12 blocks are missing. It fails until our next window
    is whole. Known when the next producer has signed and the grace for late blocks is over."""

    name = "own_missed"
    wakes = (WindowClosed,)

    missed: int = count("1", "so many missing blocks of a window are a failure", minimum=1, maximum=12)

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        return not isinstance(event, WindowClosed) or event.producer in subject.producers

    def judge(self, view: View) -> Verdict:
        ours = view.subject.producers
        if not ours:
            return unknown("no producer is configured")
        look = log_look(view)
        if isinstance(look, Verdict):
            return look
        schedule = view.chain.schedule.producers
        if not schedule:
            return unknown("the producer schedule is not known yet", view.now + FRESH, quiet=look.lasts)
        if ours.isdisjoint(schedule):
            return ok(f"{whose(ours)} is not in the schedule of {len(schedule)}", until=look.lasts)
        return self._worst(_last_windows(view, ours.intersection(schedule)), look.lasts)

    def _worst(self, windows: list[WindowClosed], lasts: float) -> Verdict:
        if not windows:
            return unknown("no window of our producer has been seen yet", until=lasts)
        worst = min(windows, key=lambda window: window.signed)
        missing = SLOTS_PER_WINDOW - worst.signed
        times = f"{clock(worst.start)}-{clock(worst.start + WINDOW_SECONDS)}"
        if missing < self.missed:
            return ok(f"{worst.producer} signed {worst.signed} of 12 blocks at {times}", missing, until=lasts)
        reason = f"{worst.producer} missed {missing} of 12 blocks in its window {times}"
        return failing(reason, missing, until=lasts)


def _last_windows(view: View, producers: frozenset[str]) -> list[WindowClosed]:
    """The newest closed window of each."""
    found: dict[str, WindowClosed] = {}
    for age, window in enumerate(view.newest_first(WindowClosed)):
        if age >= LOOK_BACK or len(found) == len(producers):
            break
        if window.producer in producers:
            found.setdefault(window.producer, window)
    return list(found.values())
