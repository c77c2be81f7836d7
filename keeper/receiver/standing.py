"""How the receiver stands: the one value that its page, metrics, `/api/v1/status` and the rules are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from keeper.receiver.spread import NONE_DURABLE, NONE_STORED, Spread

RUNNING, RESTING, LOOPING, STOPPED = "running", "resting", "crash_loop", "stopped"
STATES = (RUNNING, RESTING, LOOPING, STOPPED)
INPUTS = ("thrift", "json", "lines", "put", "tcp")
COUNTED_HOURS = 48  # for the page
CODES = (200, 400, 401, 404, 405, 408, 411, 413, 415, 429, 431, 500, 503)  # all that is ever answered


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStands:
    """One worker process. Counts are of all processes that had this number since the receiver started; times are in
    seconds since the epoch, 0 for never."""

    number: int
    pid: int
    state: str
    since: float
    deaths: int
    fresh: int
    events: int
    repeated: int
    returned: int  # ids that came with other content than before
    dead: int  # records set aside
    last: float  # when it last stored something
    trouble: str  # why it does not store now


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What came by one input since the receiver started. `wrong` are lines that were left out."""

    requests: int = 0
    packets: int = 0
    events: int = 0
    bytes: int = 0
    wrong: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    version: str
    name: str  # of this keeper
    started: float
    now: float
    listen: str
    lines_listen: str  # empty: nowhere
    connections: int
    turned_away: int  # connections closed at once, as there were too many
    pending_bytes: int  # of bodies in memory
    queue: str  # its kind
    records: int
    queue_bytes: int
    oldest: float  # when the oldest record came; 0 without any
    lost: int  # bytes that a crash or a bad disk spoiled
    trouble: str  # of the queue
    store: str  # its kind, and where, without secrets
    inputs: Mapping[str, Traffic]  # all of INPUTS
    answers: Mapping[int, int]  # all of CODES
    sources: Mapping[str, Traffic]  # all that are configured
    seen: Mapping[str, float]  # when each source last sent; 0 for never
    workers: Sequence[WorkerStands]
    dead_records: int  # in the dead-letter file
    dead_file: str
    counts: Sequence[tuple[int, str, str, int, int]] = field(default=())  # (hour, source, type, packets, events)
    counts_trouble: str = ""  # why there are none
    queue_most: int = 0  # bytes that it takes before answers are 429; 0 where that is not its own to say
    durable: Spread = NONE_DURABLE  # from the last byte of a request until its packets were durable
    stored: Spread = NONE_STORED  # one for each batch that a worker stored
    silent_after: Mapping[str, float] = field(default_factory=dict)  # seconds, of each source; 0: it may be silent
    known_since: Mapping[str, float] = field(default_factory=dict)  # the start, or the reload that named the source

    def shown(self) -> dict[str, Any]:
        """As JSON says it. Counts may be many, and are not copied."""
        return {**asdict(replace(self, counts=())), "counts": self.counts}
