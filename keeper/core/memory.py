"""What keeper remembers of one subject (a node, a log, an endpoint, or keeper itself), and what a rule sees of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple, TypeVar, cast

from keeper.core.chain import Chain
from keeper.core.event import (
    AnswerFailed,
    BacklogChanged,
    BlockProduced,
    BlockReceived,
    BlocksMissed,
    ClockJumped,
    CollectorStands,
    Drilled,
    EndpointAnswer,
    Event,
    ForwardingStands,
    InfoAnswer,
    LinesSeen,
    LoopLate,
    NotProducing,
    OutageEnded,
    PacketAnswered,
    PacketResent,
    PacketsCounted,
    PacketUnanswered,
    PausedAnswer,
    PeerCount,
    PointSeen,
    ReferenceAnswer,
    RoleChanged,
    RoleStands,
    ScheduleAnswer,
    StateFailed,
    WindowClosed,
)
from keeper.core.outage import Outages
from keeper.core.points import PointMemory
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.receiver_memory import ReceiverMemory
from keeper.core.ring import EVENT_BYTES, Ring
from keeper.core.slots import WINDOW_SECONDS, round_seconds
from keeper.core.tally import Acceptance, counts

E = TypeVar("E", bound=Event)

BLIND_AFTER = 5.0  # a source that has not said for so many seconds that it sees everything, is not believed to
MAX_ENDPOINTS = 64
MAX_COLLECTORS = 2000

# Kinds without free text: what one of them weighs at most (ids and account names included), so that nobody must count.
WEIGHTS: dict[type, int] = {
    BlockProduced: EVENT_BYTES + 128,
    BlockReceived: EVENT_BYTES + 128,
    BlocksMissed: EVENT_BYTES,
    InfoAnswer: EVENT_BYTES + 512,
    LinesSeen: EVENT_BYTES,
    PacketsCounted: EVENT_BYTES + 768,
    PausedAnswer: EVENT_BYTES,
    PeerCount: EVENT_BYTES,
    WindowClosed: EVENT_BYTES + 64,
}
# What does not come out of a log: all other events prove that the log had a line. (PeerCount may be either.)
NOT_LOGGED = frozenset(
    {
        AnswerFailed,
        BacklogChanged,
        BlocksMissed,
        ClockJumped,
        CollectorStands,
        EndpointAnswer,
        ForwardingStands,
        InfoAnswer,
        LoopLate,
        PacketResent,
        PacketsCounted,
        PacketUnanswered,
        PausedAnswer,
        PeerCount,
        PointSeen,
        ReceiverAnswer,
        ReferenceAnswer,
        ScheduleAnswer,
        StateFailed,
        OutageEnded,
        RoleStands,
        RoleChanged,
        Drilled,
        WindowClosed,
    }
)


class Expected(NamedTuple):
    """What a good answer of an endpoint is: its status, and of the watched field that it changes within so many seconds
    (0: it need not) and lies in a range (None: no limit)."""

    status: int = 200
    changes_within: float = 0.0
    least: float | None = None
    most: float | None = None


ANY_ANSWER = Expected()


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is watched. `kind` is `node`, `log`, `endpoint`, `agent`, `collectors`, `receiver` or `keeper`; `sources`
    names what can see it; `expected` is for endpoints."""

    name: str
    kind: str
    role: str = "F"
    producers: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    references: int = 0
    expected: Expected = ANY_ANSWER

    def sees_as(self, other: Subject) -> bool:
        """Whether what is remembered of this subject is true of `other`, too: they differ in what is thought of it."""
        return replace(self, role=other.role, references=other.references, expected=other.expected) == other


class Sight(NamedTuple):
    """How well one source sees: everything from `known_from` to `known_until` has been handed over.

    `known_until` is infinite for a recorded log: whatever time the replay has come to, the log is known up to there.
    """

    up: bool
    since: float
    reason: str
    known_from: float
    known_until: float

    def blind(self, now: float) -> str | None:
        """Why the present cannot be seen, None when it can."""
        if not self.up:
            return self.reason
        if now >= self.blind_from:
            return f"nothing has been heard from the source for {now - self.known_until:.0f} s"
        return None

    @property
    def blind_from(self) -> float:
        """When a source that is up counts as blind unless it speaks again."""
        return self.known_until + BLIND_AFTER

    def seen(self, now: float) -> float:
        """Up to when everything is known."""
        return min(now, self.known_until)


class Bounds(NamedTuple):
    """How much is remembered of each kind of event."""

    events: int = 4000
    size: int = 4 << 20


class Memory:
    """Rings by kind of event, the chain the blocks tell of, and how well each source sees. Filled by the loop only.

    `turns` counts what no event tells and every verdict may depend on: a source that went blind or came back, distrust,
    the turns of the chain. `value` is an endpoint's watched field and `value_since` when it was first answered;
    `acceptance` is how an agent's packets have fared since one was last accepted; `points` are what collectors
    measured and `collectors` how they fare, by name; `receiver` is what its answers say over time.
    `recorded_from` is since when a recorded log is known: every line of it, and nothing is seen beside it, so that what
    happened in it is all there is to find out. None where that is not so.
    """

    def __init__(self, subject: Subject, bounds: Bounds, grace: float, started: float) -> None:
        self.subject = subject
        self.chain = Chain(subject.producers, grace)
        self.sights = {
            source: Sight(up=False, since=started, reason="not opened yet", known_from=started, known_until=-1.0)
            for source in sorted(subject.sources)
        }
        self.rings: dict[type, Ring[Event]] = {}
        self.references: dict[str, ReferenceAnswer] = {}
        self.last_line_at: float | None = None
        self.value: str | None = None
        self.value_since: float | None = None
        self.acceptance = Acceptance()
        self.points = PointMemory(bounds.events)
        self.collectors: dict[str, CollectorStands] = {}
        self.receiver = ReceiverMemory(bounds.events)
        self.distrust_until = 0.0
        self.distrust_reason = ""
        self.recorded_from: float | None = None
        self.turns = 0
        self._bounds = bounds
        self._started = started
        self._outages = Outages()

    def ring(self, kind: type) -> Ring[Event]:
        ring = self.rings.get(kind)
        if ring is None:
            ring = Ring(self._bounds.events, self._bounds.size, self._started, WEIGHTS.get(kind))
            self.rings[kind] = ring
        return ring

    def take(
        self,
        events: Sequence[Event],
        start: int,
        stop: int,
        now: float = float("-inf"),
        before: float = float("inf"),
        put_off: Callable[[float], float] | None = None,
    ) -> tuple[int, list[Event]]:
        """Remember `events[start:stop]`, or fewer when something follows from them; see `Chain.apply`."""
        turns = self.chain.turns
        reached, derived = self.chain.apply(events, start, stop, now, before, put_off)
        self.turns += self.chain.turns - turns
        batch = events[start:reached]
        if len(set(map(type, batch))) == 1:
            self._remember(type(batch[0]), batch)
        else:
            for kind, run in groupby(batch, type):
                self._remember(kind, tuple(run))
        for kind, run in groupby(derived, type):
            self.ring(kind).extend(tuple(run))
        return reached, derived

    def close_windows(self, by: float, now: float = float("-inf")) -> list[Event]:
        """Judge the windows that are over, and remember them; with them, the outages of ours that have ended.

        `by` and `now` are those of `Chain.close_windows`.
        """
        closed = self.chain.close_windows(by, now)
        if not closed:
            return []
        self.ring(WindowClosed).extend(closed)
        ended = [event for window in closed if (event := self._ended(window)) is not None]
        return [*closed, *ended]

    def _ended(self, window: WindowClosed) -> OutageEnded | None:
        if window.producer not in self.chain.ours:
            return None
        ended = self._outages.window(window, round_seconds(self.chain.schedule.producers))
        if ended is None:
            return None
        said, own = self.ring(NotProducing).last, self.ring(BlockProduced).last
        return ended._replace(
            here=isinstance(own, BlockProduced) and own.slot_time >= ended.until,
            why=said.text if isinstance(said, NotProducing) and said.at >= ended.since - WINDOW_SECONDS else "",
        )

    def _remember(self, kind: type, events: Sequence[Event]) -> None:
        """Events of one kind in a row."""
        if kind is PointSeen:
            self.points.take(cast("Sequence[PointSeen]", events))
            return
        ring = self.ring(kind)
        if kind is LinesSeen:
            self._count_lines(ring, cast("Sequence[LinesSeen]", events))
        else:
            ring.extend(events)
        if kind is PacketAnswered or kind is PacketUnanswered:
            self._count_packets(cast("Sequence[PacketAnswered | PacketUnanswered]", events))
        if kind not in NOT_LOGGED:
            self.last_line_at = max(self.last_line_at or 0.0, events[-1].at)
        elif kind is CollectorStands:
            self._stand(cast("Sequence[CollectorStands]", events))
        elif kind is ReceiverAnswer:
            self.receiver.take(cast("Sequence[ReceiverAnswer]", events))
        elif kind is ReferenceAnswer:
            for reference in cast("Sequence[ReferenceAnswer]", events):
                if reference.endpoint in self.references or len(self.references) < MAX_ENDPOINTS:
                    self.references[reference.endpoint] = reference
        elif kind is EndpointAnswer:
            self._watch(cast("Sequence[EndpointAnswer]", events))

    def _watch(self, events: Sequence[EndpointAnswer]) -> None:
        for answer in events:
            good = answer.status == self.subject.expected.status and answer.value is not None
            if good and (self.value_since is None or answer.value != self.value):
                self.value, self.value_since = answer.value, answer.at

    def _stand(self, events: Sequence[CollectorStands]) -> None:
        for stands in events:
            if stands.stage == "gone":
                self.collectors.pop(stands.collector, None)
            elif stands.collector in self.collectors or len(self.collectors) < MAX_COLLECTORS:
                self.collectors[stands.collector] = stands

    @staticmethod
    def _count_lines(ring: Ring[Event], events: Sequence[LinesSeen]) -> None:
        """Lines of one second are one event: a log that speaks ten times a second costs no more than a quiet one."""
        for event in events:
            last = cast("LinesSeen | None", ring.last)
            if last is not None and int(last.at) == int(event.at):
                both = LinesSeen(event.at, last.lines + event.lines, last.recognized + event.recognized)
                ring.replace_last(both)
            else:
                ring.append(event)

    def _count_packets(self, events: Sequence[PacketAnswered | PacketUnanswered]) -> None:
        """What came of packets within one second is one event: minutes of a busy agent stay countable."""
        ring = self.ring(PacketsCounted)
        last = cast("PacketsCounted | None", ring.last)
        for of_second in counts(last, events):
            if last is not None and int(last.at) == int(of_second.at):
                ring.replace_last(of_second)
            else:
                ring.append(of_second)
            last = None
        for event in events:
            self.acceptance.take(event)

    def sees(self, source: str, at: float) -> None:
        """The source has handed over everything up to `at`.

        A log keeps what it holds while nobody looks, so a log that comes back has lost nothing unless it says so
        (`forgot`); an API that was not asked cannot be asked about the past.
        """
        sight = self.sights[source]
        if sight.up:
            self._see(source, sight._replace(known_until=max(at, sight.known_until)))
            return
        never = sight.known_until < 0
        known_from = at if never or source != "log" else sight.known_from
        self._see(source, Sight(True, at, "", known_from=known_from, known_until=at))
        self.turns += 1
        if source == "log" and never:
            self.chain.sees_from(at)

    def reaches_back(self, source: str, at: float) -> None:
        """The first lines of a log are older than the moment it was opened: it is known from them on."""
        sight = self.sights[source]
        if at < sight.known_from:
            self._see(source, sight._replace(known_from=at))
            self.turns += 1
            if source == "log":
                self.chain.sees_from(at)

    def blinded(self, source: str, at: float, reason: str) -> None:
        sight = self.sights[source]
        since = sight.since if not sight.up else at
        self._see(source, sight._replace(up=False, since=since, reason=reason))
        self.turns += 1

    def forgot(self, source: str, at: float) -> None:
        """Something of the source was lost just before `at`: absence cannot be proved from before."""
        self._see(source, self.sights[source]._replace(known_from=at))
        self.turns += 1
        if source == "log":
            self.chain.sees_from(at)
            self.acceptance.forget()

    def _see(self, source: str, sight: Sight) -> None:
        self.sights[source] = sight
        recorded = source == "log" and len(self.sights) == 1 and sight.up and sight.known_until == float("inf")
        self.recorded_from = sight.known_from if recorded else None

    def distrust(self, until: float, reason: str) -> None:
        """Believe no verdict before `until`: keeper itself was late, or its clock jumped."""
        if until > self.distrust_until:
            self.distrust_until, self.distrust_reason = until, reason
            self.turns += 1


class View:
    """What a rule may look at: one subject at one moment. A rule reads it and keeps nothing of it.

    `found` is what was found out about this moment already, for the rules that are asked after that one.
    """

    __slots__ = ("chain", "found", "memory", "now")

    def __init__(self, memory: Memory, now: float) -> None:
        self.memory = memory
        self.chain = memory.chain
        self.now = now
        self.found: dict[str, Any] = {}

    @property
    def subject(self) -> Subject:
        return self.memory.subject

    def sight(self, source: str) -> Sight | None:
        """How `log`, `api`, `reference`, `endpoint`, `status` or `collectors` sees; None when it was not configured."""
        return self.memory.sights.get(source)

    def last(self, kind: type[E]) -> E | None:
        ring = self.memory.rings.get(kind)
        return cast("E | None", ring.last) if ring is not None else None

    def recent(self, kind: type[E], seconds: float) -> list[E]:
        """Events of the last `seconds`, oldest first."""
        ring = self.memory.rings.get(kind)
        return cast("list[E]", ring.since(self.now - seconds)) if ring is not None else []

    def newest_first(self, kind: type[E]) -> Iterator[E]:
        ring = self.memory.rings.get(kind)
        return cast("Iterator[E]", reversed(ring)) if ring is not None else iter(())

    def known_since(self, source: str) -> float:
        """The time since which nothing is missing of what the source saw; infinity when it never saw."""
        sight = self.memory.sights.get(source)
        return sight.known_from if sight is not None and sight.known_until >= 0 else float("inf")

    def references(self, max_age: float) -> Mapping[str, ReferenceAnswer]:
        """The last answer of each reference node of our chain, not older than `max_age` seconds.

        A node of another chain, configured by mistake, has nothing to say about ours.
        """
        info = self.last(InfoAnswer)
        ours = info.chain_id if info is not None else ""
        return {
            endpoint: answer
            for endpoint, answer in self.memory.references.items()
            if self.now - answer.at <= max_age and (not ours or answer.chain_id in ("", ours))
        }
