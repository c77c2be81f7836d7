"""Failover in the daemon: what the loop tells the rules, and that it tells nothing of a thread that hangs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from keeper.config import parse
from keeper.core.event import Drilled, Event, RoleStands
from keeper.runtime.book import Drill
from keeper.runtime.clock import Clock, since_boot
from keeper.runtime.failover import STANDS_EVERY, Failover
from keeper.runtime.inbox import Inbox
from keeper.runtime.loop import Loop

CONFIG = """
[keeper]
name = b
role = B
state_dir = {directory}
[node]
producer = eosstore
log = file:/var/log/nodeos.log
api = http://127.0.0.1:1
[failover]
"""


class Told:
    """A loop that only remembers what it was told."""

    def __init__(self) -> None:
        self.pipelines: dict[str, Any] = {}
        self.events: list[Event] = []

    def tell(self, event: Event, _subject: str) -> None:
        self.events.append(event)


def made(directory: Path) -> tuple[Failover, Told]:
    told = Told()
    settings = parse(CONFIG.format(directory=directory), "config.ini", {})
    return Failover(settings, Clock(), Inbox(lambda _: None), cast("Loop", told), lambda _: None), told


def test_rules_hear_what_has_changed_and_nothing_of_a_thread_that_hangs(tmp_path: Path) -> None:
    """So that failover_trouble notices; and the page says it at once."""
    failover, told = made(tmp_path)
    assert failover.publish(0.0) == {}
    failover.reconciler.look()
    assert failover.publish(100.0)["state"] == "watching"
    failover.publish(101.0)
    assert [type(event) for event in told.events] == [RoleStands]
    failover.reconciler.look()
    failover.publish(100.0 + STANDS_EVERY)
    assert len(told.events) == 2
    status = failover.reconciler.status
    failover.reconciler.status = {**status, "at": since_boot() - 60.0}
    shown = failover.publish(200.0)
    assert shown["troubles"] == ["the failover thread has not looked for 60 s: restart keeper"]
    assert len(told.events) == 2


def test_a_rehearsal_is_a_drill_only_where_there_is_no_lease(tmp_path: Path) -> None:
    """Then nothing better can be had."""
    failover, told = made(tmp_path)
    failover.reconciler._book.drilled(Drill(5.0, "rehearsal", True, 0.1, "all well"))
    failover.reconciler._drills = failover.reconciler._book.drills()
    failover.reconciler.look()
    failover.publish(100.0)
    assert [event.good for event in told.events if isinstance(event, Drilled)] == [True]
    failover.terms = failover.terms._replace(lease=True)
    assert not failover._counts(Drill(6.0, "rehearsal", True, 0.1, "all well"))
