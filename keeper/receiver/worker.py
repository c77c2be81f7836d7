"""Brings packets from the queue into the store: takes a batch, stores it, says done. Poison is set aside.

Whatever is taken and not done comes again, and the store keeps each packet once: so it may be killed at any moment.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from keeper.core.backoff import delay
from keeper.errors import SourceError
from keeper.receiver.dead_letters import DeadLetters
from keeper.receiver.packet import Packet, Poison, pack, unpack
from keeper.receiver.queues.queue import Batch, Intake
from keeper.receiver.report import Report
from keeper.receiver.stores.store import Store, StoreError

log = logging.getLogger("keeper")

MOST_BYTES = 8 << 20  # of a batch
LOOK_EVERY = 1.0  # seconds: so often it says that it lives
RETRY_WITHIN = 10.0  # seconds, the longest between two tries
SHOWN = 10  # records of a batch that are told of one by one

Wait = Callable[[float], bool]


class Worker:
    """For one thread. `store` opens the store, which may be away; `report` tells what came of it."""

    def __init__(
        self,
        intake: Intake,
        store: Callable[[], Store],
        dead: DeadLetters,
        report: Callable[[Report], None],
        now: Callable[[], float],
        chance: Callable[[], float],
        most: int,
    ) -> None:
        self._intake = intake
        self._open = store
        self._store: Store | None = None
        self._dead = dead
        self._report = report
        self._now = now
        self._chance = chance
        self._most = most

    def run(self, wait: Wait) -> None:
        """Work until `wait` says that it is time to stop; then what was taken and is not stored is given back.

        Raises StateError when the store can never work as it is.
        """
        with suppress(StoreError):  # it is away: the first batch waits for it
            self._store = self._open()
        failures = 0
        while not wait(0.0):
            try:
                batch = self._intake.take(self._most, MOST_BYTES, LOOK_EVERY)
            except SourceError as error:
                failures += 1
                self._report(Report(trouble=str(error)))
                wait(delay(failures, self._chance(), longest=RETRY_WITHIN))
                continue
            if batch is None:
                failures = 0
                self._report(Report())
            elif self._bring(batch, wait):
                failures = 0
            else:
                failures += 1
                wait(delay(failures, self._chance(), longest=RETRY_WITHIN))
        self._intake.close()
        if self._store is not None:
            self._store.close()

    def _bring(self, batch: Batch, wait: Wait) -> bool:
        """Store all of a batch, however long the store is away, and say done. False: the queue has not heard it."""
        failures = 0
        while True:
            try:
                report = self._stored(batch)
                break
            except (StoreError, OSError) as error:
                failures += 1
                self._report(Report(trouble=_said(error)))
                log.debug("batch=%d state=waiting why=%r", len(batch.records), _said(error))
                if wait(delay(failures, self._chance(), longest=RETRY_WITHIN)):
                    return False
        try:
            self._intake.done(batch)
        except SourceError as error:  # this batch may never be done any more; it comes again, and is known then
            self._report(replace(report, trouble=str(error)))
            return False
        self._report(report)
        return True

    def _stored(self, batch: Batch) -> Report:
        began = self._now()
        packets: list[Packet] = []
        poison: list[tuple[bytes, str]] = []
        for record in batch.records:
            try:
                packets.append(unpack(record))
            except Poison as error:
                poison.append((record, str(error)))
        report = self._store_all(packets, poison)
        dead = self._dead.add(poison) if poison else 0
        for record, reason in poison[:SHOWN]:
            log.warning("record=%r state=set_aside why=%r", record[:80], reason)
        if len(poison) > SHOWN:
            log.warning("records=%d state=set_aside", len(poison))
        return Report(
            fresh=report.fresh,
            events=report.events,
            repeated=report.repeated,
            returned=report.returned,
            dead=dead,
            seconds=self._now() - began,
        )

    def _store_all(self, packets: Sequence[Packet], poison: list[tuple[bytes, str]]) -> Report:
        """Store them together; those that cannot be are found by halves."""
        if not packets:
            return Report()
        if self._store is None:
            self._store = self._open()
        try:
            stored = self._store.store(packets)
        except Poison as error:
            if len(packets) == 1:
                poison.append((pack(packets[0]), str(error)))
                return Report()
            self._report(Report())  # many of them take their time
            half = len(packets) // 2
            one, other = self._store_all(packets[:half], poison), self._store_all(packets[half:], poison)
            return Report(
                fresh=one.fresh + other.fresh,
                events=one.events + other.events,
                repeated=one.repeated + other.repeated,
                returned=one.returned + other.returned,
            )
        except StoreError:
            self._store.close()  # it opens itself again: what is broken about a connection is gone then
            raise
        for source, id in stored.returned[:SHOWN]:
            log.warning("source=%s id=%d state=returned why='the id came again with other content'", source, id)
        return Report(fresh=stored.fresh, events=stored.events, repeated=stored.repeated, returned=len(stored.returned))


def _said(error: Exception) -> str:
    return f"{error.filename or 'the disk'}: {error.strerror}" if isinstance(error, OSError) else str(error)
