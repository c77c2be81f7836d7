"""Too few different producers sign: this node is on a small island."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import InfoAnswer
from keeper.core.memory import BLIND_AFTER, View
from keeper.core.options import count, duration
from keeper.core.slots import WINDOW_SECONDS, window_start
from keeper.core.verdict import FOREVER, Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH, Look, answer_now, head_looks, in_sight_until
from keeper.rules.phrases import counted, listed, span
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class FewProducers(Rule):
    """Fewer than `producers` different accounts signed the blocks of the last `window`.

    Never more are demanded than the schedule can show in that time.
    """

    name = "few_producers"
    after = ("http_down", "head_stalled", "head_lag", "blocks_silent")

    producers: int = count("5", "how many different producers there must be", minimum=1, maximum=125)
    window: float = duration("60s", "in how much time", minimum=6)

    def holds(self, view: View) -> float:
        if view.memory.recorded_from is None:
            return 0.0
        demanded, rises_at = self._demanded(view)
        enough = self.producers if demanded is None else demanded
        heard = sorted([signed.at for signed in view.chain.signed.values()])
        return min(heard[-enough] + self.window, rises_at) if len(heard) >= enough else 0.0

    def judge(self, view: View) -> Verdict:
        looks = head_looks(view)
        if isinstance(looks, Verdict):
            return looks
        now = view.now
        heard = sorted((signed.at, name) for name, signed in view.chain.signed.items())
        signers = [name for at, name in heard if at > now - self.window]
        demanded, rises_at = self._demanded(view)
        enough = self.producers if demanded is None else demanded
        if len(signers) >= enough:
            until = min(heard[-enough][0] + self.window, rises_at, max(look.lasts for look in looks))
            return ok(f"{counted(len(signers), 'producer')} signed in {span(self.window)}", len(signers), until)
        if demanded is None:
            return unknown("the producer schedule is not known yet", now + FRESH, quiet=FOREVER)
        if not any(self._covers(view, look) for look in looks):
            reason = f"blocks have not been seen for {span(self.window)} yet"
            covered = looks[0].flat_from + self.window if len(looks) == 1 else None
            return unknown(reason, now + FRESH, quiet=covered if covered is not None and covered > now else None)
        names = f" ({listed(sorted(signers))})" if signers else ""
        reason = f"only {counted(len(signers), 'producer')}{names} signed blocks in {span(self.window)}"
        if not signers:
            reason = f"nobody signed a block in {span(self.window)}"
        size = counted(len(view.chain.schedule.producers), "producer")
        reason += f"; {demanded} of the {size} in the schedule should have"
        return failing(reason, len(signers), now + FRESH, quiet=in_sight_until(looks))

    def _demanded(self, view: View) -> tuple[int | None, float]:
        """How many the schedule can show, None while it is not known; and when it will be more."""
        schedule = view.chain.schedule
        if not schedule.producers:
            return None, FOREVER
        most = min(self.producers, len(schedule.producers), max(1, int(self.window // WINDOW_SECONDS)))
        if not schedule.took_over:
            return most, FOREVER
        # A new schedule has to go round first: as many as its share of the window.
        since = window_start(schedule.since)
        shown = max(1, 1 + int(most * (view.now - since) / self.window))
        return (most, FOREVER) if shown >= most else (shown, since + shown * self.window / most)

    def _covers(self, view: View, look: Look) -> bool:
        """Whether nothing was missed in the window. Answers of the API cover it if none of them is far from the next:
        every producer has six seconds."""
        since = view.now - self.window
        if look.flat_from > float("-inf"):
            return look.flat_from <= since
        sight = view.sight("api")
        newest = answer_now(view)
        if sight is None or newest is None:
            return False
        after = newest.at
        for answer in view.newest_first(InfoAnswer):
            if after - answer.at > BLIND_AFTER:
                return False
            if answer.at <= since:
                return True
            after = answer.at
        return False
