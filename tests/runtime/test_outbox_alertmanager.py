"""Against real Alertmanagers: what they know and whom they notify."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime

import pytest

from keeper.core.notice import Notice, watchdog
from keeper.core.source import Now
from keeper.notifiers import targets_of_alertmanager
from keeper.notifiers.alertmanager import HELD_INTERVALS
from keeper.settings import AlertmanagerSettings
from tests.peers.alertmanager import Alertmanager
from tests.peers.ask import eventually
from tests.runtime.sending import ORIGIN, Sending, firing, resolved

INTERVAL = 1.0  # seconds; an alert that is not repeated ends after four of them
New = Callable[..., Alertmanager]


@contextmanager
def sending_to(*instances: Alertmanager, now: Now = time.time, interval: float = INTERVAL) -> Iterator[list[Sending]]:
    """An outbox at work for each instance, as keeper has."""
    settings = AlertmanagerSettings(urls=tuple(instance.url for instance in instances), interval=interval)
    with ExitStack() as running:
        yield [
            running.enter_context(Sending(target.name, target.notifier, now))
            for target in targets_of_alertmanager(settings, now)
        ]


def active(instance: Alertmanager, notice: Notice) -> bool:
    return any(alert["status"]["state"] == "active" for alert in instance.alerts(**notice.labels))


def gone(instance: Alertmanager, notice: Notice) -> bool:
    return not instance.alerts(**notice.labels)


def statuses(instance: Alertmanager, notice: Notice) -> list[str]:
    return [told.status for told in instance.inbox.notified(**notice.labels)]


def test_fires_on_every_instance_and_ends_on_every_instance(new_alertmanager: New) -> None:
    """Both know it; it stays for much longer than one message holds; nobody is told of an end before the end."""
    both = [new_alertmanager(), new_alertmanager()]
    fires, guard = firing("head_stalled"), watchdog(ORIGIN, time.time())
    with sending_to(*both) as outboxes:
        for outbox in outboxes:
            outbox.outbox.level([fires, guard])
        for instance in both:
            eventually(lambda i=instance: active(i, fires) and active(i, guard), "both alerts")  # type: ignore[misc]
            instance.inbox.wait_for(lambda inbox: inbox.notified(**fires.labels), "the notification")
        until = time.monotonic() + 2 * HELD_INTERVALS * INTERVAL
        while time.monotonic() < until:
            assert all(active(instance, fires) for instance in both)
        over = resolved("head_stalled", 1, fires.starts_at)
        for outbox in outboxes:
            outbox.put(over)
            outbox.outbox.level([over, guard])
        for instance in both:
            eventually(lambda i=instance: gone(i, over), "the alert to end")  # type: ignore[misc]
            instance.inbox.wait_for(lambda inbox: len(inbox.notified(**over.labels)) == 2, "the end to be told")
            assert statuses(instance, over) == ["firing", "resolved"]
            assert active(instance, guard)
        for outbox in outboxes:
            outbox.wait_delivered(over)
            assert outbox.trouble() == []


def test_carries_the_beginning_and_the_words(new_alertmanager: New) -> None:
    """startsAt is when the failure began; a new reason changes the annotation, not the alert."""
    instance = new_alertmanager()
    fires = firing("head_stalled", started=time.time() - 7.25)
    with sending_to(instance) as (outbox,):
        outbox.outbox.level([fires])
        eventually(lambda: active(instance, fires), "the alert")
        outbox.outbox.level([replace(fires, annotations={"reason": "still stands"})])
        (alert,) = eventually(
            lambda: [a for a in instance.alerts(**fires.labels) if a["annotations"]["reason"] == "still stands"],
            "the new reason",
        )
        began = datetime.fromisoformat(alert["startsAt"]).timestamp()
        assert began == pytest.approx(fires.starts_at, abs=0.001)
        assert alert["generatorURL"] == ORIGIN.page
        assert statuses(instance, fires) == ["firing"]


def test_an_instance_that_was_away_learns_what_is(new_alertmanager: New) -> None:
    """One is stopped while the alert fires, ends and fires again: back again, it has the last one; the other was told
    all of it; nothing is owed any more."""
    away, there = new_alertmanager(), new_alertmanager()
    with sending_to(away, there) as outboxes:
        first = firing("head_stalled", 1)
        for outbox in outboxes:
            outbox.put(first)
            outbox.wait_delivered(first)
        eventually(lambda: active(away, first), "the first firing")
        away.stop()
        over = resolved("head_stalled", 1, first.starts_at)
        again = firing("head_stalled", 2, over.ends_at)
        short = (firing("fork", 1), resolved("fork", 1))
        for notice in (over, *short, again):
            for outbox in outboxes:
                outbox.put(notice)
                outbox.outbox.level([again] if notice is again else [])
            outboxes[1].wait_delivered(notice)
        there.inbox.wait_for(lambda inbox: inbox.notified(**again.labels)[-1:], "a notification")
        eventually(outboxes[0].trouble, "the outage to be reported")
        assert outboxes[0].outbox.queued == 4
        away.start()
        outboxes[0].wait_delivered(over, *short, again)
        for instance in (away, there):
            eventually(lambda i=instance: active(i, again), "the second firing")  # type: ignore[misc]
            assert gone(instance, short[0])
            (alert,) = instance.alerts(**again.labels)
            assert datetime.fromisoformat(alert["startsAt"]).timestamp() == pytest.approx(again.starts_at, abs=0.002)
        assert outboxes[0].outbox.queued == 0
        assert len(outboxes[0].trouble()) == 2


def test_without_keeper_an_alert_ends_by_itself(new_alertmanager: New) -> None:
    """A keeper that died cannot say that it is over, and the missing watchdog says that it died."""
    instance = new_alertmanager()
    guard = watchdog(ORIGIN, time.time())
    with sending_to(instance) as (outbox,):
        outbox.outbox.level([guard])
        eventually(lambda: active(instance, guard), "the watchdog")
    eventually(lambda: gone(instance, guard), "the watchdog to be missed")
    instance.inbox.wait_for(lambda inbox: len(inbox.notified(**guard.labels)) == 2, "the end to be told")
    assert statuses(instance, guard) == ["firing", "resolved"]


@pytest.mark.parametrize("behind", [600.0, -600.0])
def test_clocks_that_differ(new_alertmanager: New, behind: float) -> None:
    """keeper's clock is ten minutes behind or ahead: what fires is active, what is over is over."""
    instance = new_alertmanager()
    begun = time.time() - behind

    def now() -> float:
        return time.time() - behind

    fires = firing("head_stalled", started=begun - 5)
    with sending_to(instance, now=now) as (outbox,):
        outbox.outbox.level([watchdog(ORIGIN, begun)])
        eventually(lambda: outbox.outbox.sent, "the first answer, which tells the time")
        outbox.put(fires)
        eventually(lambda: active(instance, fires), "the alert")
        over = resolved("head_stalled", 1, fires.starts_at, now())
        outbox.put(over)
        eventually(lambda: gone(instance, over), "its end")


def test_a_label_that_alertmanager_refuses(new_alertmanager: New) -> None:
    """Its own 400: the poisoned alert is reported with its words, the others are there."""
    instance = new_alertmanager()
    good = [firing(f"good_{n}") for n in range(5)]
    bad = replace(firing("bad"), labels={"alertname": "KeeperBad", "not-a-label": "x"})
    with sending_to(instance) as (outbox,):
        outbox.outbox.level([*good[:2], bad, *good[2:]])
        for notice in good:
            eventually(lambda n=notice: active(instance, n), "the good ones")  # type: ignore[misc]
        eventually(outbox.refused, "the refusal to be reported")
        assert "not-a-label" in outbox.refused()[0].reason
        assert instance.alerts(alertname="KeeperBad") == []


def test_more_alerts_than_one_post_holds(new_alertmanager: New) -> None:
    """All of 150 arrive and stay."""
    instance = new_alertmanager()
    many = [firing(f"rule_{n}") for n in range(150)]
    with sending_to(instance, interval=2.0) as (outbox,):
        outbox.put(*many)
        outbox.outbox.level(many)
        outbox.wait_delivered(*many)
        eventually(lambda: len(instance.alerts(keeper="tokyo-1")) == 150, "150 alerts")
        before = outbox.outbox.sent
        eventually(lambda: outbox.outbox.sent >= before + 150, "the repetition")
        assert len(instance.alerts(keeper="tokyo-1")) == 150
