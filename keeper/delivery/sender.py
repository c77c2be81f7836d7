"""Sends what was planned: several packets in flight, each written to the ledger before it leaves and after its answer.

One thread decides and writes; as many as there may be packets in flight only send, each over a connection of its own.
"""

from __future__ import annotations

import heapq
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple, Protocol

from keeper.core.source import Now
from keeper.delivery.account import Account, count
from keeper.delivery.ledger import Fate, Ledger, Note
from keeper.delivery.outcome import FATES, TIMED_OUT, Outcome, Result
from keeper.delivery.pacing import Answered, Pacing
from keeper.delivery.plan import Item
from keeper.errors import KeeperError, StateError

ASTRAY_IN_A_ROW = 3  # answers that say the address is wrong, until that is believed
LOOK = 0.25  # seconds between two looks at the progress


class Channel(Protocol):
    def send(self, body: bytes, headers: dict[str, str]) -> Outcome: ...

    def close(self) -> None: ...


class Job(NamedTuple):
    item: Item
    body: bytes
    headers: dict[str, str]
    begun: float


class Ended(NamedTuple):
    job: Job
    outcome: Outcome | Exception
    at: float


class Limits(NamedTuple):
    """`attempts` of one packet in one run; `give_up` seconds without any packet accepted; `repeat`: may a packet be
    sent again that the server may have taken?"""

    most: int
    attempts: int
    give_up: float
    repeat: bool


@dataclass
class Told:
    """What a person may want to see while it runs. `rate` is in events a second, `latency` in seconds, smoothed."""

    packets: int = 0  # settled in this run, one way or the other
    of: int = 0
    events: int = 0
    in_flight: int = 0
    seconds: float = 0.0  # since the first
    rate: float = 0.0
    latency: float = 0.0
    waiting: float = 0.0  # seconds until the pacing opens again
    trouble: str = ""  # the last answer that was not one of acceptance


@dataclass
class Sender:
    """`packed` gives a packet's body (None: it need not be sent any more), `headers` its headers, `connect` a channel
    for one thread. `refused` is told of packets the server will never take, `sending` and `answered` of each that
    leaves and of what came of it, `watch` the progress."""

    ledger: Ledger
    pacing: Pacing
    limits: Limits
    now: Now
    packed: Callable[[Item], bytes | None]
    headers: Callable[[Item], dict[str, str]]
    connect: Callable[[], Channel]
    refused: Callable[[Item, str], None]
    sending: Callable[[Item, int], None]
    answered: Callable[[Item, Outcome, float], None]
    watch: Callable[[Told], None]
    told: Told = field(default_factory=Told)
    unrecorded: list[Note] = field(default_factory=list)
    _jobs: queue.SimpleQueue[Job | None] = field(default_factory=queue.SimpleQueue)
    _ended: queue.SimpleQueue[Ended | None] = field(default_factory=queue.SimpleQueue)
    _threads: list[threading.Thread] = field(default_factory=list)
    _again: list[Item] = field(default_factory=list)  # a heap: the order of the plan
    _attempts: Counter[int] = field(default_factory=Counter)
    _in_flight: int = 0
    _astray: int = 0
    _stops: int = 0
    _eases: int = 0  # asked for by another thread
    _eased: int = 0  # done
    _accepted_at: float = 0.0
    _began: float = 0.0
    _why: str = ""
    _crash: Exception | None = None

    def stop(self) -> None:
        """Start nothing more and finish what is in flight; a second time: leave at once. May be called by a signal."""
        self._stops += 1
        self._ended.put(None)

    def ease(self) -> None:
        """The live agent feels it: slow down. May be called from another thread."""
        self._eases += 1

    def run(self, items: Sequence[Item], account: Account) -> None:
        """Send them all, or until there is a reason to end, which `account.ended` then has. Every item is counted in
        the account. Raises what a sending thread failed with, after the others have finished."""
        self.told.of = len(items)
        self._began = self._accepted_at = self.now()
        source = iter(items)
        left: Item | None = next(source, None)
        try:
            while True:
                if self._stops and not self._why:
                    self._why = "stopped"
                if self._stops > 1:
                    break
                if self._eases != self._eased:
                    self._eased = self._eases
                    self.pacing = self.pacing.eased(self.now())
                if not self._why:
                    left = self._start(source, left)
                if not self._in_flight and (self._why or (left is None and not self._again)):
                    break
                self._take(self._wait(left is not None or bool(self._again)), account)
                self.watch(self.told)
                if self.now() - self._accepted_at > self.limits.give_up and not self._why:
                    self._why = f"nothing was accepted for {self.limits.give_up:g} s; last: {self.told.trouble}"
        finally:
            for _ in self._threads:
                self._jobs.put(None)
        if self.unrecorded:
            self._record([])
        account.ended = self._why
        account.untried = self._in_flight + len(self._again) + (left is not None) + sum(1 for _ in source)
        if self._crash is not None:
            raise self._crash

    def _start(self, source: Iterator[Item], left: Item | None) -> Item | None:
        """Start all that the pacing allows now; return the first item not looked at yet."""
        jobs = []
        while (self._again or left is not None) and self._in_flight < self.limits.most:
            now = self.now()
            if self.pacing.opens(now) > now:
                break
            if self._again and (left is None or self._again[0] < left):
                item = heapq.heappop(self._again)
            elif left is not None:
                item, left = left, next(source, None)
            try:
                body = self.packed(item)
            except KeeperError as error:
                heapq.heappush(self._again, item)
                self._why = str(error)
                break
            if body is None:
                continue
            jobs.append(Job(item, body, self.headers(item), now))
            self.pacing = self.pacing.started(now)
            self._in_flight += 1
        if jobs and not self._record([Note(job.item.id, job.item.content, Fate.SENDING) for job in jobs]):
            for job in jobs:  # nothing has left the house
                heapq.heappush(self._again, job.item)
            self._in_flight -= len(jobs)
            self.unrecorded = [note for note in self.unrecorded if note.fate is not Fate.SENDING]
            return left
        for job in jobs:
            self.sending(job.item, self._in_flight)
            if len(self._threads) < self._in_flight:
                self._threads.append(threading.Thread(target=self._body, name="resend", daemon=True))
                self._threads[-1].start()
            self._jobs.put(job)
        return left

    def _wait(self, more: bool) -> float:
        """Seconds to wait for an answer before there is something else to do."""
        opens = self.pacing.opens(self.now()) if more and not self._why else inf
        self.told.waiting = max(0.0, opens - self.now()) if opens < inf else 0.0
        return min(LOOK, self.told.waiting) if opens < inf else LOOK

    def _take(self, seconds: float, account: Account) -> None:
        """Take in every answer that has come, and make their fates durable together before anything follows."""
        came: list[Ended] = []
        try:
            one = self._ended.get(timeout=max(seconds, 0.001))
            while True:
                came += [one] if one is not None else []
                one = self._ended.get_nowait()
        except queue.Empty:
            pass
        settled = [
            Note(job.item.id, job.item.content, FATES[outcome.result], outcome.detail)
            for job, outcome, _ in came
            if isinstance(outcome, Outcome)
        ]
        if settled:
            self._record(settled)
        for job, outcome, at in came:
            if isinstance(outcome, Outcome):
                self._settle(job, outcome, at, account)
            else:
                # The ledger says `sending`, which is all that is known of it; the others may finish.
                self._in_flight -= 1
                heapq.heappush(self._again, job.item)
                self._crash = outcome
                self._why = self._why or f"a sending thread failed: {outcome!r}"
        self.told.in_flight = self._in_flight

    def _settle(self, job: Job, outcome: Outcome, at: float, account: Account) -> None:
        item = job.item
        self._in_flight -= 1
        answer = Answered(job.begun, item.events, outcome.result, outcome.code, outcome.retry_after)
        self.pacing = self.pacing.answered(answer, at)
        self.answered(item, outcome, at - job.begun)
        took = at - job.begun
        self.told.latency += (took - self.told.latency) * (0.1 if self.told.latency else 1.0)
        if outcome.result is Result.ACCEPTED:
            self._astray = 0
            self._accepted_at = self.now()
            account.delivered += 1
            account.delivered_events += item.events
            self.told.events += item.events
            self.told.seconds = max(at - self._began, 0.001)
            self.told.rate = self.told.events / self.told.seconds
            self.told.packets += 1
            return
        self.told.trouble = outcome.detail
        if outcome.result is Result.REFUSED:
            count(account.refused, f"{item.key}: {outcome.detail}")
            try:
                self.refused(item, outcome.detail)
            except KeeperError as error:  # the packet is safe: it stands in the ledger, and where it was collected
                self._why = self._why or str(error)
        elif outcome.result is Result.UNKNOWN and not self.limits.repeat:
            count(account.held, f"{outcome.detail}; the server may have it")
        elif self._try_again(item, outcome):
            heapq.heappush(self._again, item)
            return
        else:
            count(account.failed, outcome.detail)
        self.told.packets += 1

    def _try_again(self, item: Item, outcome: Outcome) -> bool:
        """Not for ever: a packet on which the server fails each time must not keep the others waiting. That there is
        no server, or that it is busy, is not the packet's fault."""
        if outcome.result is Result.ASTRAY:
            self._astray += 1
            if self._astray >= ASTRAY_IN_A_ROW and not self._why:
                self._why = f"the server {outcome.detail}, {self._astray} times in a row"
            return True
        if outcome.result is Result.UNKNOWN or (outcome.result is Result.FAILED and outcome.code != TIMED_OUT):
            self._attempts[item.number] += 1
        return self._attempts[item.number] < self.limits.attempts

    def _record(self, notes: list[Note]) -> bool:
        """Write to the ledger. When it cannot be written the run ends: what is not recorded could be sent twice."""
        self.unrecorded += notes
        try:
            self.ledger.note(self.unrecorded)
        except StateError as error:
            self._why = self._why or str(error)
            return False
        self.unrecorded = []
        return True

    def _body(self) -> None:
        """A sending thread."""
        channel: Channel | None = None
        while job := self._jobs.get():
            try:
                channel = channel or self.connect()
                outcome: Outcome | Exception = channel.send(job.body, job.headers)
            except Exception as error:  # noqa: BLE001  # the thread that decides raises it
                outcome = error
            self._ended.put(Ended(job, outcome, self.now()))
        if channel is not None:
            channel.close()
