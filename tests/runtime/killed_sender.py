"""A child process that does what keeper does with an alert, to be killed at any moment: state and notice in one commit,
then the outbox, then, when it was accepted, the receipt with the next commit.

    python -m tests.runtime.killed_sender DATABASE TRANSITIONS WEBHOOK_URL ALERTMANAGER_URL
"""

from __future__ import annotations

import queue
import random
import sys
import threading
import time
from pathlib import Path

from keeper.core.alert import Alert, Phase, stands
from keeper.core.notice import Notice, Owed, Receipt, describe, to_json
from keeper.notifiers import target_of_webhook, targets_of_alertmanager
from keeper.runtime.outbox import Delivered, Outbox, Report
from keeper.runtime.store import Store
from keeper.settings import AlertmanagerSettings, WebhookSettings
from tests.runtime.sending import ORIGIN


def transition(alert: Alert, now: float) -> Alert:
    """Firing and resolved in turns."""
    if alert.phase is Phase.FIRING:
        return Alert("fork", "bp1", Phase.RESOLVED, now, alert.started, now, incident=alert.incident)
    return Alert("fork", "bp1", Phase.FIRING, now, now, incident=alert.incident + 1)


def main() -> None:
    path, count, hook_url, am_url = sys.argv[1:]
    store = Store.open(Path(path), time.time)
    reports: queue.Queue[Report] = queue.Queue()
    targets = [
        target_of_webhook(WebhookSettings(name="hook", url=hook_url), time.time),
        *targets_of_alertmanager(AlertmanagerSettings(urls=(am_url,), interval=1.0), time.time),
    ]
    outboxes = [Outbox(target.name, target.notifier, time.time, reports.put, random.random) for target in targets]
    stop = threading.Event()
    threads = [threading.Thread(target=outbox.run, args=(stop.wait,), daemon=True) for outbox in outboxes]

    def level(alert: Alert) -> None:
        standing: list[Notice] = [describe(alert, "critical", ORIGIN)] if stands(alert, time.time()) else []
        for outbox in outboxes:
            outbox.level(standing)

    alert = next(iter(store.alerts()), Alert("fork", "bp1"))
    for outbox in outboxes:
        outbox.put(store.outbox(outbox.target))
    level(alert)
    for thread in threads:
        thread.start()
    done = int(store.positions().get("log", "0"))
    print(done, flush=True)
    delivered: list[Receipt] = []
    while done < int(count):
        done += 1
        alert = transition(alert, time.time())
        notice = describe(alert, "critical", ORIGIN)
        owed = [Owed(outbox.target, notice.id, to_json(notice)) for outbox in outboxes]
        while not reports.empty():
            report = reports.get()
            delivered += report.receipts if isinstance(report, Delivered) else ()
        assert store.commit({"log": str(done)}, [alert], owed, delivered, [])
        delivered = []
        for outbox, one in zip(outboxes, owed, strict=True):
            outbox.put([one])
        level(alert)
        time.sleep(random.random() * 0.004)
    while any(store.outbox(outbox.target) for outbox in outboxes):
        report = reports.get(timeout=20)
        store.commit({}, [], [], report.receipts if isinstance(report, Delivered) else (), [])
    stop.set()


if __name__ == "__main__":
    main()
