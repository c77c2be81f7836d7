"""An outbox at work in a thread, and notices for it."""

from __future__ import annotations

import random
import threading
import time
from types import TracebackType
from typing import Self

from keeper.core.alert import Alert, Phase
from keeper.core.notice import Notice, Notifier, Origin, Owed, Receipt, describe, to_json
from keeper.core.source import Now
from keeper.runtime.outbox import Delivered, Failing, Outbox, Recovered, Refused, Report

ORIGIN = Origin("tokyo-1", "A", "bp1", "eosstore", "http://127.0.0.1:9877/", "https://docs.example/rules")


def firing(rule: str, incident: int = 1, started: float | None = None) -> Notice:
    started = time.time() if started is None else started
    alert = Alert(rule, "bp1", Phase.FIRING, started, started, reason=f"reason {incident}", incident=incident)
    return describe(alert, "critical", ORIGIN)


def resolved(rule: str, incident: int = 1, started: float | None = None, at: float | None = None) -> Notice:
    at = time.time() if at is None else at
    started = at - 1 if started is None else started
    alert = Alert(rule, "bp1", Phase.RESOLVED, at, started, at, reason=f"over {incident}", incident=incident)
    return describe(alert, "critical", ORIGIN)


def owed(target: str, *notices: Notice) -> list[Owed]:
    return [Owed(target, notice.id, to_json(notice)) for notice in notices]


class Sending:
    """Runs one outbox from `with` on; keeps its reports."""

    def __init__(self, target: str, notifier: Notifier, now: Now = time.time) -> None:
        self._reports: list[Report] = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self.outbox = Outbox(target, notifier, now, self._take, random.random)
        self._thread = threading.Thread(target=self.outbox.run, args=(self._stop.wait,), daemon=True)

    def put(self, *notices: Notice) -> list[Receipt]:
        return self.outbox.put(owed(self.outbox.target, *notices))

    def reports(self) -> list[Report]:
        with self._changed:
            return list(self._reports)

    def delivered(self) -> list[str]:
        return [receipt.key for one in self.reports() if isinstance(one, Delivered) for receipt in one.receipts]

    def refused(self) -> list[Refused]:
        return [one for one in self.reports() if isinstance(one, Refused)]

    def trouble(self) -> list[Failing | Recovered]:
        return [one for one in self.reports() if isinstance(one, Failing | Recovered)]

    def wait_delivered(self, *notices: Notice, deadline: float = 20.0) -> None:
        """Wait until all of these are reported as delivered."""
        wanted = {notice.id for notice in notices}
        end = time.monotonic() + deadline
        with self._changed:
            while not wanted <= {
                receipt.key for one in self._reports if isinstance(one, Delivered) for receipt in one.receipts
            }:
                if not self._changed.wait(end - time.monotonic()):
                    raise AssertionError(f"waited {deadline:g} s for {wanted} to be delivered: {self._reports}")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _take(self, report: Report) -> None:
        with self._changed:
            self._reports.append(report)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
