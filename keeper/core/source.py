"""What every source is: something with a name that is run in a thread and hands over items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from keeper.core.batch import Item

Emit = Callable[[Item], None]
"""Hands one item to the loop. Blocks while the loop is behind (that is the backpressure of a log)."""

Wait = Callable[[float], bool]
"""Waits up to so many seconds; True when it is time to stop."""

Now = Callable[[], float]
"""keeper's steady clock in seconds since the epoch."""


class Source(Protocol):
    """A source is made of its settings, its saved position (or None) and a clock, and does nothing until run."""

    @property
    def name(self) -> str:
        """Stable, unique, safe as a metric label: `NODE/log`, `NODE/api`, `NODE/reference`."""

    def run(self, emit: Emit, wait: Wait) -> None:
        """Follow until `wait` says stop. Trouble of the outside world becomes SourceDown and another try,
        never an exception; an exception is a bug and ends the daemon."""
