"""How fast to resend. Pure: a pacing is a value, time is an argument, the sender asks and tells.

One pacing belongs to one host, however many chains send to it: what one of them learns holds for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple, Protocol, Self

from keeper.delivery.outcome import TIMED_OUT, Result

FREEZE = 30.0  # seconds after a timeout
LONGEST_WAIT = 600.0  # seconds a server may ask for with Retry-After


class Answered(NamedTuple):
    """The end of one request: `begun` is when it started, `events` how many it carried."""

    begun: float
    events: int
    result: Result
    code: int = 200
    retry_after: float | None = None


class Pacing(Protocol):
    def opens(self, now: float) -> float:
        """When the next packet may start: at once if that is not after `now`; inf: not before an answer."""

    def started(self, now: float) -> Self: ...

    def answered(self, answer: Answered, now: float) -> Self: ...

    def eased(self, now: float) -> Self:
        """The live agent's answers take longer than before: leave it more room."""


@dataclass(frozen=True, slots=True)
class Classic:
    """What the old script did, with its constants: up to four chains, each sends, waits for the answer, then rests."""

    most: int = 4
    pause: float = 0.05  # seconds for each event of the packet; 0.025 to 0.03 at night
    under_way: int = 0
    resting: tuple[float, ...] = ()  # when each chain that rests may go on, soonest first
    frozen_until: float = 0.0

    def opens(self, now: float) -> float:
        ready = self.resting[0] if self.resting and self.under_way < self.most else inf
        if self._new_chain():
            ready = min(ready, now)
        return max(ready, self.frozen_until)

    def started(self, now: float) -> Classic:
        rested = bool(self.resting) and (self.resting[0] <= now or not self._new_chain())
        return replace(self, under_way=self.under_way + 1, resting=self.resting[1:] if rested else self.resting)

    def answered(self, answer: Answered, now: float) -> Classic:
        took = now - answer.begun
        rest = answer.events * self.pause
        if took > 1:
            rest += took * (10 if took <= 20 else 5)
        frozen = now + FREEZE if answer.code == TIMED_OUT else 0.0
        asked = now + min(answer.retry_after or 0.0, LONGEST_WAIT)
        return replace(
            self,
            under_way=self.under_way - 1,
            resting=tuple(sorted((*self.resting, now + rest))),
            frozen_until=max(self.frozen_until, frozen, asked),
        )

    def eased(self, now: float) -> Classic:
        """It rests so long after each answer that there is nothing to take back."""
        return self

    def _new_chain(self) -> bool:
        return self.under_way + len(self.resting) < self.most and self.under_way <= 2


OVERHEAD = 4  # events: about what a packet costs beside its events
SMOOTHING = 0.2
FORGET = 1.0005  # a server that became slower for good is believed after some thousand answers
FEW, MANY = 1.5, 3.0  # packets of ours that wait in the server's queue: below, one more; above, fewer
SLOW = 0.8  # the factor when too many wait
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds after failures in a row
FIRST_GAP, LONGEST_GAP = 0.1, 10.0  # seconds between two starts
FASTER = 0.5  # starts a second more, with each good answer, while there is a gap
PATIENCE, TYPICAL = 2.0, 4.0  # overdue is what takes longer than both: seconds, and so many usual answer times
PROBE = 30.0  # seconds between two tries while an answer is overdue


@dataclass(frozen=True, slots=True)
class Adaptive:
    """As fast as the server takes it without its queue growing.

    The number in flight grows by one a round while our packets do not wait in the server's queue, and shrinks by a
    factor when more than MANY of them do: that is the floor for the live agent, whose packets never find more than
    that before them. Whether they wait is told by the answer times, per event, against the best seen (as TCP Vegas
    does). With one in flight and still trouble, a gap between starts grows by doubling and shrinks additively in rate.
    """

    most: int = 8
    limit: float = 1.0
    gap: float = 0.0
    under_way: tuple[float, ...] = ()  # starts, oldest first
    last_start: float = -inf
    not_before: float = 0.0  # after a timeout, failures, or what Retry-After asked for
    probed: float = -inf
    failures: int = 0  # in a row
    best: float = inf  # seconds an event
    usual: float = 0.0  # the same, smoothed
    took: float = 0.0  # seconds an answer, smoothed
    round: int = 0  # answers since the limit was changed
    shrunk: float = -inf  # when a failure last slowed us down

    def opens(self, now: float) -> float:
        if len(self.under_way) >= int(self.limit):
            return inf
        ready = max(self.not_before, self.last_start + self.gap)
        if self._overdue(now):
            ready = max(ready, max(self.probed, self.under_way[0]) + PROBE)
        return ready

    def started(self, now: float) -> Adaptive:
        probed = now if self._overdue(now) else self.probed
        return replace(self, under_way=(*self.under_way, now), last_start=now, probed=probed)

    def answered(self, answer: Answered, now: float) -> Adaptive:
        busy = len(self.under_way)
        left = list(self.under_way)
        left.remove(answer.begun)
        now_free = replace(self, under_way=tuple(left), round=self.round + 1)
        if answer.result is Result.ACCEPTED:
            return now_free._good(answer, now, busy)
        if answer.result is Result.REFUSED:
            return now_free  # it speaks of the packet, and was told too quickly to speak of the server's speed
        return now_free._bad(answer, now)

    def eased(self, now: float) -> Adaptive:
        if self.limit >= 2:
            return replace(self, limit=max(1.0, self.limit * SLOW), round=0)
        return replace(self, limit=1.0, gap=min(LONGEST_GAP, max(FIRST_GAP, self.gap * 2)), round=0)

    def _good(self, answer: Answered, now: float, busy: int) -> Adaptive:
        took = now - answer.begun
        cost = took / (answer.events + OVERHEAD)
        best = min(self.best * FORGET, cost)
        usual = cost if not self.usual else self.usual + SMOOTHING * (cost - self.usual)
        took = took if not self.took else self.took + SMOOTHING * (took - self.took)
        gap = self.gap / (1 + FASTER * self.gap)
        known = replace(self, best=best, usual=usual, took=took, failures=0, gap=gap if gap > FIRST_GAP / 10 else 0.0)
        waiting = busy * (1 - best / usual) if usual > best else 0.0
        if self.round < busy:
            return known  # what the last change led to is not seen before a whole round
        if waiting > MANY:
            return replace(known, limit=max(1.0, self.limit * SLOW), round=0)
        if waiting < FEW and busy >= int(self.limit):
            return replace(known, limit=min(float(self.most), int(self.limit) + 1.0), round=0)
        return known

    def _bad(self, answer: Answered, now: float) -> Adaptive:
        if answer.begun < self.shrunk:
            # It began before we slowed down: it tells nothing new, but what the server asks for.
            asked = min(answer.retry_after or 0.0, LONGEST_WAIT)
            return replace(self, not_before=max(self.not_before, now + asked))
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self.failures, 10))
        if answer.result is Result.UNKNOWN:
            pause = FREEZE
        elif answer.retry_after is not None:
            pause = min(max(answer.retry_after, 0.0), LONGEST_WAIT)
        alone = self.limit < 2
        return replace(
            self,
            failures=self.failures + 1,
            limit=1.0 if answer.result is Result.UNKNOWN else max(1.0, self.limit / 2),
            gap=min(LONGEST_GAP, max(FIRST_GAP, self.gap * 2)) if alone else self.gap,
            not_before=max(self.not_before, now + pause),
            shrunk=now,
            round=0,
        )

    def _overdue(self, now: float) -> bool:
        return bool(self.under_way) and now - self.under_way[0] > max(PATIENCE, TYPICAL * self.took)
