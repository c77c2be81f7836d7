"""Workers of the receiver die."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.memory import View
from keeper.core.options import count, duration
from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.looks import FRESH
from keeper.rules.phrases import clock, counted, quoted, span
from keeper.rules.receiver_looks import lasts, of_workers, stands_now, who_run
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class WorkerFailing(Rule):
    """A worker of the receiver dies whenever it is started, workers died `deaths` times within `window`, or fewer than
    there should be have run for `down`."""

    name = "worker_failing"
    kinds = ("receiver",)
    wakes = (ReceiverAnswer,)

    window: float = duration("5m", "for how long the death of a worker counts", minimum=1)
    deaths: int = count("3", "so many deaths are too many", minimum=1, maximum=1000)
    down: float = duration("30s", "how long a worker may not run", minimum=1)

    def remembers(self) -> float:
        return self.window

    def judge(self, view: View) -> Verdict:
        answer = stands_now(view)
        if isinstance(answer, Verdict):
            return answer
        if answer.looping:
            dies = "dies whenever it is started" if answer.looping == 1 else "die whenever they are started"
            said = f"{of_workers(answer.looping, answer)} {dies} ({quoted(answer.death)})"
            return failing(said, answer.looping, until=view.now + FRESH)
        since = view.memory.receiver.short_since
        short = 0.0 if since is None else answer.at - since
        if since is not None and short >= self.down:
            said = f"{who_run(answer)}, for {span(short)} already ({quoted(answer.death)})"
            return failing(said, answer.workers - answer.running, until=view.now + FRESH)
        died = view.memory.receiver.deaths.since(view.now - self.window)
        if died.number >= self.deaths:
            said = f"workers died {died.number:,} times within {span(self.window)}, last at {clock(died.at)}"
            said += f" ({quoted(answer.death)})" if answer.death else ""
            return failing(said, died.number, until=view.now + FRESH, happened=died.at)
        if not answer.workers:
            return ok("this receiver has no workers of its own", 0, until=lasts(answer))
        words = f"{counted(died.number, 'death')} within {span(self.window)}" if died.number else "none died lately"
        words += f" ({quoted(answer.death)})" if answer.death else ""
        return ok(f"{who_run(answer)}, {words}", died.number, until=lasts(answer))
