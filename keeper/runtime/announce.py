"""Between the loop and the receivers: what fires becomes notices, every receiver has its own outbox and thread."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from keeper.core.alert import Alert, Transition, stands
from keeper.core.notice import Notice, Origin, Owed, Receipt, describe, to_json, watchdog
from keeper.core.source import Now
from keeper.metrics import Metrics
from keeper.notifiers import Target, target_of_webhook, targets_of_alertmanager
from keeper.pipeline import Pipeline
from keeper.runtime.clock import iso
from keeper.runtime.inbox import Call
from keeper.runtime.outbox import Delivered, Failing, Outbox, Recovered, Refused, Report
from keeper.runtime.watch import Thread
from keeper.settings import Settings

log = logging.getLogger("keeper")


class Announcer:
    """Owned by the loop's thread. `call` has that thread call something, for what outboxes report from theirs;
    `journal(kind, text)` notes what a receiver did; `owed_to(target)` is what an earlier keeper left undelivered."""

    def __init__(
        self,
        now: Now,
        started: float,
        call: Callable[[Call], None],
        journal: Callable[[str, str], None],
        owed_to: Callable[[str], Sequence[Owed]],
        random: Random,
    ) -> None:
        self._now = now
        self._started = started
        self._call = call
        self._journal = journal
        self._owed_to = owed_to
        self._random = random
        self._settings: Settings | None = None
        self._outboxes: dict[str, tuple[Outbox, Thread]] = {}
        self._configured: dict[str, object] = {}  # the settings each outbox was made of
        self._done: deque[Receipt] = deque()  # also filled by the outboxes' threads
        self._counted: dict[tuple[str, str], int] = {}

    def adopt(self, settings: Settings, address: str, failed: Callable[[str], None]) -> None:
        """Tell exactly the receivers of these settings from now on. One that is known goes on, with what it is owed;
        what a new one is owed comes from the database."""
        self._settings = settings
        self._page = f"http://{address}/"
        before, self._outboxes = self._outboxes, {}
        configured, self._configured = self._configured, {}
        fresh: list[Thread] = []
        for made_of, target in self._targets(settings):
            self._configured[target.name] = made_of
            if target.name in before:
                self._outboxes[target.name] = known = before.pop(target.name)
                if configured.get(target.name) != made_of:
                    known[0].adopt(target.notifier)
                continue
            outbox = Outbox(target.name, target.notifier, self._now, self._reported, self._random.random)
            self._done += outbox.put(self._owed_to(target.name))
            self._counted = {key: value for key, value in self._counted.items() if key[0] != target.name}
            fresh.append(Thread(f"outbox {target.name}", outbox.run, failed))
            self._outboxes[target.name] = (outbox, fresh[-1])
        for _, thread in before.values():
            thread.stop()
        for thread in fresh:
            thread.start()

    def stop(self) -> None:
        for _, thread in self._outboxes.values():
            thread.stop()

    def join(self, left: Callable[[], float]) -> None:
        """Wait for all threads, `left()` seconds altogether."""
        for _, thread in self._outboxes.values():
            thread.join(left())

    @property
    def targets(self) -> frozenset[str]:
        return frozenset(self._outboxes)

    # -- what the loop says ----------------------------------------------------------------------------------------

    def owed(self, transitions: Iterable[Transition], pipelines: Mapping[str, Pipeline]) -> list[Owed]:
        """What each receiver is owed for these transitions; to be stored with them, then `put`."""
        owed = []
        for transition in transitions:
            notice = self.notice(transition.alert, pipelines[transition.subject])
            body = to_json(notice)
            owed += [Owed(target, notice.id, body) for target in self._outboxes]
        return owed

    def put(self, owed: Sequence[Owed]) -> None:
        if owed:
            for target, (outbox, _) in self._outboxes.items():
                self._done += outbox.put([one for one in owed if one.target == target])

    def level(self, pipelines: Iterable[Pipeline], now: float) -> None:
        """What stands now, for receivers that are told again and again."""
        standing = [
            self.notice(alert, pipeline)
            for pipeline in pipelines
            for alert in pipeline.alarms.alerts.values()
            if stands(alert, now)
        ]
        standing.append(watchdog(self.origin(None), self._started))
        for outbox, _ in self._outboxes.values():
            outbox.level(standing)

    def delivered(self) -> list[Receipt]:
        """What need not be kept any longer, since this was asked last."""
        return [self._done.popleft() for _ in range(len(self._done))]

    def notice(self, alert: Alert, pipeline: Pipeline) -> Notice:
        judged = pipeline.judge.judged.get(alert.rule)
        severity = judged.rule.severity if judged is not None else "warning"
        return describe(alert, severity, self.origin(pipeline))

    def origin(self, pipeline: Pipeline | None) -> Origin:
        settings = self._settings
        if settings is None:
            raise RuntimeError("adopt() comes first")
        subject = pipeline.memory.subject if pipeline is not None else None
        is_node = subject is not None and subject.kind == "node"
        return Origin(
            keeper=settings.keeper.name,
            role=subject.role if subject is not None and is_node else settings.keeper.role,
            node=subject.name if subject is not None and is_node else "",
            producer=",".join(sorted(subject.producers)) if subject is not None else "",
            page=self._page,
            runbook=settings.alertmanager.runbook_url if settings.alertmanager else "",
        )

    # -- what people see -------------------------------------------------------------------------------------------

    def status(self) -> list[dict[str, Any]]:
        return [
            {
                "target": target,
                "sent": outbox.sent,
                "failed": outbox.failed,
                "waiting": outbox.queued,
                "error": f"{outbox.last_error} (since {iso(outbox.failing_since)[:19]})"
                if outbox.failing_since is not None
                else None,
            }
            for target, (outbox, _) in self._outboxes.items()
        ]

    def measure(self, metrics: Metrics) -> None:
        for target, (outbox, _) in self._outboxes.items():
            metrics.push_queue.labels(target).set(outbox.queued)
            # 0 while nothing was accepted: a target that never answers must have a series to alert on.
            metrics.push_last.labels(target).set(outbox.last_sent_at or 0.0)
            for counter, value in (
                (metrics.pushes, outbox.sent),
                (metrics.push_failures, outbox.failed),
                (metrics.push_refused, outbox.refused),
                (metrics.push_dropped, outbox.dropped),
            ):
                key = (target, repr(counter))
                counter.labels(target).inc(max(value - self._counted.get(key, 0), 0))
                self._counted[key] = value

    # -- what outboxes say, each from its own thread ---------------------------------------------------------------

    def _reported(self, report: Report) -> None:
        if isinstance(report, Delivered | Refused):
            self._done += report.receipts
        self._call(lambda: self._heard(report))

    def _heard(self, report: Report) -> None:
        if isinstance(report, Refused):
            log.error("target=%s refused=%s reason=%r", report.target, report.key, report.reason)
            self._journal("refused", f"{report.target} refuses {report.key}: {report.reason}")
        elif isinstance(report, Failing):
            log.warning("target=%s state=failing reason=%r", report.target, report.reason)
            self._journal("push_failing", f"{report.target}: {report.reason}")
        elif isinstance(report, Recovered):
            log.info("target=%s state=recovered", report.target)
            self._journal("push_recovered", f"{report.target} takes alerts again, since {iso(report.since)} it did not")

    def _targets(self, settings: Settings) -> list[tuple[object, Target]]:
        """Each with the settings it is made of."""
        told = settings.alertmanager
        targets: list[tuple[object, Target]] = []
        if told is not None:
            made_of = replace(told, urls=(), runbook_url="")
            targets += [(made_of, target) for target in targets_of_alertmanager(told, self._now)]
        return targets + [(webhook, target_of_webhook(webhook, self._now)) for webhook in settings.webhooks]
