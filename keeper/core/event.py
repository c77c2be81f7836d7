"""What happened, as values: every source and format ends here, every rule begins here.

Events are named tuples because a busy log makes 500,000 of them a second's work: a named tuple is
frozen, has slots, and costs a fifth of a frozen dataclass to make.

All times are seconds since the Unix epoch on keeper's *steady* clock (see `keeper.runtime.clock`).
`at` is when it happened: for log lines the log's own clock, else the time of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from keeper.core.receiver_event import ReceiverAnswer


class BlockProduced(NamedTuple):
    """This node signed a block. `slot_time` is the block's own time; `id` as printed, 8 to 16 hex digits,
    empty where none is printed (Dawn 2)."""

    at: float
    number: int
    id: str
    slot_time: float
    producer: str
    lib: int | None
    transactions: int | None


class BlockReceived(NamedTuple):
    """This node took a block from a peer. `latency` in seconds, None where the log has none."""

    at: float
    number: int
    id: str
    slot_time: float
    producer: str
    lib: int | None
    transactions: int | None
    latency: float | None


class BlocksMissed(NamedTuple):
    """`slots` slots in a row hold no block: counted by Dawn 3 itself, later from the times of the blocks."""

    at: float
    slots: int


class NotProducing(NamedTuple):
    """nodeos was scheduled and says why it did not sign. `reason` is a word of NOT_PRODUCING_REASONS."""

    at: float
    reason: str
    text: str


class ProducerPaused(NamedTuple):
    at: float


class ProducerResumed(NamedTuple):
    at: float


class ForkSwitched(NamedTuple):
    """The node left one branch for another. Numbers are None where the line was cut."""

    at: float
    from_number: int | None
    to_number: int | None
    text: str


class BlockRejected(NamedTuple):
    """A block did not link or did not validate. `reason` is `unlinkable`, `invalid`, `wrong_producer`,
    `double_confirm` or `not_applied`."""

    at: float
    reason: str
    number: int | None
    text: str


class DoubleProduced(NamedTuple):
    """Two different blocks of one producer in one slot: seen in the blocks, or said by nodeos itself."""

    at: float
    producer: str
    number: int | None
    text: str


class BlockDropped(NamedTuple):
    """An incoming block was put aside because this node was producing."""

    at: float
    number: int | None
    text: str


class PeerCount(NamedTuple):
    """Open peer-to-peer connections: from the log line or from /v1/net/connections."""

    at: float
    clients: int
    peers: int


class ResourceWarned(NamedTuple):
    """nodeos warns of disk or memory. `resource` is `disk` or `memory`; `stopping` when it gives up over it."""

    at: float
    resource: str
    stopping: bool
    text: str


class NodeStarted(NamedTuple):
    at: float
    version: str


class NodeStopped(NamedTuple):
    at: float
    text: str


class ScheduleProposed(NamedTuple):
    """A producer schedule the node announced. It takes effect later; blocks tell when."""

    at: float
    version: int
    producers: tuple[str, ...]


class LogException(NamedTuple):
    """An error the node printed with its lines: the first line and up to 20 continuation lines."""

    at: float
    text: str
    detail: tuple[str, ...]


class PatternMatched(NamedTuple):
    """A named pattern of the generic format matched a line."""

    at: float
    pattern: str
    text: str


class PacketSent(NamedTuple):
    """The statistics agent sent a packet of `events` events. `id` is None with the oldest agents. The list's text, a
    Python 2 repr, is `length` bytes from `offset` of the chunk on."""

    at: float
    id: int | None
    key: str
    offset: int
    length: int
    events: int


class PacketAnswered(NamedTuple):
    """The answer to a packet. `code` is None where the agent logged no response; `took` in seconds, None where it
    is not said. `why` is the error the agent logged with a code that is not 200, at most 200 characters."""

    at: float
    id: int
    key: str
    code: int | None
    took: float | None
    why: str = ""


class PacketUnanswered(NamedTuple):
    """A packet sent at `sent` had no answer in the log by `at`: nobody knows whether the server has it."""

    at: float
    id: int
    key: str
    events: int
    sent: float


class PacketsCounted(NamedTuple):
    """What came of an agent's packets in one second, `at` being when the last of it came. `said` is how often the
    `failed` ones, which were not accepted, were answered with which code and error: see `keeper.core.tally`."""

    at: float
    accepted: int
    failed: int
    said: Mapping[tuple[int | None, str], int]


class BacklogChanged(NamedTuple):
    """What of an agent has not arrived by now. `due` packets wait to be sent again, `held` for a person; `refused` are
    those the server will never take. `events` and `oldest`, when the first was sent, are of the due and the held; None
    when there are none. `why` is one sentence: why nothing is being sent again now; empty while it is."""

    at: float
    due: int
    held: int
    refused: int
    events: int
    oldest: float | None
    why: str


class PacketResent(NamedTuple):
    """keeper sent a packet again. `result` is what came of it, a word of `delivery.outcome.Result`; `took` seconds."""

    at: float
    id: int
    key: str
    events: int
    result: str
    code: int
    took: float


class RoleStands(NamedTuple):
    """How this host stands in the table of roles: told when something of it changes, and every ten seconds. `state` is
    one of docs/failover.md, `produces`: whether the node is seen un-paused, None when that is not known; `troubles` are
    sentences about what a person must look at."""

    at: float
    state: str
    produces: bool | None
    troubles: tuple[str, ...]


class RoleChanged(NamedTuple):
    """This host took the producing role over (`produces`), or gave it up."""

    at: float
    produces: bool
    why: str


class Drilled(NamedTuple):
    """A drill of the failover ended, `took` seconds after it began. The last ones are told again after a start."""

    at: float
    good: bool
    took: float
    why: str


class OutageEnded(NamedTuple):
    """Our producer signs again: from `since`, the first of its slots that stayed empty, to `until`, the first that was
    signed again, `blocks` were lost in `windows`. `whole`: every window in between was seen; else it is at least so
    much. `here`: this node signs now. `why`: the last that nodeos said on this node about not signing, if anything."""

    at: float
    producer: str
    since: float
    until: float
    blocks: int
    windows: int
    whole: bool
    here: bool
    why: str


class PointSeen(NamedTuple):
    """A collector measured something a rule is about. `time` is its own time, in seconds; `lasts` for how many seconds
    from `at` on the value counts as known."""

    at: float
    metric: str
    tags: tuple[tuple[str, str], ...]
    time: float
    value: float
    lasts: float


class CollectorStands(NamedTuple):
    """How a collector script fares: told when something of it changes. `stage` is a word of `collectors.life.Stage`, or
    `gone`; `failing`: somebody should look; `worked`: it ever did."""

    at: float
    collector: str
    stage: str
    failing: bool
    worked: bool
    why: str


class ForwardingStands(NamedTuple):
    """How the way of points to OpenTSDB stands: told every few seconds. `waiting` points are in the spool, the first of
    them since `oldest` (None without any); `dropped` fell out of it and `refused` were not taken, since keeper started.
    `why` is the last trouble; empty while points are taken."""

    at: float
    waiting: int
    oldest: float | None
    dropped: int
    refused: int
    why: str


class WindowClosed(NamedTuple):
    """A producer's window of twelve slots is over. `signed` of them hold a block; `slots` has a bit for each."""

    at: float
    start: float
    producer: str
    signed: int
    slots: int


class LoopLate(NamedTuple):
    """keeper itself was late: its loop or its machine stood still for `seconds`."""

    at: float
    seconds: float


class ClockJumped(NamedTuple):
    """The wall clock moved against the steady one by `seconds` (positive: forward)."""

    at: float
    seconds: float


class StateFailed(NamedTuple):
    """keeper's own database could not be written."""

    at: float
    reason: str


class LinesSeen(NamedTuple):
    """Lines that arrived together, whether or not they said anything."""

    at: float
    lines: int
    recognized: int


class InfoAnswer(NamedTuple):
    """One good answer of /v1/chain/get_info. `at` is the arrival, `took` seconds of waiting for it."""

    at: float
    head: int
    head_id: str
    head_time: float
    head_producer: str
    lib: int
    chain_id: str
    version: str
    took: float


class ReferenceAnswer(NamedTuple):
    """get_info of somebody else's node, named by its configured address without credentials."""

    at: float
    endpoint: str
    head: int
    head_id: str
    head_time: float
    lib: int
    chain_id: str = ""


class PausedAnswer(NamedTuple):
    at: float
    paused: bool


class ScheduleAnswer(NamedTuple):
    """/v1/chain/get_producer_schedule: `pending` is empty when no change is on its way."""

    at: float
    version: int
    producers: tuple[str, ...]
    pending: tuple[str, ...]


class EndpointAnswer(NamedTuple):
    """A generic HTTP endpoint answered. `value` is the watched JSON field as text, None if none is watched."""

    at: float
    endpoint: str
    status: int
    value: str | None
    took: float


class AnswerFailed(NamedTuple):
    """An HTTP question got no valid answer. `question` is `info`, `paused`, `schedule`, `connections`,
    `reference`, `endpoint` or `status`; `reason` is a sentence without credentials."""

    at: float
    question: str
    endpoint: str
    reason: str


Event: TypeAlias = (
    BlockProduced
    | BlockReceived
    | BlocksMissed
    | NotProducing
    | ProducerPaused
    | ProducerResumed
    | ForkSwitched
    | BlockRejected
    | DoubleProduced
    | BlockDropped
    | PeerCount
    | ResourceWarned
    | NodeStarted
    | NodeStopped
    | ScheduleProposed
    | LogException
    | PatternMatched
    | PacketSent
    | PacketAnswered
    | PacketUnanswered
    | PacketResent
    | PacketsCounted
    | BacklogChanged
    | RoleStands
    | RoleChanged
    | Drilled
    | OutageEnded
    | PointSeen
    | CollectorStands
    | ForwardingStands
    | WindowClosed
    | LinesSeen
    | LoopLate
    | StateFailed
    | ClockJumped
    | InfoAnswer
    | ReferenceAnswer
    | PausedAnswer
    | ScheduleAnswer
    | EndpointAnswer
    | ReceiverAnswer
    | AnswerFailed
)

# Why nodeos did not sign, one word for each sentence it prints (facts of every generation, Dawn 2 to Spring 1.2).
NOT_PRODUCING_REASONS = (
    "stale_production_disabled",
    "not_my_turn",
    "no_private_key",
    "minority_fork",
    "woke_too_late",
    "same_producer_twice",
    "explicitly_paused",
    "irreversible_too_old",
    "watermark_number",
    "watermark_time",
    "block_vault_rejected",
    "no_recent_votes",
    "too_many_reversible_blocks",
    "other",
)
