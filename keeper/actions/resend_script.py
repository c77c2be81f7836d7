"""Sending again by a program of the operator's: it is given a folder like that of `keeper collect`, and prints the ids
of what it delivered, one a line."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from keeper.actions.resend import Tell, Text
from keeper.actions.script import run
from keeper.core.source import Now
from keeper.delivery.ledger import Fate, Ledger, Note, made
from keeper.delivery.outcome import Result
from keeper.delivery.parcel import Parcel, Report
from keeper.delivery.plan import may_repeat, why_hold
from keeper.delivery.written import write_folder
from keeper.errors import InUse, KeeperError
from keeper.settings import AgentSettings

PLAN = "plan"  # the folder with what is to be sent, inside the agent's work folder; made anew for each run


class ScriptResend:
    """As Resend, through `settings.script`.

    Every packet is noted as under way before the program starts. What it names is delivered. When it ends well the
    rest was not; when it fails, is stopped or runs too long, nobody knows, and the policy for that decides.
    """

    def __init__(
        self, settings: AgentSettings, folder: Path, parcels: Sequence[Parcel], text: Text, now: Now,
        said: Callable[[], str], tell: Tell,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._folder = folder
        self._parcels = parcels
        self._text = text
        self._now = now
        self._said = said
        self._tell = tell
        self._stop = ""
        self._stopping = Event()

    def stop(self, why: str) -> None:
        """Have the program end. From any thread."""
        self._stop = self._stop or why
        self._stopping.set()

    def ease(self) -> None:
        """The program has a pace of its own."""

    def leave(self) -> None:
        self.stop("keeper stops")

    def run(self) -> str:
        """Run it. Returns why it did not deliver everything, in one sentence; empty when it did.

        Raises InUse while another keeper sends from the folder.
        """
        try:
            folder = made(self._folder)
            ledger = Ledger.open(folder, self._said)
        except InUse:
            raise
        except KeeperError as error:
            return str(error)
        try:
            ledger.bind(self._settings.name, self._settings.script)
            chosen = self._chosen(ledger)
            return self._deliver(chosen, ledger, folder / PLAN) if chosen and not self._stop else self._stop
        except KeeperError as error:
            return str(error)
        finally:
            ledger.close()

    def _chosen(self, ledger: Ledger) -> list[Parcel]:
        chosen = []
        repeat = may_repeat(self._settings)
        for parcel in self._parcels:
            fate = ledger.fate(parcel.id, parcel.content)
            if fate is Fate.DELIVERED and not ledger.by_id_only(parcel.id, parcel.content):
                self._tell(Report(parcel.number, Result.ACCEPTED, 200, "it had been delivered before", 0.0, sent=False))
            elif why := why_hold(parcel.outcome, fate, repeat):
                self._tell(Report(parcel.number, Result.UNKNOWN, 0, why, 0.0, sent=False))
            else:
                chosen.append(parcel)
        return chosen

    def _deliver(self, parcels: Sequence[Parcel], ledger: Ledger, plan: Path) -> str:
        shutil.rmtree(plan, ignore_errors=True)
        write_folder(made(plan), parcels, self._text)
        ledger.note([Note(parcel.id, parcel.content, Fate.SENDING) for parcel in parcels])
        times = Counter(parcel.id for parcel in parcels)
        named: Counter[int] = Counter()

        def line(text: bytes) -> None:
            if text.strip().isdigit() and int(text) in times:
                named[int(text)] += 1

        began = self._now()
        try:
            failed = run(
                [self._settings.script, str(plan)],
                {"PATH": os.defpath, "LANG": "C.UTF-8", "KEEPER_AGENT": self._settings.name},
                self._settings.script_timeout,
                line,
                self._now,
                self._stopping.wait,
            )
        except KeeperError as error:  # nothing was started, so nothing can have arrived
            ledger.note([Note(parcel.id, parcel.content, Fate.FAILED, str(error)) for parcel in parcels])
            raise
        took = self._now() - began
        vain = Result.UNKNOWN if failed else Result.FAILED
        notes, reports = [], []
        for parcel in parcels:
            # An agent that restarts uses its ids again: one word for two packets does not say which of them arrived.
            delivered = named[parcel.id] >= times[parcel.id]
            result = Result.ACCEPTED if delivered else vain
            detail = "" if delivered else f"{self._settings.script}: {failed or 'it did not name this packet'}"
            fate = Fate.DELIVERED if delivered else Fate.UNKNOWN if failed else Fate.FAILED
            notes.append(Note(parcel.id, parcel.content, fate, detail))
            reports.append(Report(parcel.number, result, 200 if delivered else 0, detail, took, sent=True))
        ledger.note(notes)
        for report in reports:
            self._tell(report)
        left = sum(report.result is not Result.ACCEPTED for report in reports)
        return f"{self._settings.script}: {failed or f'{left:,} of {len(reports):,} were not named'}" if left else ""
