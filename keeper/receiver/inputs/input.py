"""What every way to write packets has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from keeper.receiver.packet import Said

MOST_WRONG = 20  # sentences about wrong lines that are kept of one body
MOST_EVENTS = 1 << 17  # of one packet: 4 MiB of events of 32 bytes; what costs memory must cost bytes
DEEPEST = 100  # values inside of values


class Read(NamedTuple):
    """A body, read. `wrong` lines were left out, `why` says so of the first MOST_WRONG of them; inputs that take a body
    whole or not at all raise Malformed instead."""

    packets: Sequence[Said]
    wrong: int = 0
    why: Sequence[str] = ()


class Input(Protocol):
    """Pure. `at` is when the body came, in seconds since the epoch."""

    def read(self, body: bytes, at: float) -> Read:
        """Raises Malformed."""
