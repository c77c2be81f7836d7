"""nodeos itself says why it does not produce."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core import event as events
from keeper.core.event import Event
from keeper.core.memory import Subject, View
from keeper.core.options import duration
from keeper.core.slots import WINDOW_SECONDS, round_seconds
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH, Look, kept_fresh, log_look
from keeper.rules.phrases import clock, quoted
from keeper.rules.rule import Rule

PAUSED_LASTS = 30.0  # seconds an answer about being paused speaks of the present; it is asked every five

# What the words of NOT_PRODUCING_REASONS mean and what helps. `not_my_turn` is missing: it is never a fault.
EXPLAINED: dict[str, str] = {
    "stale_production_disabled": "it has no recent block and may not go on by itself; let it sync, check its peers",
    "no_private_key": "it lacks the key of the schedule; compare signature-provider with the registered key",
    "minority_fork": "it sees so few producers that it may be on a minority fork; check its peers",
    "woke_too_late": "it woke up too late for its slot; the machine is overloaded or its clock is wrong",
    "same_producer_twice": "the block before was its own too; nobody else signs, check its peers",
    "explicitly_paused": "it is paused; resume it with /v1/producer/resume",
    "irreversible_too_old": "LIB is older than max-irreversible-block-age; see why LIB stands still",
    "watermark_number": "our account signed a higher block before; a fork, or another node signs with our key",
    "watermark_time": "our account signed this slot or a later one before; another node signs with our key",
    "block_vault_rejected": "the block vault refused the block; another node holds the slot",
    "no_recent_votes": "finalizer votes are missing; check the finalizer keys and the peers",
    "too_many_reversible_blocks": "max-reversible-blocks is reached; finality stands still, check the finalizers",
    "other": "keeper does not know this reason; read it here",
}
# Words that say everything; behind the others nodeos' own sentence tells the details.
PLAIN = frozenset({"explicitly_paused", "woke_too_late", "same_producer_twice"})


@dataclass(frozen=True, kw_only=True)
class NotProducing(Rule):
    """nodeos was scheduled and said within `window` why it did not sign, and has not signed since.

    That it is paused is a fault in role A only, and no fault any more once it is resumed.
    """

    name = "not_producing"
    after = ("http_down",)  # a node that wakes up in the middle of its turn refuses slots it signed on a stale branch
    wakes = (events.NotProducing, events.PausedAnswer, events.ProducerResumed)
    heeds_ours = True

    window: float = duration("150s", "how long nodeos' word counts; at least a round and four windows", minimum=6)

    def remembers(self) -> float:
        return self.window

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        """That it is paused is repeated at every slot, and a fault in role A only."""
        if not isinstance(event, events.NotProducing):
            return True
        said_before = before.reason if isinstance(before, events.NotProducing) else ""
        paused = event.reason == "explicitly_paused" and subject.role != "A"
        return event.reason != "not_my_turn" and not (paused and said_before == event.reason)

    def judge(self, view: View) -> Verdict:
        said = self._said(view)
        if said is not None:
            details = "" if said.reason in PLAIN else f' ("{quoted(said.text)}")'
            reason = f"this node did not sign at {clock(said.at)}: {EXPLAINED[said.reason]}{details}"
            until = kept_fresh(view, said.at + self._counts_for(view))
            return failing(reason, view.now - said.at, until, happened=said.at)
        answer = _answer(view)
        if answer is not None and answer.paused and view.subject.role == "A":
            reason = "this node is paused although its role is A; resume it with /v1/producer/resume"
            return failing(f"{reason}, and see whether votes are missing", None, until=view.now + FRESH)
        look = log_look(view)
        if answer is not None and view.subject.role == "A" and view.sight("log") is None:
            reason = "this node is not paused; without its log no other reason would be known"
            return ok(reason, until=answer.at + PAUSED_LASTS)
        if not isinstance(look, Look):
            return look
        return ok("nodeos gives no reason not to produce", until=look.lasts)

    def _said(self, view: View) -> events.NotProducing | None:
        """The newest word that counts."""
        said = next((e for e in view.newest_first(events.NotProducing) if e.reason != "not_my_turn"), None)
        if said is None or view.now >= said.at + self._counts_for(view) or said.at <= _signed_at(view):
            return None
        if said.reason == "explicitly_paused" and (view.subject.role != "A" or said.at <= _resumed_at(view)):
            return None
        return said

    def _counts_for(self, view: View) -> float:
        producers = view.chain.schedule.producers
        return max(self.window, round_seconds(producers) + 4 * WINDOW_SECONDS) if producers else self.window


def _answer(view: View) -> events.PausedAnswer | None:
    answer = view.last(events.PausedAnswer)
    return answer if answer is not None and view.now < answer.at + PAUSED_LASTS else None


def _signed_at(view: View) -> float:
    return max((signed.at for signed in view.chain.produced.values()), default=float("-inf"))


def _resumed_at(view: View) -> float:
    """When it was last known not to be paused."""
    resumed = view.last(events.ProducerResumed)
    answer = _answer(view)
    return max(
        resumed.at if resumed is not None else float("-inf"),
        answer.at if answer is not None and not answer.paused else float("-inf"),
    )
