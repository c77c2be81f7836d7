"""A packet that has not arrived, as the daemon keeps it: how it stands in memory, its text in the state database."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from keeper.delivery.outcome import Result
from keeper.delivery.packet import Outcome


class Stand(StrEnum):
    OPEN = "open"  # its answer may still come
    DUE = "due"  # it is to be sent again
    HELD = "held"  # a person must decide
    REFUSED = "refused"  # neither the wire nor the server will ever take it as it is


class Parcel(NamedTuple):
    """`number` is its place in the agent's order of sending; `at` when the agent sent it, on keeper's steady clock;
    `content` as in `Packet.name`; `size` the bytes of its text. `outcome` and `code` are what the agent heard, None
    while nothing; `why` is half a sentence on how it stands; `tries` how often keeper sent it in vain."""

    number: int
    id: int
    content: str
    key: str
    at: float
    events: int
    size: int
    stand: Stand = Stand.OPEN
    outcome: Outcome | None = None
    code: int | None = None
    why: str = ""
    tries: int = 0


class Change(NamedTuple):
    """What is to be stored of one parcel: `parcel` None when it need not be kept any more; `data`, its text, comes with
    the first change only."""

    agent: str
    number: int
    parcel: Parcel | None
    data: bytes | None = None


class Report(NamedTuple):
    """What became of one parcel. `sent`: did it leave keeper in this run."""

    number: int
    result: Result
    code: int
    detail: str
    took: float
    sent: bool
