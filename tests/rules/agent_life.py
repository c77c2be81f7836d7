"""Random lives of a statistics agent, as hypothesis makes and shrinks them: what its log says, second by second."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import strategies as st

from keeper.core.event import BacklogChanged, Event, LinesSeen, PacketAnswered, PacketSent, PacketUnanswered
from tests.rules.build import T0
from tests.rules.timeline import Happening

SERVERS = ("well", "refusing", "hanging", "half", "fifth", "slow", "mute")
LOGS = ("usual", "blind", "forgotten", "lost", "late", "silent")
BACKLOGS = ("same", "growing", "held", "empty")


class AgentStretch(NamedTuple):
    """Some seconds of a life in which everything keeps its way; `sends` packets leave on each tick."""

    seconds: int
    sends: int
    server: str
    log: str
    backlog: str


class AgentLife(NamedTuple):
    """What happens. `remembered` is how many events of each kind are; a `recorded` log is known for ever when it is
    seen; `noise` is the seed of what is left to chance."""

    stretches: list[AgentStretch]
    remembered: int
    recorded: bool
    noise: int


def agent_lives() -> st.SearchStrategy[AgentLife]:
    stretch = st.builds(
        AgentStretch,
        st.integers(1, 60),
        st.sampled_from([0, 1, 1, 3, 12]),
        st.sampled_from(["well", *SERVERS]),
        st.sampled_from(["usual"] * len(LOGS) + list(LOGS)),
        st.sampled_from(BACKLOGS),
    )
    return st.builds(
        AgentLife,
        st.lists(stretch, min_size=1, max_size=8),
        st.sampled_from([15, 100, 4000]),
        st.booleans(),
        st.integers(0, 2**32),
    )


def agent_happenings(life: AgentLife) -> Iterator[Happening]:
    """The agent sends on each second; its log is handed over twice a second, and not always with its newest lines."""
    agent = _Agent(life)
    time = 0.0
    for stretch in life.stretches:
        for _ in range(2 * stretch.seconds):
            yield agent.half_second(time, stretch)
            time += 0.5


class _Agent:
    def __init__(self, life: AgentLife) -> None:
        self.random = random.Random(life.noise)
        self.recorded = life.recorded
        self.id = 0
        self.under_way: list[tuple[float, int, Event]] = []  # what will be in the log, from when on
        self.backlog: tuple[int, int, float | None] = (0, 0, None)

    def half_second(self, time: float, stretch: AgentStretch) -> Happening:
        if time % 1 == 0:
            for _ in range(stretch.sends):
                self._send(time + self.random.random() * 0.05, stretch.server)
        at = time + 0.3 + self.random.random() * 0.2
        if stretch.log == "blind":
            return Happening(at, lambda memory: memory.blinded("log", T0 + at, "it is gone"), ())
        if stretch.log == "forgotten" or (stretch.log == "late" and self.random.random() < 0.5):
            return Happening(at, lambda memory: None, ())  # the source says nothing now
        if stretch.log == "lost" and self.random.random() < 0.1:
            return Happening(at, lambda memory: memory.forgot("log", T0 + at), ())
        events: list[Event] = []
        while self.under_way and self.under_way[0][0] <= at:
            event = heapq.heappop(self.under_way)[2]
            events.append(event._replace(at=max(event.at, T0 + at - 0.1)))  # as soon as it is written it is read
        if self.random.random() < 0.3 and stretch.log != "silent":
            events.append(LinesSeen(T0 + at, 3, 1))
        events += self._backlog(at, stretch)
        upto = float("inf") if self.recorded else T0 + at
        return Happening(at, lambda memory: memory.sees("log", upto), tuple(events))

    def _send(self, time: float, server: str) -> None:
        self.id += 1
        sent = PacketSent(T0 + time, self.id, "Login", 0, 0, 2)
        self._log(time, sent)
        chance = self.random.random()
        failing = {"refusing": 1.0, "hanging": 1.0, "mute": 1.0, "half": 0.5, "fifth": 0.2}.get(server, 0.02)
        took = 7.0 + chance if server == "slow" else 0.02 + 0.1 * chance
        if chance >= failing:
            self._log(time + took, PacketAnswered(T0 + time + took, self.id, "Login", 200, took))
        elif server == "mute":
            end = time + 12
            self._log(end, PacketUnanswered(T0 + end, self.id, "Login", 2, sent.at))
        else:
            took = 9.0 + chance if server == "hanging" else 0.01
            code, why = self.random.choice([(599, "HTTP 599: Timeout"), (500, ""), (None, "")])
            said = self.random.choice([took, None])
            self._log(time + took, PacketAnswered(T0 + time + took, self.id, "Login", code, said, why))

    def _log(self, time: float, event: Event) -> None:
        heapq.heappush(self.under_way, (time, len(self.under_way) + 1000 * self.id, event))

    def _backlog(self, time: float, stretch: AgentStretch) -> list[Event]:
        due, held, oldest = self.backlog
        if self.random.random() < 0.1:
            if stretch.backlog == "growing":
                self.backlog = (due + 1, held, oldest or time)
            elif stretch.backlog == "held":
                self.backlog = (max(0, due - 1), held + 1, oldest or time)
            elif stretch.backlog == "empty":
                self.backlog = (0, 0, None)
        if self.backlog == (due, held, oldest):
            return []
        due, held, oldest = self.backlog
        return [BacklogChanged(T0 + time, due, held, 0, due + held, None if oldest is None else T0 + oldest, "")]
