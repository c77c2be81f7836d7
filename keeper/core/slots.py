"""Slot arithmetic of Antelope chains (EOSIO 1.0 to Spring 1.2).

A block's time names its slot: half seconds since 2000-01-01T00:00:00Z (`block_timestamp_epoch`, config.hpp). Each
producer signs twelve slots in a row (`producer_repetitions`): a *window*. Windows sit on the grid `slot % 12 == 0`,
and the producer of a window is `schedule[window % len(schedule)]` (`get_scheduled_producer`, block_header_state.cpp).
"""

from __future__ import annotations

SLOT_SECONDS = 0.5
SLOTS_PER_WINDOW = 12
WINDOW_SECONDS = SLOT_SECONDS * SLOTS_PER_WINDOW
CHAIN_EPOCH = 946_684_800.0
FULL_WINDOW = (1 << SLOTS_PER_WINDOW) - 1
"""A bit for each slot of a window, all set."""


def slot_of(time: float) -> int:
    """The slot of a block time, in seconds since the Unix epoch."""
    return round((time - CHAIN_EPOCH) / SLOT_SECONDS)


def window_of(slot: int) -> int:
    return slot // SLOTS_PER_WINDOW


def window_start(window: int) -> float:
    """The block time of the window's first slot."""
    return CHAIN_EPOCH + window * WINDOW_SECONDS


def window_end(window: int) -> float:
    """The block time of the first slot behind the window."""
    return window_start(window + 1)


def scheduled(window: int, producers: tuple[str, ...]) -> str:
    return producers[window % len(producers)]


def round_seconds(producers: tuple[str, ...]) -> float:
    """One turn of the schedule: 126 s for 21 producers, less for fewer."""
    return len(producers) * WINDOW_SECONDS
