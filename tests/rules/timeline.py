"""Random lives of a node, as hypothesis makes and shrinks them: what its sources hand over, second by second."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hypothesis import strategies as st

from keeper.core.event import (
    AnswerFailed,
    BlockRejected,
    Event,
    ForkSwitched,
    LinesSeen,
    LogException,
    NodeStarted,
    NodeStopped,
    NotProducing,
    PatternMatched,
    PausedAnswer,
    PeerCount,
    ProducerResumed,
    ResourceWarned,
    ScheduleAnswer,
    ScheduleProposed,
)
from keeper.core.memory import Memory
from keeper.core.slots import SLOT_SECONDS, scheduled, slot_of, window_of
from tests.rules.build import T0, info, produced, received, reference, schedule_of

CHAINS = ("usual", "dead", "lone", "one_absent", "ours_absent", "lib_stuck", "late", "syncing", "other_schedule")
LOGS = ("usual", "silent", "blind", "forgotten", "alien", "lost")
APIS = ("usual", "failing", "frozen", "unasked", "behind")
OTHERS = ("none", "level", "ahead", "apart")


class Stretch(NamedTuple):
    """Some seconds of a life in which everything keeps its way."""

    seconds: int
    chain: str
    log: str
    api: str
    others: str


class Life(NamedTuple):
    """Who is watched and what happens. `noise` is the seed of what is left to chance within a stretch."""

    role: str
    sources: frozenset[str]
    schedule: tuple[str, ...]
    producers: frozenset[str]
    announced: bool
    stretches: list[Stretch]
    noise: int


class Happening(NamedTuple):
    """What the loop gets at a time, seconds after T0: something to tell the memory, then events."""

    time: float
    tell: Callable[[Memory], object]
    events: tuple[Event, ...]


def lives() -> st.SearchStrategy[Life]:
    def often(first: str, *others: str) -> st.SearchStrategy[str]:
        return st.sampled_from([first] * len(others) + list(others))

    stretch = st.builds(
        Stretch, st.integers(1, 90), often(*CHAINS), often(*LOGS), often(*APIS), st.sampled_from(OTHERS)
    )
    return st.builds(
        Life,
        st.sampled_from("ABCF"),
        st.sampled_from([frozenset({"log"}), frozenset({"log", "api"}), frozenset({"api"})]),
        st.sampled_from([schedule_of("abc"), schedule_of("abcdefg"), schedule_of("a")]),
        st.sampled_from([frozenset("a"), frozenset("az"), frozenset(), frozenset("z")]),
        st.booleans(),
        st.lists(stretch, min_size=1, max_size=8),
        st.integers(0, 2**32),
    )


def happenings(life: Life) -> Iterator[Happening]:
    """The life in half seconds; log and API speak a little after each, in turns and not always in time."""
    node = _Node(life)
    time = 0.0
    for stretch in life.stretches:
        node.begin(stretch)
        for _ in range(2 * stretch.seconds):
            yield from node.half_second(time, stretch)
            time += SLOT_SECONDS


class _Node:
    def __init__(self, life: Life) -> None:
        self.life = life
        self.random = random.Random(life.noise)
        self.number = 1000
        self.lib = 980
        self.frozen = 1000
        self.on_the_way: deque[tuple[float, int, str, int]] = deque()
        self.schedule = life.schedule
        self.newest = (1000, "a", 0.0, 980)

    def begin(self, stretch: Stretch) -> None:
        self.frozen = self.number
        if stretch.chain == "other_schedule":
            names = list("abcdefghij")[: self.random.randrange(2, 9)]
            self.schedule = schedule_of(names)
        if stretch.chain == "syncing":
            self.number += 5000  # nobody prints the blocks in between

    def half_second(self, time: float, stretch: Stretch) -> Iterator[Happening]:
        signer = self._signer(time, stretch)
        if signer is not None:
            self.number += 1
            if stretch.chain != "lib_stuck":
                self.lib = self.number - 20
            self.on_the_way.append((time, self.number, signer, self.lib))
        lag = {"late": 11.0, "syncing": 25.0}.get(stretch.chain, 0.0)
        blocks: list[Event] = []
        while self.on_the_way and self.on_the_way[0][0] <= time - lag:
            slot, number, name, lib = self.on_the_way.popleft()
            self.newest = (number, name, slot, lib)
            chance = self.random.random()
            here = self.life.role == "A" and (chance < 0.97 if name in self.life.producers else chance < 0.002)
            make = produced if here else received
            blocks.append(make(slot, number, name, lib=lib)._replace(at=T0 + time + 0.05))
            if chance > 0.998:  # somebody else signs the same slot
                blocks.append(received(slot, number, name, branch="f")._replace(at=T0 + time + 0.05))
        if "log" in self.life.sources:
            yield self._log(time + 0.1 + self.random.random() * 0.1, stretch, blocks)
        if time % 1 == 0:
            if "api" in self.life.sources and stretch.api != "unasked":
                yield self._api(time + 0.3, stretch)
            if stretch.others != "none":
                yield self._others(time + 0.4, stretch)

    def _signer(self, time: float, stretch: Stretch) -> str | None:
        signer = scheduled(window_of(slot_of(T0 + time)), self.schedule)
        absent = {
            "dead": True,
            "lone": signer not in self.life.producers,
            "one_absent": signer == max(self.schedule),
            "ours_absent": signer in self.life.producers,
        }
        return None if absent.get(stretch.chain, False) else signer

    def _log(self, time: float, stretch: Stretch, blocks: list[Event]) -> Happening:
        if stretch.log == "blind":
            return Happening(time, lambda memory: memory.blinded("log", T0 + time, "it is gone"), ())
        if stretch.log == "forgotten":
            return Happening(time, lambda memory: None, ())  # the source says nothing at all
        if stretch.log == "silent":
            return Happening(time, lambda memory: memory.sees("log", T0 + time), ())
        if stretch.log == "lost" and self.random.random() < 0.1:
            return Happening(time, lambda memory: memory.forgot("log", T0 + time), ())
        at = T0 + time - 0.02
        events = [*blocks, *self._words(at)]
        lines = self.random.randrange(1, 8)
        known = self.random.choice([lines, lines // 2, 0]) if stretch.log == "alien" else lines
        events.append(LinesSeen(T0 + time, lines, known))
        return Happening(time, lambda memory: memory.sees("log", T0 + time), tuple(events))

    def _words(self, at: float) -> list[Event]:
        """What a log says now and then beside its blocks."""
        if self.random.random() > 0.06:
            return []
        words: list[Event] = [
            NotProducing(at, self.random.choice(["explicitly_paused", "not_my_turn", "no_private_key"]), "why"),
            ProducerResumed(at),
            ForkSwitched(at, 5, 6, "switching forks"),
            BlockRejected(at, self.random.choice(["unlinkable", "not_applied"]), 5, "Block not applied"),
            PeerCount(at, self.random.randrange(4), self.random.randrange(4)),
            ResourceWarned(at, "disk", False, "Space usage warning"),
            NodeStarted(at, "v4.1"),
            NodeStopped(at, "successfully exiting"),
            LogException(at, "3050000 assert", ()),
            PatternMatched(at, "oom", "out of memory"),
            ScheduleProposed(at, 2, schedule_of("abcdefgh")),
        ]
        return [self.random.choice(words)]

    def _api(self, time: float, stretch: Stretch) -> Happening:
        at = T0 + time
        head, producer, slot_time, lib = self.newest
        if stretch.api == "frozen":
            head = self.frozen
        elif stretch.api == "behind":
            head -= 30
        answer: Event = info(time, head, lib=min(lib, head), producer=producer)._replace(head_time=T0 + slot_time)
        if stretch.api == "failing" and self.random.random() < 0.95:
            answer = AnswerFailed(at, "info", "http://127.0.0.1:8888", "connection refused")
        events = [answer]
        if self.life.announced and time % 15 < 1:
            events.append(ScheduleAnswer(at, 1, self.schedule, self.random.choice([(), (), schedule_of("abcd")])))
        if time % 5 < 1:
            events.append(PausedAnswer(at, self.random.random() < 0.3))
        return Happening(time, lambda memory: memory.sees("api", at), tuple(events))

    def _others(self, time: float, stretch: Stretch) -> Happening:
        ahead = 40 if stretch.others == "ahead" else 0
        branch = "f" if stretch.others == "apart" else "0"
        answer = reference(time, self.random.choice("xyz"), self.number + ahead, branch=branch)
        return Happening(time, lambda memory: None, (answer,))
