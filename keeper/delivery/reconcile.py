"""The ledger and the collected packets on one side, what the receiver has on the other: look, ask, judge, note.

Nothing is known of a packet until the receiver was asked, so judging begins when all answers are there. What the
receiver has was delivered, whatever the agent heard; what it has not got, though all it accepted is stored, is lost and
may be sent again; of the rest nothing new is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Any, NamedTuple

from keeper.delivery.account import Account, count
from keeper.delivery.confirming import PACKETS, Confirming, batches, questions
from keeper.delivery.imprint import Empty, Imprint
from keeper.delivery.ledger import CONFIRMED, Fate, Ledger, Note
from keeper.delivery.packet import Packet, WrongLine
from keeper.delivery.plan import Item, each_once, without_numbers
from keeper.delivery.wire import Unfit
from keeper.errors import SendError
from keeper.receiver.confirm import Name
from keeper.receiver.ranges import joined, shown_ranges
from keeper.receiver.stores.store import Range

NOBODY = (1 << 63) - 1  # an id that no packet has: the receiver finds it only in packets that came without any
NOTES = 1_000  # written to the ledger at once


LATE = "the receiver has accepted more than it has stored; ask again"
SILENT = "the receiver did not answer"
ALIKE = "the receiver has it, or another packet that differs in nothing but its id"


class Finding(StrEnum):
    """What is known of a packet now. Each is in exactly one."""

    PROVEN = "delivered"  # as the ledger said
    FOUND = "delivered, as is known now"
    LOST = "lost"
    MISSING = "acknowledged but missing"
    REFUSED = "refused and missing"
    UNKNOWN = "unknown"


class Asked(NamedTuple):
    """A packet the receiver is asked about. `fate` is what the ledger says, `by_number` of its id only."""

    item: Item
    names: tuple[Name, ...]
    fate: Fate | None
    by_number: bool


class Judged(NamedTuple):
    """`why` is half a sentence where the finding leaves something to say."""

    finding: Finding
    why: str = ""


@dataclass
class Survey:
    """What there is to ask: `account` has what is not asked about. `alike` are contents that several packets share."""

    account: Account = field(default_factory=Account)
    asked: list[Asked] = field(default_factory=list)
    alike: set[bytes] = field(default_factory=set)


@dataclass
class Reconciled:
    """What came of it. `account` has what was not asked about, `unknown` the reasons, `missing` the packets that were
    acknowledged and are not there; `ids` are those of packets that the ledger knows beside, `ids_missing` of those."""

    account: Account
    source: str = ""
    findings: Counter[Finding] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    missing: list[Item] = field(default_factory=list)
    ids: int = 0
    ids_missing: list[Range] = field(default_factory=list)
    ids_unknown: str = ""  # why nothing is known of them

    def parts(self) -> dict[str, int]:
        """Each collected packet is in exactly one of these."""
        account = self.account
        return {
            **{finding.value: self.findings[finding] for finding in Finding},
            "unfit": account.all_rejected,
            "repeated": account.repeated,
            "skipped": account.skipped.total(),
        }

    def adds_up(self) -> bool:
        return sum(self.parts().values()) == self.account.collected

    def as_json(self) -> dict[str, Any]:
        account = self.account
        return {
            "source": self.source,
            "collected": account.collected,
            **{name.replace(",", "").replace(" ", "_"): number for name, number in self.parts().items()},
            "adds_up": self.adds_up(),
            "wrong_lines": account.wrong_lines,
            "unknown_by_reason": dict(self.unknown),
            "unfit_by_reason": {**account.rejected, **account.unknown_types},
            "missing_ids": [item.id for item in self.missing],
            "ledger_ids": self.ids,
            "ledger_ids_missing": shown_ranges(self.ids_missing),
            "ledger_ids_unknown": self.ids_unknown,
        }


def survey(found: Iterable[Packet | WrongLine], ledger: Ledger, imprint: Imprint, skip: frozenset[str]) -> Survey:
    """Look at every packet: what it is called there, and what the ledger says."""
    made = Survey()
    account = made.account
    contents: set[bytes] = set()
    for packet, name in each_once(found, account, skip):
        try:
            names = imprint.names(packet)
        except Empty:
            count(account.skipped, f"{packet.key} without events")
            continue
        except Unfit as error:
            count(account.rejected, without_numbers(f"{packet.key}: {error}"))
            continue
        for _, content in names:
            (made.alike if content in contents else contents).add(content)
        item = Item(account.collected, *name, packet.key, 0, packet.place, len(packet.data))
        made.asked.append(Asked(item, names, ledger.fate(*name), ledger.by_id_only(*name)))
    return made


def ask(made: Survey, receiver: Confirming, heard: Callable[[int], object]) -> tuple[str, Mapping[Name, bool | None]]:
    """Ask for all of it; `heard` is told how many answers came. Returns the receiver's name of the source, and what is
    known. After a question that nobody answers no other is asked.

    Raises SendError when not even the first was answered, and Rejected.
    """
    names = dict.fromkeys(chain(*(asked.names for asked in made.asked), ((NOBODY, one) for one in made.alike)))
    there: dict[Name, bool | None] = {}
    source = ""
    for batch in batches(names, PACKETS):
        try:
            source, answers = receiver.packets(batch)
        except SendError:
            if not there:
                raise
            break
        there.update(answers)
        heard(len(batch))
    return source, there


def judge(asked: Asked, there: Mapping[Name, bool | None], alike: set[bytes]) -> Judged:
    """What the answers say of one packet."""
    answers = [there.get(name) for name in asked.names]
    acknowledged = asked.fate is Fate.DELIVERED
    found = [name for name, answer in zip(asked.names, answers, strict=True) if answer]
    if found:
        if acknowledged and not asked.by_number:
            return Judged(Finding.PROVEN)
        if all(_anybodys(content, there, alike) for _, content in found):
            return Judged(Finding.UNKNOWN, ALIKE)
        return Judged(Finding.FOUND)
    if None in answers:
        return Judged(Finding.UNKNOWN, LATE if all(name in there for name in asked.names) else SILENT)
    if acknowledged:
        return Judged(Finding.MISSING)
    return Judged(Finding.REFUSED if asked.fate is Fate.REFUSED else Finding.LOST)


def judged(made: Survey, source: str, there: Mapping[Name, bool | None]) -> tuple[Reconciled, list[Note]]:
    """What the answers say of all, and what is to be written to the ledger for it."""
    result = Reconciled(made.account, source)
    notes = []
    for asked in made.asked:
        finding, why = judge(asked, there, made.alike)
        result.findings[finding] += 1
        item = asked.item
        if finding is Finding.UNKNOWN:
            count(result.unknown, why)
        elif finding is Finding.MISSING:
            result.missing.append(item)
        elif finding is Finding.FOUND:
            notes.append(Note(item.id, item.content, Fate.DELIVERED, CONFIRMED))
        elif finding is Finding.LOST and asked.fate is not Fate.LOST:
            notes.append(Note(item.id, item.content, Fate.LOST, "the receiver has not got it"))
    return result, notes


def note(ledger: Ledger, notes: Iterable[Note]) -> None:
    """Raises StateError; what was written until then holds."""
    for batch in batches(notes, NOTES):
        ledger.note(batch)


def check_ledger(ledger: Ledger, made: Survey, receiver: Confirming, result: Reconciled) -> None:
    """Ask by their ids for the packets that keeper sent and the server took, and that are not among those surveyed:
    their text is not here. Raises Rejected."""
    here = {(asked.item.id, asked.item.content) for asked in made.asked}
    ids = {id for id, content in ledger.answered() if (id, content) not in here}
    result.ids = len(ids)
    missing: list[Range] = []
    for question in questions(ids):
        try:
            gaps = receiver.ids(question)
        except SendError as error:
            result.ids_unknown = str(error)
            break
        result.source = gaps.source
        if gaps.missing and not gaps.complete:
            result.ids_unknown = LATE
            break
        missing += gaps.missing
    result.ids_missing = joined(missing)


def _anybodys(content: bytes, there: Mapping[Name, bool | None], alike: set[bytes]) -> bool:
    """Several packets have this content, and the one that is there has no id to say which of them it is."""
    return content in alike and there.get((NOBODY, content)) is not False
