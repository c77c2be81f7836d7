"""Starts, watches and ends the runs that send an agent's packets again. All in the loop's thread but the runs."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from keeper.actions.outfit import why_unsendable
from keeper.actions.resend import Resend, settle
from keeper.actions.resend_script import ScriptResend
from keeper.core.source import Now, Wait
from keeper.delivery.delivery import Delivery
from keeper.delivery.ledger import FILE as LEDGER
from keeper.delivery.ledger import agent_home
from keeper.delivery.parcel import Parcel, Report, Stand
from keeper.delivery.recovery import Around
from keeper.errors import InUse, KeeperError
from keeper.pipeline import Pipeline
from keeper.runtime.clock import iso
from keeper.runtime.records import Records, read_beside
from keeper.runtime.watch import Thread
from keeper.settings import AgentSettings

log = logging.getLogger("keeper")

LOOK_PAUSE = 10.0  # seconds between two looks at a ledger that somebody else writes
LOOK_AGAIN = 60.0  # seconds until IDL or script are looked at again
MOST_AT_ONCE = 10_000  # packets of one run: the next one takes the rest


class Run(Protocol):
    """One run over some parcels; see Resend."""

    def run(self) -> str:
        """Raises KeeperError, and InUse when nothing was tried."""

    def stop(self, why: str) -> None: ...

    def ease(self) -> None: ...

    def leave(self) -> None: ...


class _Running(NamedTuple):
    run: Run
    thread: Thread


class Courier:
    """For one agent. `call` has the loop do something in its own thread, `touch` has it look at the agent's subject,
    `journal` takes (kind, text), `failed` hears of a thread that broke."""

    def __init__(
        self,
        settings: AgentSettings,
        state_dir: str,
        database: Path,
        now: Now,
        call: Callable[[Callable[[], None]], None],
        touch: Callable[[str], None],
        journal: Callable[[str, str, str], None],
        failed: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self._folder = agent_home(state_dir, settings.name)
        self._database = database
        self._now = now
        self._call = call
        self._touch = touch
        self._journal = journal
        self._failed = failed
        self._running: _Running | None = None
        self._told: Counter[str] = Counter()  # of the run, by result
        self._unsendable: str | None = None
        self._outfit_until = 0.0
        self._look_at = 0.0
        self._looking = False
        self._ledger_of = (0, 0)  # when the ledger that was last looked at was changed, in ns, and its size
        self._stopped = ""
        self._reports: deque[tuple[Delivery, Report]] = deque()
        self._calling = False  # the loop has been asked to take what was told, and has not begun to

    def step(self, pipeline: Pipeline, now: float, unstored: str | None, *, saved: bool) -> None:
        """Look at the agent once: stop the run that must stop, begin one that may begin. `saved`: all that is known is
        in the state database, where a run finds the texts."""
        delivery = pipeline.delivery
        if delivery is None:
            return
        if now >= self._outfit_until:
            self._outfit_until = now + LOOK_AGAIN
            self._unsendable = why_unsendable(self.settings)
        delivery.around = Around(_blind(pipeline, now), unstored, self._unsendable)
        recovery = delivery.recovery
        if self._running is not None:
            if not self._stopped and (why := recovery.why_stop(delivery.around)):
                self._stopped = why
                self._running.run.stop(why)
            elif recovery.slowed():
                self._running.run.ease()
        elif delivery.running:
            return  # a run from before a reload: what it sent is not known yet
        elif saved and delivery.arrears.totals(Stand.DUE).packets and delivery.why_not(now) is None:
            chosen = delivery.arrears.due()[: min(MOST_AT_ONCE, recovery.left(now))]
            self._begin(delivery, chosen)
        elif saved and not self._looking and now >= self._look_at and self._ledger_changed():
            self._look_at = now + LOOK_PAUSE
            self._look(delivery)

    def _ledger_changed(self) -> bool:
        try:
            found = (self._folder / LEDGER).stat()
        except OSError:
            return False
        before, self._ledger_of = self._ledger_of, (found.st_mtime_ns, found.st_size)
        return self._ledger_of != before

    def _look(self, delivery: Delivery) -> None:
        """Somebody else may have delivered what is kept here: ask the ledger, in a thread of its own."""
        kept = [parcel for parcel in delivery.arrears if parcel.stand is not Stand.OPEN]
        if not kept:
            return
        self._looking = True
        Thread(f"{self.settings.name}/look", partial(self._looks, delivery, kept), self._failed).start()

    def _looks(self, delivery: Delivery, kept: Sequence[Parcel], _wait: Wait) -> None:
        seen = True
        try:
            settle(self._folder, kept, lambda: iso(self._now()), partial(self._tell, delivery))
        except KeeperError as error:
            log.warning("agent=%s ledger=%r", self.settings.name, str(error))
            seen = False
        self._call(partial(self._looked, seen=seen))

    def _looked(self, *, seen: bool) -> None:
        self._take()
        self._looking = False
        if not seen:
            self._ledger_of = (0, 0)  # what it says is still to be heard, changed again or not

    def close(self, why: str) -> None:
        """Have the run end; see `join`."""
        if self._running is not None:
            self._stopped = why
            self._running.run.stop(why)

    def join(self, seconds: float) -> None:
        """Give what is in flight that long, then leave it."""
        if self._running is not None and not self._running.thread.join(seconds):
            self._running.run.leave()
            self._running.thread.join(0.5)

    def _begin(self, delivery: Delivery, parcels: Sequence[Parcel]) -> None:
        kind = ScriptResend if self.settings.script else Resend
        texts = _Texts(self._database, self.settings.name)
        run: Run = kind(
            self.settings,
            self._folder,
            parcels,
            texts.text,
            self._now,
            lambda: iso(self._now()),
            partial(self._tell, delivery),
        )
        delivery.running = True
        delivery.recovery.began()
        self._stopped = ""
        self._told.clear()
        events = sum(parcel.events for parcel in parcels)
        self._say(f"sending {len(parcels):,} packets ({events:,} events) again")
        thread = Thread(f"{self.settings.name}/resend", partial(self._body, delivery, run, texts), self._failed)
        self._running = _Running(run, thread)
        thread.start()

    def _body(self, delivery: Delivery, run: Run, texts: _Texts, _wait: Wait) -> None:
        """The run's thread. That packets could not be sent is an answer; anything else it raises is a bug."""
        in_use = False
        try:
            why = run.run()
        except KeeperError as error:
            why, in_use = str(error), isinstance(error, InUse)
        finally:
            texts.close()
        self._call(partial(self._ended, delivery, why, in_use=in_use))

    def _tell(self, delivery: Delivery, report: Report) -> None:
        """In the run's thread. However many there are, the loop is called once for all that it has not taken yet: calls
        are bounded, and none of these may fall out."""
        self._reports.append((delivery, report))
        if not self._calling:
            self._calling = True
            self._call(self._take)

    def _take(self) -> None:
        self._calling = False  # first: what is told from here on calls again
        while self._reports:
            delivery, report = self._reports.popleft()
            self._told[report.result.value] += 1
            delivery.resent(report, self._now())
        self._touch(self.settings.name)

    def _ended(self, delivery: Delivery, why: str, *, in_use: bool) -> None:
        """`in_use`: the ledger was, by a person's command most likely, and so nothing was tried."""
        self._take()
        now = self._now()
        delivery.running = False
        if in_use:
            delivery.recovery.put_off(now, why)
        else:
            delivery.recovery.ended(now, why)
        self._running = None
        told = ", ".join(f"{number:,} {result}" for result, number in self._told.items()) or "nothing was sent"
        self._say(f"sending again was ended, {told}: {why}" if why else f"sending again came through: {told}")
        self._touch(self.settings.name)

    def _say(self, text: str) -> None:
        log.info("agent=%s resend=%r", self.settings.name, text)
        self._journal("resend", self.settings.name, text)


class _Texts:
    """Reads the texts of parcels in the run's thread, over a connection of its own: the loop never waits for it."""

    def __init__(self, database: Path, agent: str) -> None:
        self._database = database
        self._agent = agent
        self._records: Records | None = None

    def text(self, number: int) -> bytes | None:
        self._records = self._records or read_beside(self._database)
        return self._records.parcel_text(self._agent, number)

    def close(self) -> None:
        if self._records is not None:
            self._records.close()


def _blind(pipeline: Pipeline, now: float) -> str | None:
    """Why the agent's log does not tell of the present."""
    memory = pipeline.memory
    if now < memory.distrust_until:
        return memory.distrust_reason
    blind = memory.sights["log"].blind(now)
    return f"the agent's log cannot be seen: {blind}" if blind else None
