"""Brings one subject forward in time: events at their times, deadlines at theirs, in one order.

Live, replay and tests all go through here, so what a replay shows is what keeper would have said that night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from keeper.core.event import Event
from keeper.core.memory import Memory
from keeper.rules.judge import MOMENT, Judge, Judged

# After so many seconds without any event the verdicts that are only kept fresh are asked ever less often, the pause
# being a sixtieth of the quiet: a gap of days in a recorded log costs hundreds of questions, not millions.
QUIET = 600.0
QUIET_SHARE = 1 / 60
SLICE = 12  # events looked ahead: the chain comes back at every new window anyway, after twelve blocks


def advance(
    memory: Memory,
    judge: Judge,
    events: Sequence[Event],
    upto: float,
    followed: Callable[[Event], object] = lambda event: None,
) -> Iterator[Judged]:
    """Take `events`, in the order of their times, and bring the verdicts to `upto`, not further.

    Yields every verdict whose state or reason is new, when it is. What follows from the events (closed windows, missed
    blocks, double production) is remembered and handed to `followed`. `upto` is finite. Time never runs backwards: an
    event older than the last call's `upto` is taken at that time.

    The caller tells the memory first what no event tells: `sees`, `blinded`, `forgot`, `distrust`.
    """
    judge.heed()
    begin = min(events[0].at, upto) if events else upto
    now = begin if judge.now is None else judge.now
    if judge.due <= now:
        now = max(now, begin)  # woken since the last call: by what the caller told, at the earliest now
    chain = memory.chain
    wakes = judge.wakes
    heard = now  # when the last event came
    index = 0
    count = len(events)
    while index < count:
        at = min(events[index][0], upto)  # [0] is `at`: a third faster, in a loop that runs for every block
        due = min(judge.due, chain.next_close())
        while due <= at:
            now = max(now, due)
            yield from _step(memory, judge, now, now - heard, followed)
            due = min(judge.due, chain.next_close())
        if at - heard > QUIET:
            judge.wake_all()
        now = heard = max(now, at)
        if type(events[index]) in wakes:
            judge.wake((type(events[index]),))
            stop = index + 1
        else:
            stop = min(count, index + SLICE)
            if events[stop - 1][0] >= due or not wakes.isdisjoint(map(type, events[index:stop])):
                stop = _first(events, index + 1, stop, due, wakes)
        index, derived = memory.take(events, index, stop)
        judge.heed()
        for event in derived:
            judge.wake((type(event),))
            followed(event)
        now = heard = max(now, min(events[index - 1][0], upto))
    while (due := min(judge.due, chain.next_close())) <= upto:
        now = max(now, due)
        yield from _step(memory, judge, now, now - heard, followed)
    judge.now = max(now, upto)


def _first(events: Sequence[Event], start: int, stop: int, due: float, wakes: frozenset[type]) -> int:
    """The first event, from `start` on, before which a rule is to be asked."""
    for index in range(start, stop):
        if events[index][0] >= due or type(events[index]) in wakes:
            return index
    return stop


def _step(
    memory: Memory, judge: Judge, now: float, quiet: float, followed: Callable[[Event], object]
) -> Iterator[Judged]:
    """What time alone brings: windows that are over, then verdicts that no longer hold."""
    closed = memory.close_windows(now)
    if closed:
        # The window of somebody else changes no verdict: a rule that listens is about ours.
        if any(event.producer in memory.subject.producers for event in closed):
            judge.wake((type(closed[0]),))
        for event in closed:
            followed(event)
    yield from judge.ask(now, max(MOMENT, quiet * QUIET_SHARE) if quiet > QUIET else MOMENT)
