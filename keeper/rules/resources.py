"""nodeos runs out of disk or memory."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import ResourceWarned
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH, Look, log_look
from keeper.rules.phrases import clock, quoted
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class Resources(Rule):
    """nodeos warned of disk or memory within `window`, or stopped because of it."""

    name = "resources"
    wakes = (ResourceWarned,)

    window: float = duration("5m", "how long a warning counts; nodeos repeats it every minute or so", minimum=10)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        warned = view.recent(ResourceWarned, self.window)
        if warned:
            # A warning that came with the stop explains less than the stop.
            worst = next((event for event in reversed(warned) if event.stopping), warned[-1])
            what = "stops for lack of" if worst.stopping else "runs short of"
            reason = f"nodeos {what} {worst.resource}, said at {clock(worst.at)}: {quoted(worst.text)}"
            return failing(reason, len(warned), until=view.now + FRESH)
        look = log_look(view)
        if not isinstance(look, Look):
            return look
        return ok("nodeos warns of neither disk nor memory", until=look.lasts)
