"""The server takes long to accept what a statistics agent sends."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.core.event import Event, PacketAnswered
from keeper.core.memory import Subject, View
from keeper.core.options import count, duration
from keeper.core.tally import ACCEPTED
from keeper.core.verdict import FOREVER, Verdict, failing, ok, unknown
from keeper.rules.answers import REST, falls_out, remembered
from keeper.rules.looks import FRESH, log_look
from keeper.rules.phrases import counted, span
from keeper.rules.rule import Rule, routed_as


@dataclass(frozen=True, kw_only=True)
class AnswerSlow(Rule):
    """The median time of the answers that accepted a packet within `window`, `packets` or more, is longer than `above`.

    Of a busy agent's the newest are enough: as many as keeper remembers.
    """

    name = "answer_slow"
    kinds = ("agent",)
    after = ("source_down", "delivery_outage")
    wakes = (PacketAnswered,)
    rests = REST

    severity: str = routed_as("warning")
    window: float = duration("5m", "over how much time answers are counted", minimum=1)
    packets: int = count("10", "of how many accepted packets there must be a median", minimum=1, maximum=4000)
    above: float = duration("5s", "how long the median answer may take")

    def remembers(self) -> float:
        return self.window

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        """A quick acceptance makes nothing slower. Any other answer may push a quick one out of what is remembered."""
        took = event.took if isinstance(event, PacketAnswered) and event.code == ACCEPTED else None
        return took is None or took > self.above

    def judge(self, view: View) -> Verdict:
        look = log_look(view)
        if isinstance(look, Verdict):
            return look
        answers = [
            answer
            for answer in view.recent(PacketAnswered, self.window)
            if answer.code == ACCEPTED and answer.took is not None
        ]
        times = sorted(answer.took or 0.0 for answer in answers)
        slow = len(times) - bisect_right(times, self.above)
        over = remembered(view, PacketAnswered, self.window)
        accepted = f"{counted(len(times), 'packet')} accepted in {span(over)}"
        if self._too_slow(slow, len(times)):
            median = times[(len(times) - 1) // 2]
            reason = f"the median answer took {median:.1f} s, of {accepted}"
            last = next(answer.at for answer in reversed(answers) if (answer.took or 0.0) > self.above)
            return failing(reason, median, view.now + FRESH, happened=last)
        until = min(look.lasts, self._turns(answers, slow))
        covered = look.flat_from + self.window
        if slow or view.now < covered:
            until = min(until, falls_out(view, answers[0] if answers else None, self.window))
        if len(times) >= self.packets:
            median = times[(len(times) - 1) // 2]
            return ok(f"the median answer took {median:.1f} s, of {accepted}", median, until)
        few = ok(f"{accepted}: too few to call them slow", None, until)
        if view.now < covered:
            until = min(until, covered)
            few = unknown(f"{accepted}: too few to tell how slow", min(until, view.now + FRESH), quiet=until)
        if self._too_slow(slow, len(times) + 1):
            # The next acceptance makes them enough, and most are slow: even a quick one, which wakes nothing, is heard.
            return few._replace(until=view.now, quiet=until)
        return few

    def _too_slow(self, slow: int, total: int) -> bool:
        """Whether the median, the lower of two, is slow: most of the answers are."""
        return total >= self.packets and 2 * slow > total

    def _turns(self, answers: Sequence[PacketAnswered], slow: int) -> float:
        """When time alone makes them too slow, as the quick ones leave the window."""
        left = len(answers)
        for answer in answers if slow else ():
            slow -= (answer.took or 0.0) > self.above
            left -= 1
            if self._too_slow(slow, left):
                return answer.at + self.window
        return FOREVER
