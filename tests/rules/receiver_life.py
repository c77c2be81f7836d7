"""Random lives of a receiver, as hypothesis makes and shrinks them: what its answers say, second by second."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import strategies as st

from keeper.core.event import AnswerFailed, Event
from keeper.core.receiver_event import Quiet, ReceiverAnswer
from tests.rules.build import T0
from tests.rules.receiver import WELL
from tests.rules.timeline import Happening

ANSWERS = ("usual", "failing", "half", "unasked", "restarted")
QUEUES = ("empty", "growing", "draining", "trouble", "refusing", "spoiled")
WORKERS = ("well", "dying", "looping", "away", "hindered", "set_aside")
SENDERS = ("well", "silent", "rare", "unwatched")
MAY_BE_SILENT = 12.0  # seconds


class ReceiverStretch(NamedTuple):
    """Some seconds of a life in which everything keeps its way."""

    seconds: int
    answers: str
    queue: str
    workers: str
    senders: str


class ReceiverLife(NamedTuple):
    """What happens. `noise` is the seed of what is left to chance."""

    stretches: list[ReceiverStretch]
    workers: int
    remembered: int
    noise: int


def receiver_lives() -> st.SearchStrategy[ReceiverLife]:
    stretch = st.builds(
        ReceiverStretch,
        st.integers(1, 60),
        st.sampled_from(["usual"] * len(ANSWERS) + list(ANSWERS)),
        st.sampled_from(QUEUES),
        st.sampled_from(WORKERS),
        st.sampled_from(SENDERS),
    )
    return st.builds(
        ReceiverLife,
        st.lists(stretch, min_size=1, max_size=8),
        st.sampled_from([0, 1, 4]),
        st.sampled_from([5, 4000]),
        st.integers(0, 2**32),
    )


def receiver_happenings(life: ReceiverLife) -> Iterator[Happening]:
    """It is asked once a second, and says how it stands, or not."""
    receiver = _Receiver(life)
    time = 0.0
    for stretch in life.stretches:
        if stretch.answers == "restarted":
            receiver.restart(time)
        for _ in range(stretch.seconds):
            yield receiver.second(time, stretch)
            time += 1.0


class _Receiver:
    def __init__(self, life: ReceiverLife) -> None:
        self.random = random.Random(life.noise)
        self.workers = life.workers
        self.begun = -100.0
        self.counts = dict.fromkeys(("deaths", "refused", "lost", "set_aside"), 0)
        self.records = 0
        self.oldest: float | None = None
        self.heard = dict.fromkeys(("a", "b"), self.begun)

    def restart(self, time: float) -> None:
        """All that is counted since the start begins anew, but for what lies in a file."""
        self.begun = time
        self.heard = dict.fromkeys(self.heard, time)
        self.counts |= {"deaths": 0, "refused": 0, "lost": self.random.choice([0, 512])}

    def second(self, time: float, stretch: ReceiverStretch) -> Happening:
        at = time + 0.1 + self.random.random() * 0.2
        if stretch.answers == "unasked":
            return Happening(at, lambda memory: None, ())
        answer = self._answer(at, stretch)
        failing = {"failing": 1.0, "half": 0.5}.get(stretch.answers, 0.0)
        event: Event = answer
        if self.random.random() < failing:
            event = AnswerFailed(T0 + at, "status", "http://127.0.0.1:9878/api/v1/status", "connection refused")
        return Happening(at, lambda memory: memory.sees("status", T0 + at), (event,))

    def _answer(self, at: float, stretch: ReceiverStretch) -> ReceiverAnswer:
        chance = self.random.random() < 0.2
        if stretch.queue == "growing" and self.records == 0:
            self.oldest = at
        if stretch.queue == "empty" or (stretch.queue == "draining" and chance):
            self.records, self.oldest = 0, None
        elif stretch.queue in ("growing", "draining"):
            self.records += 100
        self.counts["refused"] += chance and stretch.queue in ("refusing", "trouble")
        self.counts["lost"] += 700 * (chance and stretch.queue == "spoiled")
        self.counts["deaths"] += chance and stretch.workers in ("dying", "looping")
        self.counts["set_aside"] = max(0, self.counts["set_aside"] + (1 if stretch.workers == "set_aside" else -1))
        for name in self.heard:
            if stretch.senders == "well" or (stretch.senders == "rare" and self.random.random() < 0.05):
                self.heard[name] = at
        senders = {} if stretch.senders == "unwatched" else self.heard
        silent = [Quiet(name, at - heard) for name, heard in senders.items() if at - heard > MAY_BE_SILENT]
        awaited = [name for name, heard in senders.items() if heard == self.begun > at - MAY_BE_SILENT]
        away = self.workers and (stretch.workers == "away" or (stretch.workers == "dying" and chance))
        return WELL._replace(
            at=T0 + at,
            started=T0 + self.begun,
            up=at - self.begun,
            records=self.records,
            size=(1 << 20) * self.records,
            oldest=None if self.oldest is None else T0 + self.oldest,
            trouble="no beanstalkd" if stretch.queue == "trouble" else "",
            workers=self.workers,
            running=self.workers - bool(away),
            looping=min(self.workers, int(stretch.workers == "looping" and chance)),
            death="worker 1: resting" if away else "",
            hindered=min(self.workers - bool(away), int(stretch.workers == "hindered")),
            hindrance="worker 1: database is locked",
            watched=len(senders),
            silent=len(silent),
            quiet=tuple(silent),
            awaiting=len(awaited),
            awaited=tuple(awaited),
            **self.counts,  # type: ignore[arg-type]  # fields of it that count
        )
