"""Everything a decision about producing may use, as values. None is *unknown* and never counts as yes.

The shell fills them in: `OfChain` from what the log and the API tell (`of_chain`, pure), `OfNode` from the node's
producer API and process, `OfCluster` from the lease store, `OfKeeper` from keeper itself. Times are on the host's
monotonic clock, ages and spans in seconds.
"""

from __future__ import annotations

from typing import NamedTuple

from keeper.core.event import BlockReceived, ClockJumped, LoopLate, WindowClosed
from keeper.core.memory import View
from keeper.core.slots import (
    SLOTS_PER_WINDOW,
    WINDOW_SECONDS,
    round_seconds,
    scheduled,
    slot_of,
    window_end,
    window_of,
    window_start,
)
from keeper.failover.actions import Answer
from keeper.failover.terms import Terms
from keeper.rules.looks import Look, head_looks, log_look
from keeper.rules.references import ahead_of, heads

ALIVE_SECONDS = 60.0  # whoever signed within it is alive
ALIVE_MOST = 5  # producers that prove the network lives; fewer where the schedule or the time has room for fewer
ELSEWHERE_SECONDS = 30.0  # how far back a block of ours that another node signed is looked for
BROKEN_OFF = 0b1111_1100_0000  # the last six slots of a window
TRUST_SECONDS = 60.0  # how long a jump of the clock or a late loop counts, as in the rules that tell of them
TRUST_LIMIT = 2.0  # seconds a clock may jump or a loop be late


class OfChain(NamedTuple):
    """What the node's blocks tell. `scheduled`: our producer is in the active schedule. `missed`: how many windows of
    ours in a row hold no block at all, up to the newest that is over, seen without a break; `broken_off`: that one
    ended in six empty slots; `judged`: how long ago it began. `behind`: age of the head; `flat`: for how long LIB has
    stood; `others` of `due` other producers that should have signed lately did. `agree` of `asked` reference nodes are
    not ahead of us. `elsewhere`: age of the newest block signed as us by another node, infinite when there is none.
    `gap`: until our next window begins, 0 within one."""

    scheduled: bool | None = None
    missed: int | None = None
    broken_off: bool | None = None
    judged: float | None = None
    behind: float | None = None
    flat: float | None = None
    others: int | None = None
    due: int | None = None
    agree: int | None = None
    asked: int = 0
    elsewhere: float | None = None
    gap: float | None = None


class OfNode(NamedTuple):
    """The node beside this keeper. `paused` is its last answer to the question put at `asked_at`; None also when that
    question failed, or is too old. `paused_since`: when the first of an unbroken row of questions was put to which it
    said that it is paused. `silent`: for how long it has not answered. `quiet`: it signed nothing for a second and
    more. `gone`: no process of it runs now; `started`: when the one that runs was started. `key` and `api`: it has the
    signing key, and a producer API."""

    paused: bool | None = None
    asked_at: float = float("-inf")
    paused_since: float = float("inf")
    silent: float = 0.0
    quiet: bool | None = None
    gone: bool | None = None
    started: float | None = None
    key: bool | None = None
    api: bool | None = None


class OfCluster(NamedTuple):
    """What the lease store tells all; without a store everything but `paused` is known to be nothing. `paused`: why
    automation is paused, empty when it is not. `wanted`: the host a planned switch names. `equal`: all configurations
    have one hash. `there`: the hosts that say they are there. `vacant`: for how long nobody has held the lease, which
    somebody held before; 0 while it is held, and where it never was. `holder`: who has it, empty for nobody."""

    paused: str | None = None
    wanted: str | None = None
    equal: bool | None = None
    there: frozenset[str] = frozenset()
    vacant: float | None = None
    holder: str | None = None


class OfKeeper(NamedTuple):
    """keeper itself. `distrust`: why its clock or loop is not to be believed, empty when it is. `journal`: the journal
    can be written. `cooled`: for how many seconds more it rests after its last step. `takeovers`: how many of its own
    count for the fuse. `healthy`: how many rounds the node has been fit in a row. `order`: what an operator demands of
    this host: nothing, `takeover` or `step-down`."""

    distrust: str | None = None
    journal: bool | None = None
    cooled: float = 0.0
    takeovers: int = 0
    healthy: int | None = None
    order: str = ""


class Facts(NamedTuple):
    """`answers`: what came of earlier actions since the last look."""

    chain: OfChain = OfChain()
    node: OfNode = OfNode()
    cluster: OfCluster = OfCluster()
    keeper: OfKeeper = OfKeeper()
    answers: tuple[Answer, ...] = ()


# -- of the chain, from what keeper remembers ----------------------------------------------------------------------


def of_chain(view: View) -> OfChain:
    """What this moment's view of a node says about producing. Whatever the view does not cover is None."""
    ours = view.subject.producers.intersection(view.chain.schedule.producers)
    return for_takeover(view)._replace(elsewhere=_elsewhere(view), gap=_gap(view, ours))


def for_takeover(view: View) -> OfChain:
    """Only what a takeover asks for: the rest is dear, and unknown here."""
    schedule = view.chain.schedule.producers
    ours = view.subject.producers.intersection(schedule)
    missed, broken_off, judged = _missed(view, ours)
    others, due = _others(view, ours)
    answers = heads(view)
    head = view.chain.head
    return OfChain(
        scheduled=bool(ours) if schedule else None,
        missed=missed,
        broken_off=broken_off,
        judged=judged,
        behind=_behind(view),
        flat=_flat(view),
        others=others,
        due=due,
        agree=None if head is None else len(answers) - len(ahead_of(answers, head, SLOTS_PER_WINDOW)),
        asked=view.subject.references,
    )


def fit_until(view: View, terms: Terms) -> float:
    """Until when a node that is fit stays so if nothing is heard: its head grows old, its LIB stands, the others fall
    silent. References that go ahead are an answer, and looked at within a second."""
    chain = view.chain
    if view.subject.references or chain.lib_rose_at is None:
        return view.now + 1.0
    ours = view.subject.producers
    heard = sorted((signed.at for name, signed in chain.signed.items() if name not in ours), reverse=True)
    due = _others(view, ours.intersection(chain.schedule.producers))[1]
    silent = heard[due - 1] + ALIVE_SECONDS if due and due <= len(heard) else view.now
    return min(chain.head_time + terms.behind, chain.lib_rose_at + terms.flat, silent)


def distrust(view: View) -> str:
    """Why keeper's own clock or loop is not to be believed, from keeper's own view; empty when it is."""
    if view.now < view.memory.distrust_until:
        return view.memory.distrust_reason
    for jump in view.recent(ClockJumped, TRUST_SECONDS):
        if abs(jump.seconds) > TRUST_LIMIT:
            return f"the clock jumped by {jump.seconds:+.1f} s less than {TRUST_SECONDS:.0f} s ago"
    for late in view.recent(LoopLate, TRUST_SECONDS):
        if late.seconds > TRUST_LIMIT:
            return f"keeper itself stood still for {late.seconds:.1f} s less than {TRUST_SECONDS:.0f} s ago"
    return ""


class Missed(NamedTuple):
    """As in `OfChain`."""

    windows: int | None = None
    broken_off: bool | None = None
    judged: float | None = None


def _missed(view: View, ours: frozenset[str]) -> Missed:
    """Of several accounts the one that does best: where one is signed for, the host that signs lives."""
    found = [_missed_by(view, producer) for producer in sorted(ours)]
    if not found or any(missed.windows is None for missed in found):
        return Missed()
    return min(found, key=lambda missed: (missed.windows, missed.broken_off))


def _missed_by(view: View, producer: str) -> Missed:
    """Whole windows missed in a row, up to the newest that is over; each a round before the next, or they prove
    nothing. Unknown while the log cannot be seen, and when the newest window that should be over was not judged."""
    if not isinstance(log_look(view), Look) or view.now < view.memory.distrust_until:
        return Missed()
    schedule = view.chain.schedule.producers
    newest = due = _last_start(view.now - view.chain.grace - WINDOW_SECONDS, producer, schedule)
    signed = view.chain.signed.get(producer)
    if signed is not None and signed.slot_time >= newest + WINDOW_SECONDS:
        return Missed(0, False, view.now - newest)  # it signs already in the window after that
    missed, broken_off = 0, False
    for window in view.newest_first(WindowClosed):
        if window.producer != producer or window.start > due:
            continue
        if window.start < due:
            break  # one in between was not judged
        if not missed:
            broken_off = not window.slots & BROKEN_OFF
        if window.signed:
            return Missed(missed, broken_off, view.now - newest)
        missed += 1
        due -= round_seconds(schedule)
    return Missed(missed, broken_off, view.now - newest) if missed else Missed()


def _last_start(before: float, producer: str, schedule: tuple[str, ...]) -> float:
    """The start of the producer's newest window that began at or before `before`."""
    window = window_of(slot_of(before))
    for earlier in range(window, window - len(schedule), -1):
        if scheduled(earlier, schedule) == producer and window_start(earlier) <= before:
            return window_start(earlier)
    return window_start(window - len(schedule))


def _behind(view: View) -> float | None:
    looks = head_looks(view)
    if not isinstance(looks, list) or view.chain.head is None:
        return None
    return max(look.seen for look in looks) - view.chain.head_time


def _flat(view: View) -> float | None:
    if not isinstance(head_looks(view), list) or view.chain.lib is None or view.chain.lib_rose_at is None:
        return None
    return view.now - view.chain.lib_rose_at


def _others(view: View, ours: frozenset[str]) -> tuple[int | None, int | None]:
    schedule = view.chain.schedule.producers
    if not schedule or not isinstance(head_looks(view), list):
        return None, None
    alive = sum(name not in ours and signed.at > view.now - ALIVE_SECONDS for name, signed in view.chain.signed.items())
    room = int(ALIVE_SECONDS // WINDOW_SECONDS) - 1  # ours may be among the newest
    return alive, min(ALIVE_MOST, room, len(set(schedule)) - len(ours))


def _elsewhere(view: View) -> float | None:
    if not isinstance(log_look(view), Look):
        return None
    ours = view.subject.producers
    times = (event.slot_time for event in view.recent(BlockReceived, ELSEWHERE_SECONDS) if event.producer in ours)
    return view.now - max(times, default=float("-inf"))


def _gap(view: View, ours: frozenset[str]) -> float | None:
    """Windows of ours are known as long as the schedule is; two in a row count as one."""
    schedule = view.chain.schedule.producers
    if not ours:
        return None if not schedule else float("inf")
    window = window_of(slot_of(view.now))
    if scheduled(window, schedule) in ours:
        return 0.0
    for later in range(window, window + len(schedule)):
        if scheduled(later, schedule) in ours:
            return window_end(later - 1) - view.now
    return float("inf")
