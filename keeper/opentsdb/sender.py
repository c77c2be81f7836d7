"""The thread that takes batches from the spool and has one of several TSDs take them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keeper.core.backoff import delay
from keeper.core.source import Now, Wait
from keeper.opentsdb.disk import Batch
from keeper.opentsdb.http import Http
from keeper.opentsdb.outcome import NotSent, Refused, Sent, Way
from keeper.opentsdb.record import Line
from keeper.opentsdb.spool import Spool
from keeper.opentsdb.telnet import Telnet
from keeper.opentsdb.terms import HTTP, TELNET, Target, Terms

log = logging.getLogger("keeper")

IDLE = 0.5  # seconds between two looks at an empty spool
LOOK = 0.2  # seconds between two looks whether it is time to stop, while a batch is on its way
LAST = 0.5  # seconds that a batch on its way gets when it is
SHORTEST = 0.05  # seconds to wait for a host
REMIND = 3600.0  # seconds between two log lines about refused points

WAYS: dict[str, Callable[[Target, Terms, Now], Way]] = {TELNET: Telnet, HTTP: Http}


@dataclass(slots=True)
class _Host:
    target: Target
    way: Way
    failures: int = 0  # in a row
    not_before: float = float("-inf")
    why: str = ""  # it failed last; empty when it did not


class Sender:
    """`run` is the body of a thread. `chance` gives numbers in [0, 1).

    Numbers for people and metrics: points `sent`, `refused` and `repeated` (sent again though they may have arrived),
    tries that failed (`retries`), `state` (`up`, or `down` while no host takes anything) and `why`, `last_sent` (None
    before the first), `last_refused`, and `host`, the one that is sent to.
    """

    def __init__(self, spool: Spool, terms: Terms, now: Now, chance: Callable[[], float]) -> None:
        self.sent = self.refused = self.repeated = self.retries = 0
        self.state = "up"
        self.why = ""
        self.last_sent: float | None = None
        self.last_refused: Refused | None = None
        self._spool = spool
        self._terms = terms
        self._now = now
        self._chance = chance
        self._hosts: list[_Host] = [_Host(target, WAYS[terms.way](target, terms, now)) for target in terms.hosts]
        self._used = 0  # number of the host that took points last, or failed first
        self._proved: _Host | None = None  # which of them the log says is up
        self._batch: Batch | None = None
        self._lines: Sequence[Line] = ()  # what is left of the batch
        self._told_refused = float("-inf")

    @property
    def host(self) -> str:
        return str(self._hosts[self._used].target)

    def run(self, wait: Wait) -> None:
        """Send what there is until `wait` says stop; what is not sent then stays in the spool."""
        while not wait(0):
            now = self._now()
            host = self._due(now)
            if host is None:
                wait(max(SHORTEST, min(host.not_before for host in self._hosts) - now))
            elif not self._load():
                wait(IDLE)
            else:
                flight = _Flight(host.way, self._lines)
                while not flight.over(LOOK):
                    if wait(0):
                        flight.over(LAST)
                        break
                self._settle(host, flight)

    def _due(self, now: float) -> _Host | None:
        """The host in use, or the next that may be tried."""
        for step in range(len(self._hosts)):
            number = (self._used + step) % len(self._hosts)
            if self._hosts[number].not_before <= now:
                self._used = number
                return self._hosts[number]
        return None

    def _load(self) -> bool:
        """Have a batch: the rest of the last one, or, while nothing of that is settled, as much as there is by now."""
        if self._batch is None or len(self._lines) == len(self._batch.lines):
            self._batch = self._spool.take(self._terms.most, self._terms.most_bytes)
            self._lines = self._batch.lines if self._batch else ()
        return self._batch is not None

    def _settle(self, host: _Host, flight: _Flight) -> None:
        """Raises what a bug raised. A flight that is not over when it is time to stop is left: the spool has it all."""
        if flight.failed is not None and not isinstance(flight.failed, NotSent):
            raise flight.failed
        if flight.failed is not None:
            self._count(host, flight.failed.part)
            self._lines = self._lines if flight.failed.rest is None else flight.failed.rest
            self._put_off(host, flight.failed)
        elif flight.sent is not None:
            self._count(host, flight.sent)
            self._lines = ()
            self._works(host)
        if self._batch is not None and not self._lines:
            self._spool.done(self._batch)
            self._batch = None

    def _count(self, host: _Host, part: Sent) -> None:
        self.sent += part.accepted
        if part.accepted:
            self.last_sent = self._now()
        self.refused += len(part.refused)
        if part.refused:
            self.last_refused = part.refused[-1]
            if self._now() >= self._told_refused + REMIND:
                self._told_refused = self._now()
                log.warning("tsd=%s refused=%r why=%r", host.target, _shown(part.refused[-1]), part.refused[-1].why)

    def _works(self, host: _Host) -> None:
        if host is not self._proved or host.why:
            log.info("tsd=%s state=up", host.target)
        self._proved = host
        host.failures, host.not_before, host.why = 0, float("-inf"), ""
        self.state, self.why = "up", ""

    def _put_off(self, host: _Host, error: NotSent) -> None:
        """Leave the host alone for a while, a longer one each time. A part that was settled is not a failure: the rest
        goes at once, unless the host asked to be left alone."""
        if (error.part.accepted or error.part.refused) and error.retry_after is None:
            return
        self.retries += 1
        self.repeated += len(self._lines) if error.unknown else 0
        host.failures += 1
        host.not_before = self._now() + delay(host.failures, self._chance(), error.retry_after)
        if host.why != str(error):
            host.why = str(error)
            log.warning("tsd=%s state=down why=%r", host.target, host.why)
        if all(host.why for host in self._hosts):
            self.state, self.why = "down", f"{host.target}: {host.why}"


class _Flight:
    """One `send` in a thread of its own: it may hang in looking a name up, and nothing ends that."""

    def __init__(self, way: Way, lines: Sequence[Line]) -> None:
        self.sent: Sent | None = None
        self.failed: Exception | None = None
        self._over = threading.Event()
        threading.Thread(target=self._run, args=(way, lines), name="opentsdb/send", daemon=True).start()

    def over(self, seconds: float) -> bool:
        return self._over.wait(seconds)

    def _run(self, way: Way, lines: Sequence[Line]) -> None:
        try:
            self.sent = way.send(lines)
        except Exception as error:  # noqa: BLE001  # the thread that waits for it raises it
            self.failed = error
        self._over.set()


def _shown(refused: Refused) -> str:
    return refused.line.decode("utf-8", "replace")[:200]
