"""What a receiver says of itself, as the one event the rules about it are made from."""

from __future__ import annotations

from typing import NamedTuple


class Quiet(NamedTuple):
    """A sender, and for how many seconds nothing was taken from it."""

    name: str
    seconds: float


class ReceiverAnswer(NamedTuple):
    """A receiver said how it stands. `took` is seconds from asking to the last byte.

    `started` is by the receiver's own clock, another one for another process; `up` for how many seconds it runs. What
    is counted is counted since then, but for what is `set_aside`.

    In the queue are `records` of `size` bytes, of at most `limit` (0: it does not say); the `oldest` of them came at
    that time, None without any. `lost` bytes were spoiled by a crash or a bad disk. `trouble` is why the queue does not
    work.

    Of its `workers`, processes, so many are `running`, and so many `looping`: they die as soon as they are started.
    `deaths` counts all their ends, and `death` is what is known of the first that does not run. Of the running ones
    `hindered` cannot store, and `hindrance` is why the first of them cannot.

    `refused` requests found no room, or no queue. `set_aside` records stand in the file `aside`.

    So many senders are `watched`: they may not be silent for ever; None where the receiver knows of no such thing. Of
    them `silent` are silent for too long, and `awaiting` are not, but were never heard since the receiver began to
    count. The first of them are `quiet`, the longest silence first, and `awaited`, by name.
    """

    at: float
    took: float
    started: float
    up: float
    records: int
    size: int
    limit: int
    oldest: float | None
    lost: int
    trouble: str
    workers: int
    running: int
    looping: int
    deaths: int
    death: str
    hindered: int
    hindrance: str
    refused: int
    set_aside: int
    aside: str
    watched: int | None
    silent: int
    quiet: tuple[Quiet, ...]
    awaiting: int
    awaited: tuple[str, ...]
