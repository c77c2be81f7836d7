"""No block by our producer for far too long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.core.chain import Signature
from keeper.core.event import InfoAnswer
from keeper.core.memory import BLIND_AFTER, View
from keeper.core.options import duration
from keeper.core.slots import window_start
from keeper.core.verdict import FAILING, FOREVER, Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, SOON, Look, answer_now, log_look
from keeper.rules.phrases import clock, span, whose
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class OwnSilent(Rule):
    """No block of our producer's for the window of this node's role, counted from the slot of the last one.

    A node in role A counts only what it signed itself.
    """

    name = "own_silent"
    heeds_ours = True
    after = ("head_stalled", "few_producers", "blocks_silent")

    window_a: float = duration("260s", "how long role A may sign nothing: two rounds of 21", minimum=12)
    window_b: float = duration("260s", "how long our account may be silent, seen in role B", minimum=12)
    window_c: float = duration("780s", "how long our account may be silent, seen in role C", minimum=12)
    window_f: float = duration("650s", "how long our account may be silent, seen in role F", minimum=12)

    def judge(self, view: View) -> Verdict:
        ours = view.subject.producers
        if not ours:
            return unknown("no producer is configured")
        look = _look(view, self._window(view))
        if isinstance(look, Verdict):
            return look
        schedule = view.chain.schedule.producers
        judged = ours.intersection(schedule) if schedule else ours
        if not judged:
            return ok(f"{whose(ours)} is not in the schedule of {len(schedule)}", until=look.lasts)
        window, signed = self._window(view), _signed(view)
        late = [name for name in judged if name not in signed or look.seen - signed[name].slot_time >= window]
        first_late = min((signed[name].slot_time for name in judged.difference(late)), default=FOREVER) + window
        until = min(max(first_late, view.now + SOON), look.lasts)
        if not late:
            producer = min(judged)
            last = signed[producer].slot_time
            return ok(f"the last block {_by(view, producer)} is of {clock(last)}", look.seen - last, until)
        verdicts = [self._judge_late(view, look, producer) for producer in sorted(late)]
        worst = next((verdict for verdict in verdicts if verdict.state is FAILING), verdicts[0])
        return worst._replace(until=min(until, *(verdict.until for verdict in verdicts)))

    def _judge_late(self, view: View, look: Look, producer: str) -> Verdict:
        """Judge one of which no block is known that is younger than the window."""
        window = self._window(view)
        last = _signed(view).get(producer)
        joined = _joined_at(view, producer)
        since = joined if last is None else max(last.slot_time, joined)
        proved = look.seen - max(since, look.flat_from)
        if last is None and not view.chain.schedule.producers:
            reason = f"no block of {producer} has been seen, and the schedule is not known"
            return unknown(reason, until=look.lasts)
        if proved < window:
            reason = f"no block {_by(view, producer)} in the {span(max(proved, 0.0))} that can be looked back"
            enough = max(max(since, look.flat_from) + window, view.now + SOON)
            return unknown(reason, until=min(enough, look.lasts))
        ago = f"for {span(proved)}" if last is None else f"since {clock(last.slot_time)}, for {span(proved)}"
        whom = f"this node has signed no block for {producer}"
        if not _counts_own(view):
            whom = f"{producer} has signed no block"
        return failing(f"{whom} {ago}", proved, until=look.lasts)

    def _window(self, view: View) -> float:
        windows = {"A": self.window_a, "B": self.window_b, "C": self.window_c, "F": self.window_f}
        return windows[view.subject.role]


def _counts_own(view: View) -> bool:
    """Role A counts its own signatures, which only a log shows."""
    return view.subject.role == "A" and view.sight("log") is not None


def _signed(view: View) -> Mapping[str, Signature]:
    """The newest block that counts of each producer."""
    return view.chain.produced if _counts_own(view) else view.chain.signed


def _by(view: View, producer: str) -> str:
    return "signed by this node" if _counts_own(view) else f"of {producer}"


def _joined_at(view: View, producer: str) -> float:
    """When the producer entered the schedule, if keeper saw that; else minus infinity."""
    schedule = view.chain.schedule
    if schedule.replaced and producer in schedule.producers and producer not in schedule.replaced:
        return window_start(schedule.since)
    return -FOREVER


def _look(view: View, window: float) -> Look | Verdict:
    """The log; or where it is not seen, an API that answered at least every five seconds: nobody's turn is shorter."""
    log = log_look(view)
    if isinstance(log, Look) or _counts_own(view):
        return log
    answer = answer_now(view)
    if answer is None:
        return log if view.sight("api") is None else unknown("the api gives no answers", until=view.now + FRESH)
    from_, after = answer.at, answer.at
    for earlier in view.newest_first(InfoAnswer):
        if after - earlier.at > BLIND_AFTER or from_ < view.now - window:
            break
        from_ = after = earlier.at
    return Look(answer.at, from_, answer.at + BLIND_AFTER)
