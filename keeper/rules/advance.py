"""Brings one subject forward in time: events at their times, deadlines at theirs, in one order.

Live, replay and tests all go through here, so what a replay shows is what keeper would have said that night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress, count
from math import inf, nextafter

from keeper.core.event import Event
from keeper.core.memory import Memory
from keeper.rules.judge import MOMENT, Judge, Judged
from keeper.rules.rule import Rule

# After so many seconds without any event the verdicts that are only kept fresh are asked ever less often, the pause
# being a sixtieth of the quiet: a gap of days in a recorded log costs hundreds of questions, not millions.
QUIET = 600.0
QUIET_SHARE = 1 / 60


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
    judge.hear()
    judge.heed()
    begin = min(events[0].at, upto) if events else upto
    now = begin if judge.now is None else judge.now
    if judge.due <= now:
        now = max(now, begin)  # woken since the last call: by what the caller told, at the earliest now
    chain = memory.chain
    beyond = nextafter(upto, inf)

    def put_off(at: float) -> float:
        return min(judge.put_off(at), beyond)

    heard = now  # when the last event came
    index = 0
    end = len(events)
    waking = _waking(memory, judge, events)
    next_waking, woken = next(waking, (end, []))
    while index < end:
        at = min(events[index][0], upto)  # [0] is `at`: a third faster, in a loop that runs for every block
        while (due := min(judge.due, chain.next_close())) <= at:
            now = max(now, due)
            _close_windows(memory, judge, min(now, at), now, followed)
            yield from _ask(judge, now, now - heard)
        if at - heard > QUIET:
            judge.wake_all()
        now = heard = max(now, at)
        stop = index + 1 if judge.unsettled else next_waking
        if index == next_waking:
            judge.wake(woken)
            next_waking, woken = next(waking, (end, []))
            stop = index + 1
        index, derived = memory.take(events, index, stop, now, min(judge.due, beyond), put_off)
        if judge.unsettled:
            judge.hear()
        judge.heed()
        for event in derived:
            judge.wake(judge.heeding(event))
            followed(event)
        now = heard = max(now, min(events[index - 1][0], upto))
    while (due := min(judge.due, chain.next_close())) <= upto:
        now = max(now, due)
        _close_windows(memory, judge, min(now, upto), now, followed)
        yield from _ask(judge, now, now - heard)
    judge.now = max(now, upto)


def _waking(memory: Memory, judge: Judge, events: Sequence[Event]) -> Iterator[tuple[int, list[Rule]]]:
    """The places of the events some rule is to be asked for, and which."""
    wakes = judge.wakes
    last: dict[type, Event | None] = {}
    for index in compress(count(), map(wakes.__contains__, map(type, events))):
        event = events[index]
        kind = type(event)
        before = last[kind] if kind in last else memory.ring(kind).last
        last[kind] = event
        if rules := judge.heeding(event, before):
            yield index, rules


def _close_windows(memory: Memory, judge: Judge, by: float, now: float, followed: Callable[[Event], object]) -> None:
    """What time alone brings first: windows that are over by the time of the log."""
    for event in memory.close_windows(by, now):
        judge.wake(judge.heeding(event))
        followed(event)


def _ask(judge: Judge, now: float, quiet: float) -> Iterator[Judged]:
    """What time alone brings then: verdicts that no longer hold."""
    yield from judge.ask(now, max(MOMENT, quiet * QUIET_SHARE) if quiet > QUIET else MOMENT)
