"""How each collector script stands: told to the rules, the metrics and the log when it changes, and shown to people."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf
from threading import Lock
from typing import Any

from keeper.collectors.life import ALIVE, FAILING, Stage
from keeper.collectors.orders import Orders
from keeper.core.event import CollectorStands, Event
from keeper.core.source import Now
from keeper.runtime.clock import iso
from keeper.runtime.measure_collectors import MeasureCollectors

log = logging.getLogger("keeper")

TOLD = (Stage.LOOPING, Stage.STUCK, Stage.RETIRED, Stage.DISABLED)  # beside the first failure and its end

Stand = dict[str, Any]
"""What `Running.stand` makes, with times as text."""


class Standing:
    """Filled by one thread, shown by another. `tell` brings an event to the rules, and loses none;
    `journal(kind, text)` is for what a person may want to look up."""

    def __init__(
        self,
        now: Now,
        measure: MeasureCollectors,
        tell: Callable[[Event], None],
        journal: Callable[[str, str], None],
    ) -> None:
        self._now = now
        self._measure = measure
        self._tell = tell
        self._journal = journal
        self._lock = Lock()
        self._stands: dict[str, Stand] = {}
        self._failing: dict[str, tuple[bool, float]] = {}  # of all the rules know: whether, and since when
        self._said: dict[str, tuple[Stage, str]] = {}

    def take(self, name: str, stand: Stand) -> None:
        """What the runner tells of one, its times in seconds from now."""
        now = self._now()
        due = None if stand["due"] == inf else iso(now + stand["due"])
        stand = {**stand, "name": name, "since": iso(now + stand["since"]), "due": due}
        with self._lock:
            before = self._stands.get(name)
            self._stands[name] = stand
        stage = Stage(stand["stage"])
        was_failing, since = self._failing.get(name, (None, now))
        # One that is tried again between its failures goes on to fail: only a good end makes it well.
        failing = stage in FAILING or (stage in ALIVE and stand["failures"] > 0 and was_failing is True)
        if was_failing is not failing:
            since = now
        self._failing[name] = (failing, since)
        self._measure.stand(name, stand, failing=failing)
        news = was_failing is not failing
        if before is None or news or (stand["worked"], stand["why"]) != (before["worked"], before["why"]):
            self._tell(CollectorStands(since, name, stage.value, failing, stand["worked"], stand["why"]))
        if before is None or before["stage"] != stand["stage"]:
            self._say(name, stage, stand["why"], news=news)

    def gone(self, name: str) -> None:
        """Its file is: nothing of it is shown any more."""
        with self._lock:
            self._stands.pop(name, None)
        self._failing.pop(name, None)
        self._said.pop(name, None)
        self._measure.gone(name)
        self._tell(CollectorStands(self._now(), name, "gone", False, True, "its file is gone"))
        log.info("collector=%s stage=gone", name)

    def lost(self) -> None:
        """The runner is: how they stand is not known."""
        with self._lock:
            self._stands.clear()
        self._measure.runner_lost()

    def missing(self) -> list[str]:
        """Those the rules know that this runner has told nothing of."""
        return [name for name in self._failing if name not in self._stands]

    def all(self) -> dict[str, Stand]:
        with self._lock:
            return dict(self._stands)

    def shown(self, orders: Orders) -> list[Stand]:
        """By name, with who disabled what and why."""
        found = self.all()
        for name, said in orders.disabled.items():
            if name in found:
                found[name] = {**found[name], "why": f"{said.who} disabled it: {said.why}"}
        return [found[name] for name in sorted(found)]

    def _say(self, name: str, stage: Stage, why: str, *, news: bool) -> None:
        """A line for what changed; once, however often it is tried again meanwhile."""
        if (not news and stage not in TOLD) or self._said.get(name) == (stage, why):
            return
        self._said[name] = (stage, why)
        level = logging.WARNING if stage in FAILING else logging.INFO
        log.log(level, "collector=%s stage=%s why=%r", name, stage.value, why)
        if why:
            self._journal("collector", f"{name} is {stage.value}: {why}")
