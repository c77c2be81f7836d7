"""What the blocks of one node tell: head, LIB, who signed when, which windows stayed empty, who signed twice.

Incremental, because a full log brings half a million blocks a second: `apply` takes the events of a batch once and
keeps a few dictionaries. Pure: no clock, no threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias

from keeper.core.event import (
    BlockProduced,
    BlockReceived,
    BlocksMissed,
    DoubleProduced,
    Event,
    InfoAnswer,
    NodeStarted,
    NotProducing,
    ScheduleAnswer,
    ScheduleProposed,
    WindowClosed,
)
from keeper.core.schedule import Schedule
from keeper.core.slots import (
    CHAIN_EPOCH,
    SLOT_SECONDS,
    SLOTS_PER_WINDOW,
    WINDOW_SECONDS,
    scheduled,
    slot_of,
    window_end,
    window_start,
)

MAX_WINDOWS = 512  # 51 minutes of windows, four rounds of the largest schedule
MAX_PRODUCERS = 256  # the chain allows 125 at a time; beyond it the longest silent one is forgotten
MAX_IDS = 1200  # ten minutes of block ids, to compare with other nodes
MAX_OWN_SLOTS = 4 * SLOTS_PER_WINDOW
LIVE_SECONDS = 15.0  # gaps before a block older than this on arrival are history, not news

_BITS = tuple(1 << place for place in range(SLOTS_PER_WINDOW))

_NEVER = float("inf")

Block: TypeAlias = BlockReceived | BlockProduced
_BLOCKS = (BlockReceived, BlockProduced)
# All that `Chain` heeds.
_HEEDED = frozenset({*_BLOCKS, InfoAnswer, ScheduleAnswer, ScheduleProposed, NodeStarted, NotProducing})


class Signature(Protocol):
    """The newest block of one producer: when we heard of it, its slot time and its number."""

    @property
    def at(self) -> float: ...
    @property
    def slot_time(self) -> float: ...
    @property
    def number(self) -> int: ...


class Signed(NamedTuple):
    """A `Signature` the API told of; one from the log is the event itself."""

    at: float
    slot_time: float
    number: int


class Chain:
    """The blocks of one node. `ours` are the producer accounts this node's owner runs; `grace` is how many seconds
    after a window's end its blocks may still arrive before they count as missed.

    `schedule_changed_at` is when a block last proved that another schedule is in force; None if that was never seen.
    `turns` counts the moments at which everything may look different: another schedule, another process of the node;
    `our_turns` those at which a producer of ours signed again after more than a window, or this node after it said
    why it did not.
    `ids` are block ids as the log prints them, by number, of the last MAX_IDS blocks or more.
    """

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
        self.signed: dict[str, Signature] = {}
        self.produced: dict[str, Signature] = {}
        self.received_at: float | None = None
        self.ids: dict[int, str] = {}
        self.forgotten_producers = 0
        self.turns = 0
        self.our_turns = 0
        self._windows: dict[int, dict[str, int]] = {}
        self._newest_slot = -1  # -1: no block yet since the log is in unbroken sight
        self._newest_window = -1
        self._closed = -1
        self._closes = -1  # the oldest window not yet judged, or one that is not over yet
        self._closes_at = _NEVER
        self._unbroken_from = -_NEVER
        self._our_slots: dict[int, Block] = {}  # the first block of each
        self._refused_at = _NEVER  # when this node said why it did not sign; infinity: it has signed since

    # -- what comes in ---------------------------------------------------------------------------------------------

    def apply(
        self,
        events: Sequence[Event],
        start: int,
        stop: int,
        now: float = -_NEVER,
        before: float = _NEVER,
        put_off: Callable[[float], float] | None = None,
    ) -> tuple[int, list[Event]]:
        """Take `events[start:stop]` in order; return how far it came and what follows: DoubleProduced, BlocksMissed and
        the windows of others that were over on the way.

        It comes back early because time has something to decide then: before an event at or after `before`, before one
        at which a window of ours is to be closed, when something followed from a block, and at one of its `turns`.
        `put_off(at)` is asked, when an event has come to `before`, how far it may go instead, as the chain is now.
        `now` is the time everything was brought to so far.
        """
        derived: list[Event] = []
        turns = self.turns + self.our_turns
        index = start
        while index < stop:
            event = events[index]
            kind = type(event)
            if index > start:
                at = event[0]
                if at >= before and put_off is not None:
                    before = put_off(at)
                if at >= before or (at >= self._closes_at and not self._close_others(at, now, derived)):
                    break
            reached = (
                self._run(events, index, stop, before) if kind is BlockReceived or kind is BlockProduced else index
            )
            if reached == index:
                reached += 1
                if self._one(event, derived) or self.turns + self.our_turns != turns:
                    return reached, derived
            index = reached
            if (at := events[index - 1][0]) > now:
                now = at
        return index, derived

    def _one(self, event: Event, derived: list[Event]) -> bool:
        """Take one event, whatever it is; True if something follows from it."""
        if isinstance(event, _BLOCKS):
            before = len(derived)
            self._block(event, type(event) is BlockProduced, derived)
            return len(derived) > before
        if type(event) in _HEEDED:
            self._other(event)
        return False

    def _close_others(self, at: float, now: float, derived: list[Event]) -> bool:
        """Close the windows that are over by `at`, each at its time; False as soon as one of ours is among them."""
        producers = self.schedule.producers
        while self._closes_at <= at:
            if producers and scheduled(self._closes, producers) in self.ours:
                return False
            now = max(now, self._closes_at)
            if (closed := self._close(now)) is not None:
                derived.append(closed)
        return True

    def _run(self, events: Sequence[Event], begin: int, stop: int, before: float) -> int:
        """Take the blocks from `begin` on that simply go on where the newest one ended: next slots of the same window,
        by one producer who has signed in it, all from the same side, in order of time, no known slot of ours.

        Does what `_block` does for each of them, at a quarter of its cost: most blocks come like this.
        """
        slot = self._newest_slot
        left = SLOTS_PER_WINDOW - 1 - slot % SLOTS_PER_WINDOW
        masks = self._windows.get(self._newest_window)
        if not left or masks is None:
            return begin
        first: Block = events[begin]  # type: ignore[assignment]  # the caller has looked
        kind, latest, producer = type(first), first[0], first[4]
        before = min(before, self._closes_at)
        if producer not in masks or latest >= before:
            return begin
        if kind is BlockProduced and latest > self._refused_at:
            return begin
        if producer in self.ours and not self._plainly_ours(first, slot + 1, left):
            return begin
        slot_time = CHAIN_EPOCH + slot * SLOT_SECONDS
        head, lib, ids = self.head or 0, self.lib, self.ids
        count = 0
        run: Sequence[Block] = events[begin : min(stop, begin + left)]  # type: ignore[assignment]  # looked at next
        for event in run:
            if type(event) is not kind:
                break
            at, number, ident, time, name, its_lib = event[:6]
            slot_time += SLOT_SECONDS
            if time != slot_time or name != producer or number <= head or not latest <= at < before:
                break
            if its_lib != lib:
                if its_lib is not None and (lib is None or its_lib > lib):
                    self.lib, self.lib_rose_at = its_lib, at
                lib = self.lib
            ids[number] = ident
            head, latest = number, at
            count += 1
        if count:
            masks[producer] |= ((1 << count) - 1) << (SLOTS_PER_WINDOW - left)
            self._ran(run, count)
        return begin + count

    def _plainly_ours(self, first: Block, slot: int, count: int) -> bool:
        """Whether a run of blocks that begins with a producer of ours is nothing to heed: it signed just now, and
        nothing is known yet of the slots."""
        if type(first) is BlockProduced and self._long_ago(self.produced, first.producer, first.slot_time):
            return False
        return self._our_slots.keys().isdisjoint(range(slot, slot + count))

    def _ran(self, run: Sequence[Block], count: int) -> None:
        """Note what a run of so many blocks ended with."""
        last = run[count - 1]
        at, number, _, slot_time, producer, _ = last[:6]
        self.head, self.head_time, self.head_rose_at = number, slot_time, at
        if type(last) is BlockProduced:
            self.produced[producer] = last
        else:
            self.received_at = at
        signed = self.signed.get(producer)
        if signed is None or signed.slot_time <= slot_time:
            self.signed[producer] = last
        slot = self._newest_slot + 1
        self._newest_slot += count
        if producer in self.ours:
            self._our_slots.update(zip(range(slot, slot + count), run, strict=False))
            self._forget_our_slots()

    def _long_ago(self, book: Mapping[str, Signature], producer: str, slot_time: float) -> bool:
        """Whether the producer had not signed for more than a window before this block."""
        before = book.get(producer)
        return before is None or slot_time - before.slot_time > WINDOW_SECONDS

    def _heed_ours(self, at: float, own: bool, producer: str, slot_time: float) -> None:
        """Count a block this node or a producer of ours signed, if it is one of `our_turns`."""
        if own and at > self._refused_at:
            self._refused_at = _NEVER
            self.our_turns += 1
        elif producer in self.ours and (
            self._long_ago(self.signed, producer, slot_time)
            or (own and self._long_ago(self.produced, producer, slot_time))
        ):
            self.our_turns += 1

    def sees_from(self, time: float) -> None:
        """Nothing is missing from the log since `time`; windows that began before cannot be judged."""
        self._unbroken_from = time
        self._newest_slot = self._newest_window = -1
        self._closes_at = _NEVER

    def _block(self, event: Block, own: bool, derived: list[Event]) -> None:
        at, number, ident, slot_time, producer, lib = event[:6]
        if own or producer in self.ours:
            self._heed_ours(at, own, producer, slot_time)
        if self.head is None or number > self.head:
            self.head, self.head_time, self.head_rose_at = number, slot_time, at
        if lib is not None and (self.lib is None or lib > self.lib):
            self.lib, self.lib_rose_at = lib, at
        self.ids[number] = ident
        if own:
            self.produced[producer] = event
        else:
            self.received_at = at
        slot = int((slot_time - CHAIN_EPOCH) * 2.0 + 0.5)
        window = slot // SLOTS_PER_WINDOW
        masks = self._windows.get(window)
        if masks is not None and producer in masks:
            masks[producer] |= _BITS[slot % SLOTS_PER_WINDOW]
        else:
            self._begin(window, producer, slot, at)
        signed = self.signed.get(producer)
        if signed is None or signed.slot_time <= slot_time:
            self.signed[producer] = event
        if slot == self._newest_slot + 1:
            self._newest_slot = slot
            if window != self._newest_window:
                self._enter(window)
        elif slot > self._newest_slot:
            self._leap(at, number, slot_time, slot, derived)
        if producer in self.ours:
            self._signed_as_us(event, slot, own, derived)

    def _begin(self, window: int, producer: str, slot: int, at: float) -> None:
        """The first block of a producer in a window. Bounds, once a window, what grows with the blocks."""
        masks = self._windows.setdefault(window, {})
        if len(self._windows) > MAX_WINDOWS:
            del self._windows[next(iter(self._windows))]
        if len(masks) < MAX_PRODUCERS:
            masks[producer] = _BITS[slot % SLOTS_PER_WINDOW]
        if len(self.ids) > 2 * MAX_IDS:
            for number in list(islice(self.ids, MAX_IDS)):
                del self.ids[number]
        if len(self.signed) > MAX_PRODUCERS:
            _forget_oldest(self.signed)
            self.forgotten_producers += 1
        if len(self.produced) > MAX_PRODUCERS:
            _forget_oldest(self.produced)
        before = self.schedule.changes
        self.schedule.observe(window, producer)
        if self.schedule.changes != before:
            self._changed(at)

    def _leap(self, at: float, number: int, slot_time: float, slot: int, derived: list[Event]) -> None:
        """A block behind empty slots, behind blocks nobody printed, or the first of all.

        nodeos does not print every block it syncs, so slots are proved empty only where the numbers go on.
        """
        if slot_time - at > LIVE_SECONDS:
            return  # nodeos takes no such block; believing it would put every real one in its past
        if self._newest_slot < 0 or number - 1 not in self.ids:
            self._unbroken_from = max(self._unbroken_from, slot_time)
        elif at - slot_time < LIVE_SECONDS:
            derived.append(BlocksMissed(at, slot - self._newest_slot - 1))
        self._newest_slot = slot
        self._enter(slot // SLOTS_PER_WINDOW)

    def _enter(self, window: int) -> None:
        self._newest_window = window
        oldest = window - (1 if self._closed < 0 else MAX_WINDOWS // 2)
        closes = self._closed + 1
        self._closes = closes = closes if closes > oldest else oldest
        self._closes_at = window_end(closes) + self.grace if closes < window else _NEVER

    def _signed_as_us(self, event: Block, slot: int, own: bool, derived: list[Event]) -> None:
        """Two blocks in one slot under our name are two signers, whichever node they came from."""
        known = self._our_slots.get(slot)
        if known is None:
            self._our_slots[slot] = event
            self._forget_our_slots()
            return
        other, mark = short_id(known.number, known.id), short_id(event.number, event.id)
        if same_id(other, mark):
            return
        here = own or type(known) is BlockProduced
        signers = "somebody else signs with our key beside this node" if here else "two other nodes sign as us"
        text = f"block #{event.number} of {event.producer} exists twice, as {other} and as {mark}: {signers}"
        derived.append(DoubleProduced(event.at, event.producer, event.number, text))

    def _forget_our_slots(self) -> None:
        while len(self._our_slots) > MAX_OWN_SLOTS:
            del self._our_slots[next(iter(self._our_slots))]

    def _other(self, event: Event) -> None:
        kind = type(event)
        if kind is InfoAnswer:
            self._info(event)  # type: ignore[arg-type]  # narrowed by `kind`, faster than isinstance
        elif kind is ScheduleAnswer:
            self._announced(event.producers, event.at)  # type: ignore[union-attr]
            self._announced(event.pending, event.at)  # type: ignore[union-attr]
        elif kind is ScheduleProposed:
            self._announced(event.producers, event.at)  # type: ignore[union-attr]
        elif kind is NodeStarted:
            self._started()
        elif kind is NotProducing:
            self._refused_at = event.at

    def _info(self, answer: InfoAnswer) -> None:
        if self.lib is not None and answer.head < self.lib:
            self._started()  # no chain falls below its own LIB: this node began anew from an older state
        if self.head is None or answer.head > self.head:
            self.head, self.head_time, self.head_rose_at = answer.head, answer.head_time, answer.at
        if self.lib is None or answer.lib > self.lib:
            self.lib, self.lib_rose_at = answer.lib, answer.at
        producer = answer.head_producer
        if not producer:
            return  # a chain at its very beginning
        if producer in self.ours:
            self._heed_ours(answer.at, False, producer, answer.head_time)
        known = self.signed.get(producer)
        if known is None or known.slot_time < answer.head_time:
            self.signed[producer] = Signed(answer.at, answer.head_time, answer.head)
        slot = slot_of(answer.head_time)
        window, place = divmod(slot, SLOTS_PER_WINDOW)
        if producer in self._windows.get(window, ()):
            self._windows[window][producer] |= _BITS[place]
        else:
            self._begin(window, producer, slot, answer.at)

    def _started(self) -> None:
        """A new process has signed nothing yet, and may have begun from an older state."""
        self.turns += 1
        self._our_slots.clear()
        self.head = self.lib = None

    def _announced(self, producers: tuple[str, ...], at: float) -> None:
        before = self.schedule.changes
        self.schedule.announce(producers)
        if self.schedule.changes != before:
            self._changed(at)

    def _changed(self, at: float) -> None:
        schedule = self.schedule
        self.turns += 1
        if not schedule.producers:
            self.schedule_changed_at = at
        elif schedule.took_over:
            self.schedule_changed_at = max(self.schedule_changed_at or 0.0, window_start(schedule.since))

    # -- what follows with time ------------------------------------------------------------------------------------

    def next_close(self) -> float:
        """When `close_windows` may have something new to say; infinity when it waits for a block."""
        return self._closes_at

    def close_windows(self, by: float, now: float = -_NEVER) -> list[WindowClosed]:
        """Judge the windows that are over: past by `grace`, with a later block seen, in unbroken sight of the log.

        `by` is the time of the log, `now` the time everything was brought to so far. It is ahead of the log while a
        backlog is read: blocks that came within the grace of their window are still to be taken then.
        """
        closed: list[WindowClosed] = []
        now = max(now, by)
        while self._closes_at <= by:
            if (window := self._close(now)) is not None:
                closed.append(window)
        return closed

    def _close(self, now: float) -> WindowClosed | None:
        """Judge the oldest window not judged yet; None if nothing can be said of it."""
        schedule = self.schedule
        window = self._closed = self._closes
        self._enter(self._newest_window)
        # A schedule takes over in the middle of a window: neither of the two was to sign all of it.
        first = schedule.since + schedule.took_over
        start = window_start(window)
        if not schedule.producers or window < first or start < self._unbroken_from:
            return None
        producer = scheduled(window, schedule.producers)
        masks = self._windows.get(window, {})
        mask = masks.get(producer, 0)
        if len(masks) > (1 if mask else 0):
            return None  # somebody else signed, too
        return WindowClosed(now, start, producer, mask.bit_count(), mask)


def _forget_oldest(signed: dict[str, Signature]) -> None:
    del signed[min(signed, key=lambda p: signed[p].slot_time)]


def short_id(number: int, ident: str) -> str:
    """The eight digits of an id that every generation prints: `Produced` of 1.x shows digits 0 to 16, all others
    8 to 24, and digits 0 to 8 are the block number."""
    return ident[8:16] if len(ident) > 8 and ident[:8] == f"{number:08x}" else ident[:8]


def same_id(one: str, other: str) -> bool:
    length = min(len(one), len(other))
    return length > 0 and one[:length] == other[:length]
