"""Events a person wants to see in a timeline or the journal, whatever the rules make of them, in one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keeper.core.event import (
    DoubleProduced,
    Drilled,
    Event,
    ForkSwitched,
    NodeStarted,
    NodeStopped,
    OutageEnded,
    ProducerPaused,
    ProducerResumed,
    RoleChanged,
    WindowClosed,
)
from keeper.core.slots import SLOTS_PER_WINDOW, WINDOW_SECONDS
from keeper.runtime.clock import clock_time


def _window(event: WindowClosed) -> str | None:
    missed = SLOTS_PER_WINDOW - event.signed
    if not missed:
        return None
    span = f"{clock_time(event.start)}-{clock_time(event.start + WINDOW_SECONDS)}"
    return f"{event.producer} missed {missed} of {SLOTS_PER_WINDOW} blocks in its window {span}"


def _outage(event: OutageEnded) -> str | None:
    """A few blocks of one window are told with the window."""
    if event.windows < 2 and event.blocks < SLOTS_PER_WINDOW:
        return None
    span = f"{clock_time(event.since)} to {clock_time(event.until)}"
    number = f"{event.windows} window{'s' * (event.windows > 1)}"
    lost = f"{'' if event.whole else 'at least '}{event.blocks} blocks in {number}"
    who = "this node signs" if event.here else "another node signs"
    why = f"; this node had said: {event.why}" if event.why else ""
    return f"end of an outage: {event.producer} lost {lost} from {span}; {who} again{why}"


NOTABLE: dict[type, Callable[[Any], str | None]] = {
    WindowClosed: _window,
    ProducerPaused: lambda _event: "production was paused",
    ProducerResumed: lambda _event: "production was resumed",
    NodeStarted: lambda event: f"nodeos started {event.version}".rstrip(),
    NodeStopped: lambda event: f"nodeos stopped: {event.text}",
    ForkSwitched: lambda event: event.text,
    DoubleProduced: lambda event: event.text,
    RoleChanged: lambda event: f"this host {'produces' if event.produces else 'produces no more'}: {event.why}",
    OutageEnded: _outage,
    Drilled: lambda event: f"a drill was {'good' if event.good else 'BAD'}, in {event.took:.1f} s",
}


def notable(event: Event, ours: frozenset[str]) -> str | None:
    """The sentence, None for what is not worth one. Other producers' windows are their own news."""
    if isinstance(event, WindowClosed) and event.producer not in ours:
        return None
    return NOTABLE[type(event)](event) if type(event) in NOTABLE else None
