"""What an outage of our producer cost: from the first of our slots that stayed empty to the first that is signed again.

Fed with our windows as they are judged; keeps a few numbers for each producer of ours.
"""

from __future__ import annotations

from typing import NamedTuple

from keeper.core.event import OutageEnded, WindowClosed
from keeper.core.slots import FULL_WINDOW, SLOT_SECONDS, SLOTS_PER_WINDOW

LAST_SLOT = 1 << (SLOTS_PER_WINDOW - 1)


class Open(NamedTuple):
    """An outage that goes on. `whole`: every window of ours since its begin was judged."""

    since: float
    blocks: int
    windows: int
    last: float
    whole: bool


class Outages:
    def __init__(self) -> None:
        self._open: dict[str, Open] = {}

    def window(self, closed: WindowClosed, round_seconds: float) -> OutageEnded | None:
        """A window of ours is over. What it ended, if it ended something."""
        outage = self._open.pop(closed.producer, None)
        if outage is not None and closed.start - outage.last > 1.5 * round_seconds:
            outage = outage._replace(whole=False)
        missing = FULL_WINDOW & ~closed.slots
        if not missing:
            return None if outage is None else _ended(outage, closed, closed.start)
        if outage is None:
            outage = Open(closed.start + SLOT_SECONDS * _first(missing), 0, 0, closed.start, whole=True)
        blocks = outage.blocks + missing.bit_count()
        outage = Open(outage.since, blocks, outage.windows + 1, closed.start, outage.whole)
        if not closed.slots & LAST_SLOT:
            self._open[closed.producer] = outage
            return None
        return _ended(outage, closed, closed.start + SLOT_SECONDS * missing.bit_length())


def _ended(outage: Open, closed: WindowClosed, until: float) -> OutageEnded:
    return OutageEnded(
        closed.at, closed.producer, outage.since, until, outage.blocks, outage.windows, outage.whole, here=False, why=""
    )


def _first(mask: int) -> int:
    """The place of the first slot in it."""
    return (mask & -mask).bit_length() - 1
