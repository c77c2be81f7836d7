"""When packets may be sent again by keeper itself, and when that must stop. Pure: facts in, a sentence or None out.

The live agent is the probe: only when the server takes what the agent sends does keeper add anything, and it stops at
the first sign that the server suffers.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import NamedTuple

HOUR, MINUTE = 3600.0, 60.0
USUAL_OF = 50  # accepted live answers that make the usual time
LATELY_OF = 5  # of them that make the time now
JITTER = 0.1  # seconds an answer may take longer than usual without meaning anything
LONGEST_REST = 1800.0


class RecoveryTerms(NamedTuple):
    """`packets` accepted in a row for `seconds` show that an outage is over; `budget` packets may be sent again in an
    hour; live answers that take `slow` times the usual stop it; after a stop it rests for `rest` seconds, each time
    twice as long, until it got through."""

    automatic: bool = True
    packets: int = 20
    seconds: float = 30.0
    budget: int = 20_000
    slow: float = 2.0
    rest: float = 60.0


class Around(NamedTuple):
    """What the rest of keeper knows: why the agent's log cannot be seen or believed, why nothing can be stored, and why
    nothing can be sent; each None when all is well."""

    blind: str | None = None
    unstored: str | None = None
    unsendable: str | None = None


class Recovery:
    """What the live traffic and the last runs say of the server. Times are the events' own, or `now`."""

    def __init__(self, terms: RecoveryTerms) -> None:
        self.terms = terms
        self.accepted = 0  # in a row
        self.accepted_since: float | None = None
        self.failed = ""  # the last live answer that was not one of acceptance
        self.resting_until = 0.0
        self.rested_for = ""
        self._rests = 0
        self._took: deque[float] = deque(maxlen=USUAL_OF)
        self._usual: float | None = None
        self._answers = 0  # with a time, since `slowed` was last asked
        self._sent: deque[tuple[float, int]] = deque()  # (start of a minute, packets): of the last hour

    # -- what happened ---------------------------------------------------------------------------------------------

    def live_accepted(self, at: float, took: float | None) -> None:
        self.accepted += 1
        self.accepted_since = at if self.accepted_since is None else self.accepted_since
        if took is not None:
            self._took.append(took)
            self._answers += 1

    def live_failed(self, why: str) -> None:
        self.accepted, self.accepted_since, self.failed = 0, None, why

    def live_unanswered(self, sent: float) -> None:
        """What was sent before the server took packets again tells of the outage that is over."""
        if self.accepted_since is None or sent >= self.accepted_since:
            self.live_failed("a packet had no answer")

    def sent_again(self, now: float, packets: int = 1) -> None:
        minute = now // MINUTE * MINUTE
        if self._sent and self._sent[-1][0] == minute:
            self._sent[-1] = (minute, self._sent[-1][1] + packets)
        else:
            self._sent.append((minute, packets))

    def began(self) -> None:
        """A run begins: from now on the live answers are compared with those before it."""
        self._usual = median(self._took) if self._took else None

    def ended(self, now: float, why: str) -> None:
        """A run ended; `why` is empty when it got through."""
        if not why:
            self._rests = 0
            return
        self.resting_until = now + min(LONGEST_REST, self.terms.rest * 2.0 ** min(self._rests, 10))
        self.rested_for = why
        self._rests += 1
        # What the live traffic showed before does not count any more: the outage may be back.
        self.accepted, self.accepted_since = 0, None

    def put_off(self, now: float, why: str) -> None:
        """A run could not begin, which says nothing of the server."""
        self.resting_until, self.rested_for = now + self.terms.rest, why

    # -- what follows ----------------------------------------------------------------------------------------------

    def left(self, now: float) -> int:
        """How many packets the budget has left."""
        while self._sent and self._sent[0][0] + MINUTE <= now - HOUR:
            self._sent.popleft()
        return max(0, self.terms.budget - sum(packets for _, packets in self._sent))

    def why_not(self, around: Around, now: float) -> str | None:
        """Why nothing is sent again now; None when it may begin. What is unknown never acts."""
        if not self.terms.automatic:
            return "automatic = no: `keeper undelivered` writes them out for `keeper resend`"
        trouble = around.unsendable or around.blind or around.unstored or self._why_not_over(now)
        if trouble:
            return trouble
        if now < self.resting_until:
            return f"it rests for {self.resting_until - now:.0f} s more: {self.rested_for}"
        if not self.left(now):
            return f"{self.terms.budget:,} packets were sent again within an hour: the budget is spent"
        return None

    def _why_not_over(self, now: float) -> str | None:
        """Why the outage may not be over yet."""
        if self.accepted < self.terms.packets:
            after = f" since: {self.failed}" if self.failed else ""
            return f"the server took {self.accepted} of {self.terms.packets} live packets in a row{after}"
        if self.accepted_since is not None and now - self.accepted_since < self.terms.seconds:
            return f"the server takes packets for {now - self.accepted_since:.0f} of {self.terms.seconds:g} s"
        return None

    def why_stop(self, around: Around) -> str | None:
        """Why a run must stop at once; None while it may go on."""
        if around.blind or around.unstored:
            return around.blind or around.unstored
        if not self.accepted and self.failed:
            return f"a live packet was not accepted: {self.failed}"
        lately = self._lately()
        if self._usual is not None and lately > self.terms.slow * self._usual + JITTER:
            return f"the server slowed down: live answers take {lately:.2f} s, usual are {self._usual:.2f} s"
        return None

    def slowed(self) -> bool:
        """Whether live answers take longer than usual, half way to what stops a run; once for LATELY_OF of them."""
        if self._usual is None or self._answers < LATELY_OF:
            return False
        self._answers = 0
        return self._lately() > (1 + self.terms.slow) / 2 * self._usual + JITTER / 2

    def _lately(self) -> float:
        """What live answers take now; 0.0 while nothing is known."""
        return median(list(self._took)[-LATELY_OF:]) if len(self._took) >= LATELY_OF else 0.0
