"""Scenes for the rules: a memory told of real events, by literals. All times are seconds after T0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from keeper.core.event import (
    BlockProduced,
    BlockReceived,
    Event,
    InfoAnswer,
    ReferenceAnswer,
    ScheduleAnswer,
)
from keeper.core.memory import ANY_ANSWER, Bounds, Expected, Memory, Subject, View
from keeper.core.slots import CHAIN_EPOCH, SLOT_SECONDS, scheduled, slot_of, window_of
from keeper.core.verdict import Verdict
from keeper.rules.rule import Rule

# 20:36:00, the first slot of a window. The producer of that window in SCHEDULE is `a`.
T0 = datetime(2026, 11, 20, 20, 36, tzinfo=UTC).timestamp()
LATENCY = 0.1
_TURN = window_of(slot_of(T0))


def schedule_of(names: str | Sequence[str]) -> tuple[str, ...]:
    """These producers in an order in which the first of them signs from T0 on."""
    shift = _TURN % len(names)
    return tuple(names[(place - shift) % len(names)] for place in range(len(names)))


SCHEDULE = schedule_of("abcdefg")  # `a` signs from 0 to 6, `b` from 6 to 12, ... `a` again from 42 on


def block_id(number: int, branch: str = "0") -> str:
    """Sixteen digits as nodeos prints them from 2.0 on: they do not begin with the number."""
    return f"{branch}{number:015x}"


def whole_id(number: int, branch: str = "0") -> str:
    """All 64 digits as the API answers them: the first eight are the number, what the log shows follows."""
    return f"{number:08x}{block_id(number, branch)}".ljust(64, "0")


def received(
    time: float, number: int, producer: str, *, lib: int | None = None, late: float = LATENCY, branch: str = "0"
) -> BlockReceived:
    """The block of the slot at `time`, arriving `late` seconds after it."""
    slot_time = T0 + time
    return BlockReceived(slot_time + late, number, block_id(number, branch), slot_time, producer, lib, 0, late)


def produced(time: float, number: int, producer: str, *, lib: int | None = None, branch: str = "0") -> BlockProduced:
    return BlockProduced(T0 + time - LATENCY, number, block_id(number, branch), T0 + time, producer, lib, 0)


def info(
    time: float,
    head: int,
    *,
    lib: int = 1,
    producer: str = "a",
    age: float = 0.5,
    took: float = 0.01,
    branch: str = "0",
) -> InfoAnswer:
    """An answer of our API whose head block is `age` seconds old."""
    at = T0 + time
    head_time = T0 + (time - age) // SLOT_SECONDS * SLOT_SECONDS
    return InfoAnswer(at, head, whole_id(head, branch), head_time, producer, lib, "c" * 64, "v4.1", took)


def reference(time: float, name: str, head: int, *, branch: str = "0") -> ReferenceAnswer:
    at = T0 + time
    return ReferenceAnswer(at, f"https://{name}.example", head, whole_id(head, branch), at - 0.5, 1, "c" * 64)


def blocks(
    start: float,
    stop: float,
    *,
    first: int = 1000,
    schedule: tuple[str, ...] = SCHEDULE,
    without: Iterable[str] = (),
    skip: Iterable[float] = (),
    lib_behind: int | None = 20,
    own: Iterable[str] = (),
) -> list[BlockReceived | BlockProduced]:
    """A block for each slot from `start` to before `stop`, signed as scheduled.

    The windows of the producers `without` and the slots at `skip` stay empty; blocks of the producers `own` are signed
    by this node. Numbers go on from `first`; LIB is `lib_behind` blocks behind.
    """
    absent, here, empty = frozenset(without), frozenset(own), frozenset(skip)
    made: list[BlockReceived | BlockProduced] = []
    for index in range(round((stop - start) / SLOT_SECONDS)):
        time = start + index * SLOT_SECONDS
        producer = scheduled(window_of(slot_of(T0 + time)), schedule)
        if producer in absent or time in empty:
            continue
        number = first + len(made)
        lib = None if lib_behind is None else number - lib_behind
        make = produced if producer in here else received
        made.append(make(time, number, producer, lib=lib))
    return made


def answers(times: Iterable[float], *, schedule: tuple[str, ...] = SCHEDULE, without: str = "") -> list[InfoAnswer]:
    """What our API says at these times of a chain on which the producers `without` never sign."""
    made = []
    for time in times:
        slot = slot_of(T0 + time)
        while (producer := scheduled(window_of(slot), schedule)) in without:
            slot -= 1
        answer = info(time, slot - slot_of(T0) + 10_000, producer=producer)
        made.append(answer._replace(head_time=CHAIN_EPOCH + slot * SLOT_SECONDS))
    return made


class Scene:
    """One subject's memory. `verdict` asks a rule as the judge would: over windows are closed first."""

    def __init__(
        self,
        *,
        role: str = "B",
        producers: Iterable[str] = ("a",),
        sources: Iterable[str] = ("log",),
        references: int = 0,
        kind: str = "node",
        expected: Expected = ANY_ANSWER,
        started: float = 0.0,
        bounds: Bounds = Bounds(),  # noqa: B008  # a frozen value
    ) -> None:
        subject = Subject("bp1", kind, role, frozenset(producers), frozenset(sources), references, expected)
        self.memory = Memory(subject, bounds, 1.0, T0 + started)

    def sees(self, source: str, *times: float) -> Scene:
        for time in times:
            self.memory.sees(source, T0 + time)
        return self

    def sees_all(self, source: str, since: float) -> Scene:
        """The source is known from `since` on for ever, like a recorded log."""
        return self.sees(source, since, float("inf"))

    def blinded(self, source: str, time: float, reason: str = "it is gone") -> Scene:
        self.memory.blinded(source, T0 + time, reason)
        return self

    def take(self, *events: Event | Iterable[Event]) -> Scene:
        """Take events, single or in lists, in this order, closing windows in between as time goes by."""
        flat: list[Event] = []
        for event in events:
            if isinstance(event, tuple) and hasattr(event, "at"):
                flat.append(event)  # type: ignore[arg-type]  # an event is a named tuple with a time
            else:
                flat.extend(event)  # type: ignore[arg-type]
        index = 0
        while index < len(flat):
            self.memory.close_windows(flat[index].at)
            index, _ = self.memory.take(flat, index, index + 1)
        return self

    def knows(self, schedule: tuple[str, ...] = SCHEDULE, *, pending: tuple[str, ...] = (), time: float = 0.0) -> Scene:
        """The API answered the schedule."""
        return self.take(ScheduleAnswer(T0 + time, 1, schedule, pending))

    def verdict(self, rule: Rule, time: float) -> Verdict:
        self.memory.close_windows(T0 + time)
        verdict = rule.judge(View(self.memory, T0 + time))
        return verdict._replace(until=verdict.until - T0)


def said(verdict: Verdict) -> tuple[str, str]:
    """What a person sees of it."""
    return verdict.state.value, verdict.reason
