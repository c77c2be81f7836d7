"""What the blocks of one node tell: head, LIB, who signed when, which windows stayed empty, who signed twice.

Incremental, because a full log brings half a million blocks a second: `apply` takes the events of a batch once and
keeps a few dictionaries. Pure: no clock, no threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from keeper.core.event import (
    BlockProduced,
    BlockReceived,
    BlocksMissed,
    DoubleProduced,
    Event,
    InfoAnswer,
    NodeStarted,
    ScheduleAnswer,
    ScheduleProposed,
    WindowClosed,
)
from keeper.core.schedule import Schedule
from keeper.core.slots import (
    CHAIN_EPOCH,
    SLOT_SECONDS,
    SLOTS_PER_WINDOW,
    scheduled,
    window_end,
    window_start,
)

MAX_WINDOWS = 512  # 51 minutes of windows, four rounds of the largest schedule
MAX_PRODUCERS = 256  # the chain allows 125 at a time; beyond it the longest silent one is forgotten
MAX_IDS = 1200  # ten minutes of block ids, to compare with other nodes
LIVE_SECONDS = 15.0  # a block older than this on arrival is history being synced, not news


class Signed(NamedTuple):
    """The newest block of one producer: when we heard of it, its slot time and its number."""

    at: float
    slot_time: float
    number: int


class Chain:
    """The blocks of one node. `ours` are the producer accounts this node's owner runs; `grace` is how many seconds
    after a window's end its blocks may still arrive before they count as missed."""

    def __init__(self, ours: frozenset[str], grace: float) -> None:
        self.ours = ours
        self.grace = grace
        self.schedule = Schedule()
        self.schedule_changed_at: float | None = None
        self.head: int | None = None
        self.head_time = 0.0
        self.head_rose_at: float | None = None
        self.lib: int | None = None
        self.lib_rose_at: float | None = None
        self.signed: OrderedDict[str, Signed] = OrderedDict()
        self.produced: dict[str, Signed] = {}
        self.received_at: float | None = None
        self.ids: OrderedDict[int, str] = OrderedDict()
        self.forgotten_producers = 0
        self._windows: OrderedDict[int, dict[str, int]] = OrderedDict()
        self._newest_slot: int | None = None
        self._closed: int | None = None
        self._unbroken_from = float("inf")
        self._our_slots: OrderedDict[int, tuple[str, bool]] = OrderedDict()

    # -- what comes in ---------------------------------------------------------------------------------------------

    def apply(self, events: Sequence[Event], start: int, stop: int) -> tuple[int, list[Event]]:
        """Take `events[start:stop]` in order; return how far it came and what follows (DoubleProduced, BlocksMissed).

        It comes back early when something follows or a window begins, because then time has something to decide.
        """
        derived: list[Event] = []
        index = start
        window = self._newest_slot // SLOTS_PER_WINDOW if self._newest_slot is not None else None
        while index < stop:
            event = events[index]
            index += 1
            kind = type(event)
            if kind is BlockReceived or kind is BlockProduced:
                self._block(event, derived)  # type: ignore[arg-type]  # narrowed by `kind`, faster than isinstance
            elif kind is InfoAnswer:
                self._info(event)  # type: ignore[arg-type]
            elif kind is ScheduleAnswer:
                self._announced(event.producers, event.at)  # type: ignore[union-attr]
                self._announced(event.pending, event.at)  # type: ignore[union-attr]
            elif kind is ScheduleProposed:
                self._announced(event.producers, event.at)  # type: ignore[union-attr]
            elif kind is NodeStarted:
                self._our_slots.clear()  # a new process has signed nothing yet
            if derived or (self._newest_slot is not None and self._newest_slot // SLOTS_PER_WINDOW != window):
                break
        return index, derived

    def sees_from(self, time: float) -> None:
        """Nothing is missing from the log since `time`; windows that began before cannot be judged."""
        self._unbroken_from = time
        self._newest_slot = None

    def _block(self, event: BlockReceived | BlockProduced, derived: list[Event]) -> None:
        at, number, ident, slot_time, producer, lib = event[:6]
        own = type(event) is BlockProduced
        if self.head is None or number > self.head:
            self.head, self.head_time, self.head_rose_at = number, slot_time, at
        if lib is not None and (self.lib is None or lib > self.lib):
            self.lib, self.lib_rose_at = lib, at
        self.ids[number] = ident
        if len(self.ids) > MAX_IDS:
            self.ids.popitem(last=False)
        if own:
            self.produced[producer] = Signed(at, slot_time, number)
        else:
            self.received_at = at
        self._remember_signer(producer, Signed(at, slot_time, number))
        slot = round((slot_time - CHAIN_EPOCH) / SLOT_SECONDS)
        self._fill_slot(slot, producer, at)
        if -LIVE_SECONDS < at - slot_time < LIVE_SECONDS:
            newest = self._newest_slot
            if newest is None or slot > newest:
                if newest is not None and slot - newest > 1:
                    derived.append(BlocksMissed(at, slot - newest - 1))
                self._newest_slot = slot
            if producer in self.ours:
                self._signed_as_us(event, slot, own, derived)
        elif self._newest_slot is None or slot > self._newest_slot:
            self._newest_slot = None  # history being synced: gaps in it are not news

    def _remember_signer(self, producer: str, signed: Signed) -> None:
        known = self.signed.get(producer)
        if known is None or known.slot_time <= signed.slot_time:
            self.signed[producer] = signed
            if known is None and len(self.signed) > MAX_PRODUCERS:
                del self.signed[min(self.signed, key=lambda p: self.signed[p].slot_time)]
                self.forgotten_producers += 1

    def _fill_slot(self, slot: int, producer: str, at: float) -> None:
        window, place = divmod(slot, SLOTS_PER_WINDOW)
        masks = self._windows.get(window)
        if masks is None:
            masks = self._windows[window] = {}
            if len(self._windows) > MAX_WINDOWS:
                self._windows.popitem(last=False)
        if producer in masks:
            masks[producer] |= 1 << place
            return
        masks[producer] = 1 << place
        before = self.schedule.producers
        self.schedule.observe(window, producer)
        if self.schedule.producers and self.schedule.producers != before:
            self.schedule_changed_at = at

    def _signed_as_us(self, event: BlockReceived | BlockProduced, slot: int, own: bool, derived: list[Event]) -> None:
        """Two blocks in one slot under our name are two signers, whichever node they came from."""
        mark = short_id(event.number, event.id)
        known = self._our_slots.get(slot)
        if known is None:
            self._our_slots[slot] = (mark, own)
            if len(self._our_slots) > 4 * SLOTS_PER_WINDOW:
                self._our_slots.popitem(last=False)
            return
        if not same_id(known[0], mark):
            who = "this node" if own or known[1] else "two other nodes"
            derived.append(
                DoubleProduced(
                    event.at,
                    event.producer,
                    event.number,
                    f"block #{event.number} of {event.producer} exists twice, as {known[0]} and as {mark}: "
                    + ("somebody else signs with our key beside " + who if own or known[1] else who + " sign as us"),
                )
            )

    def _info(self, answer: InfoAnswer) -> None:
        if self.head is None or answer.head > self.head:
            self.head, self.head_time, self.head_rose_at = answer.head, answer.head_time, answer.at
        if self.lib is None or answer.lib > self.lib:
            self.lib, self.lib_rose_at = answer.lib, answer.at
        signed = self.signed.get(answer.head_producer)
        if signed is None or signed.slot_time < answer.head_time:
            self.signed[answer.head_producer] = Signed(answer.at, answer.head_time, answer.head)

    def _announced(self, producers: tuple[str, ...], at: float) -> None:
        before = self.schedule.producers
        self.schedule.announce(producers)
        if producers and self.schedule.producers != before:
            self.schedule_changed_at = at

    # -- what follows with time ------------------------------------------------------------------------------------

    def next_close(self) -> float:
        """When `close_windows` may have something new to say; infinity when it waits for a block."""
        if self._newest_slot is None:
            return float("inf")
        newest_window = self._newest_slot // SLOTS_PER_WINDOW
        first = newest_window - 1 if self._closed is None else self._closed + 1
        return window_end(first) + self.grace if first < newest_window else float("inf")

    def close_windows(self, now: float) -> list[WindowClosed]:
        """Judge the windows that are over: past by `grace`, with a later block seen, in unbroken sight of the log."""
        closed: list[WindowClosed] = []
        while self.next_close() <= now:
            newest_window = (self._newest_slot or 0) // SLOTS_PER_WINDOW
            window = newest_window - 1 if self._closed is None else self._closed + 1
            window = max(window, newest_window - MAX_WINDOWS // 2)
            self._closed = window
            producers = self.schedule.producers
            if not producers or window < self.schedule.since or window_start(window) < self._unbroken_from:
                continue
            producer = scheduled(window, producers)
            mask = self._windows.get(window, {}).get(producer, 0)
            closed.append(WindowClosed(now, window_start(window), producer, mask.bit_count(), mask))
        return closed


def short_id(number: int, ident: str) -> str:
    """The eight digits of an id that every generation prints: `Produced` of 1.x shows digits 0 to 16, all others
    8 to 24, and digits 0 to 8 are the block number."""
    return ident[8:16] if len(ident) > 8 and ident[:8] == f"{number:08x}" else ident[:8]


def same_id(one: str, other: str) -> bool:
    length = min(len(one), len(other))
    return length > 0 and one[:length] == other[:length]
