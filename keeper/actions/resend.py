"""Sending again what an agent lost: one run, in a thread of its own, of packets the loop has chosen.

The ledger in the agent's work folder is asked before anything leaves, and written before and after: what was delivered
by an earlier run, by one that was killed, or by hand, is not sent again. Each packet's fate is reported as it is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from keeper.core.options import shown_url
from keeper.core.source import Now
from keeper.delivery.account import Account
from keeper.delivery.appended import Unchanged
from keeper.delivery.ledger import Fate, Ledger, made
from keeper.delivery.outcome import Outcome, Result
from keeper.delivery.outfit import ask_receiver, headers_of, limits_of, line_of, pacing_of, wire_of
from keeper.delivery.packet import Packet, Place
from keeper.delivery.parcel import Parcel, Report, Stand
from keeper.delivery.plan import Item, may_repeat, why_hold
from keeper.delivery.rejects import FILE as REJECTED
from keeper.delivery.rejects import Rejects
from keeper.delivery.resend_log import ResendLog, open_log
from keeper.delivery.sender import Sender
from keeper.delivery.wire import Unfit, Wire, events_of
from keeper.errors import InUse, KeeperError
from keeper.settings import AgentSettings

GONE = "what was to be sent again is no longer kept"
IN_VAIN = 2  # packets in a row that were not taken, for any reason but their own, end a run


Text = Callable[[int], bytes | None]
Tell = Callable[[Report], None]


def settle(folder: Path, parcels: Sequence[Parcel], said: Callable[[], str], tell: Tell) -> None:
    """Report the parcels of which somebody else knows more meanwhile: delivered by hand, or lost, as the receiver says.
    Sends and writes nothing.

    Raises KeeperError when the ledger cannot be read.
    """
    ledger = Ledger.open(folder, said, how=Unchanged)
    try:
        for parcel in parcels:
            fate = ledger.fate(parcel.id, parcel.content)
            if fate is Fate.DELIVERED and not ledger.by_id_only(parcel.id, parcel.content):
                tell(Report(parcel.number, Result.ACCEPTED, 200, "it was delivered by hand", 0.0, sent=False))
            elif fate is Fate.LOST and parcel.stand is Stand.HELD:
                tell(Report(parcel.number, Result.FAILED, 0, "the receiver has not got it", 0.0, sent=False))
    finally:
        ledger.close()


class Resend:
    """`text` gives a parcel's list, `tell` hears of every fate, both in the run's own thread; `said` gives the time for
    the files people read."""

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
        self._sender: Sender | None = None
        self._stop = ""
        self._stopping = threading.Event()
        self._unsaid = ""  # why the receiver does not say yet what it has
        self._in_vain = 0  # in a row
        self._settled = 0
        self._left = ""  # the last that was not taken, or is not kept any more

    def stop(self, why: str) -> None:
        """Start no packet more; those in flight may end. From any thread."""
        first, self._stop = not self._stop, self._stop or why
        self._stopping.set()
        if first and self._sender is not None:
            self._sender.stop()

    def ease(self) -> None:
        """The live agent feels it: slow down. From any thread."""
        if self._sender is not None:
            self._sender.ease()

    def leave(self) -> None:
        """Leave those in flight, too: nobody will know what became of them."""
        if self._sender is not None:
            self._sender.stop()
            self._sender.stop()

    def run(self) -> str:
        """Send them. Returns why not all of them are settled, in one sentence; empty when it came through.

        Raises InUse while another keeper sends from the folder.
        """
        try:
            folder = made(self._folder)
            ledger = Ledger.open(folder, self._said)
        except InUse:
            raise
        except KeeperError as error:
            return str(error)
        rejects = Rejects(folder / REJECTED)
        try:
            ledger.bind(self._settings.name, shown_url(self._settings.url))
            wire = wire_of(self._settings)
            self._unsaid = ask_receiver(self._packets(), ledger, self._settings, self._now, self._stopping.wait)
            items = self._chosen(ledger, wire, rejects)
            ended = self._send(items, ledger, wire, rejects) if items else self._stop
            return ended or self._unfinished()
        except KeeperError as error:
            return str(error)
        finally:
            rejects.close()
            ledger.close()

    def _packets(self) -> Iterator[Packet]:
        """What may have to be asked for; nothing after `stop`."""
        for parcel in self._parcels:
            text = None if self._stop else self._text(parcel.number)
            if text is not None:
                yield _packet(parcel, text)

    def _chosen(self, ledger: Ledger, wire: Wire, rejects: Rejects) -> list[Item]:
        """What is really to be sent: without what the ledger knows, the policy holds, or the wire cannot carry."""
        items = []
        repeat = may_repeat(self._settings)
        for parcel in self._parcels:
            if self._stop:
                break
            fate = ledger.fate(parcel.id, parcel.content)
            if fate is Fate.DELIVERED and not ledger.by_id_only(parcel.id, parcel.content):
                self._found(parcel, Result.ACCEPTED, "it had been delivered before")
            elif fate is Fate.REFUSED:
                self._found(parcel, Result.REFUSED, "it was refused before")
            elif (why := why_hold(parcel.outcome, fate, repeat)) and self._unsaid:
                self._left = f"what the receiver has is not known: {self._unsaid}"
            elif why:
                self._found(parcel, Result.UNKNOWN, why)
            elif (text := self._text(parcel.number)) is None:
                self._left = GONE
            elif (unfit := _unfit(parcel.key, text, wire)) is not None:
                rejects.add(_packet(parcel, text), unfit)
                self._found(parcel, Result.REFUSED, unfit)
            else:
                place = Place("", parcel.number)
                items.append(
                    Item(parcel.number, parcel.id, parcel.content, parcel.key, parcel.events, place, parcel.size)
                )
        return items

    def _send(self, items: list[Item], ledger: Ledger, wire: Wire, rejects: Rejects) -> str:
        line_of(self._settings, wire, self._now).close()  # wrong certificates are said before a packet is under way
        account = Account()
        with open_log(self._folder) as opened:
            log = ResendLog(opened, self._said, self._settings.id_shift)

            def answered(item: Item, outcome: Outcome, took: float) -> None:
                log.answered(item, outcome, took)
                self._answered(item, outcome, took)

            self._sender = Sender(
                ledger=ledger,
                pacing=pacing_of(self._settings),
                limits=limits_of(self._settings)._replace(attempts=1),
                now=self._now,
                packed=lambda item: self._packed(item, wire),
                headers=lambda item: headers_of(self._settings, item),
                connect=lambda: line_of(self._settings, wire, self._now),
                refused=lambda item, why: self._reject(item, why, rejects),
                sending=log.sending,
                answered=answered,
                watch=lambda told: None,
            )
            if self._stop:
                return self._stop
            self._sender.run(items, account)
        return self._stop or account.ended

    def _found(self, parcel: Parcel, result: Result, why: str) -> None:
        """What is known of a packet without sending it."""
        self._settled += 1
        self._tell(Report(parcel.number, result, 200 if result is Result.ACCEPTED else 0, why, 0.0, sent=False))

    def _answered(self, item: Item, outcome: Outcome, took: float) -> None:
        self._tell(Report(item.number, outcome.result, outcome.code, outcome.detail, took, sent=True))
        if outcome.result in (Result.ACCEPTED, Result.REFUSED):
            self._in_vain = 0
            self._settled += 1
            return
        self._in_vain += 1
        self._left = f"a packet sent again was not taken: {outcome.detail}"
        # That one packet is not taken may be the packet's fault; anything else is the server's, and it gets its rest.
        if outcome.result is not Result.FAILED or self._in_vain >= IN_VAIN:
            self.stop(self._left)

    def _unfinished(self) -> str:
        """Why the next run must not follow at once, though this one came to its end."""
        return "" if self._left == GONE and self._settled else self._left

    def _packed(self, item: Item, wire: Wire) -> bytes | None:
        """Its answer may have come late, or it fell out: what is no longer kept is no longer owed."""
        text = self._text(item.number)
        return None if text is None else wire.encode(item.key, events_of(text))

    def _reject(self, item: Item, why: str, rejects: Rejects) -> None:
        text = self._text(item.number)
        if text is not None:
            rejects.add(_packet(item, text), why)


def _unfit(key: str, text: bytes, wire: Wire) -> str | None:
    try:
        wire.encode(key, events_of(text))
    except Unfit as error:
        return str(error)
    return None


def _packet(one: Parcel | Item, text: bytes) -> Packet:
    outcome = one.outcome if isinstance(one, Parcel) else None
    return Packet(one.id, one.key, None, text, outcome, None, Place("", one.number))
