"""What a resend would do with each collected packet, decided before the first is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from keeper.delivery.account import SHOWN, Account, count
from keeper.delivery.ledger import Fate, Ledger
from keeper.delivery.packet import LINE, Outcome, Packet, Place, WrongLine
from keeper.delivery.wire import Unfit, UnknownType, Wire, events_of
from keeper.errors import KeeperError
from keeper.settings import AgentSettings

CLASSIC_ANSWER = 0.05  # seconds an answer is supposed to take in an estimate


class Item(NamedTuple):
    """A packet to be sent: where its text is, not the text. `number` is its place in the order."""

    number: int
    id: int
    content: str
    key: str
    events: int
    place: Place
    length: int


@dataclass
class Plan:
    account: Account = field(default_factory=Account)
    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        self.items.append(item)
        self.account.planned_packets += 1
        self.account.untried += 1
        count(self.account.planned, item.key, item.events)
        count(self.account.packets_by_type, item.key)


def plan(
    found: Iterable[Packet | WrongLine],
    ledger: Ledger,
    wire: Wire,
    settings: AgentSettings,
    reject: Callable[[Packet, str], None],
) -> Plan:
    """Look at every packet. `reject` is told of each that cannot be put on the wire, and why."""
    made = Plan()
    account = made.account
    by_id: dict[int, list[Item]] = {}
    repeat = may_repeat(settings)
    for packet, name in each_once(found, account, settings.skip):
        fate = ledger.fate(*name)
        by_number = ledger.by_id_only(*name)
        if fate is Fate.DELIVERED and not by_number:
            account.delivered_before += 1
            continue
        if not by_number and (why := why_hold(packet.outcome, fate, repeat)):
            count(account.held, why)
            continue
        events = checked(packet, wire, account, reject)
        if events is None:
            continue
        item = Item(account.collected, *name, packet.key, events, packet.place, len(packet.data))
        if by_number:
            by_id.setdefault(item.id, []).append(item)
        else:
            made.add(item)
    settle_by_id(made, by_id, repeat)
    return made


def checked(packet: Packet, wire: Wire, account: Account, reject: Callable[[Packet, str], None]) -> int | None:
    """How many events it has; None, and rejected, when it cannot be put on the wire."""
    try:
        events = events_of(packet.data)
        wire.encode(packet.key, events)
    except UnknownType as error:
        count(account.unknown_types, packet.key)
        reject(packet, str(error))
    except Unfit as error:
        count(account.rejected, without_numbers(f"{packet.key}: {error}"))
        reject(packet, str(error))
    else:
        return len(events)
    return None


def settle_by_id(made: Plan, by_id: dict[int, list[Item]], repeat: bool) -> None:
    """A bare id in ids.ok proves that one packet of that id arrived. If the collection has several, it does not say
    which: none of them may be lost for that."""
    again = []
    for items in by_id.values():
        if len(items) == 1:
            made.account.delivered_before += 1
        elif repeat:
            again += items
        else:
            made.account.held["ids.ok has its id, and several packets have that id"] += len(items)
    for item in again:
        made.add(item)
    if again:
        made.items.sort()


def may_repeat(settings: AgentSettings) -> bool:
    """May a packet be sent that the server may already have?"""
    if settings.unknown_outcome == "if_deduplicates":
        return settings.deduplicates
    return settings.unknown_outcome == "resend"


def may_wait(settings: AgentSettings) -> bool:
    """Is a packet that the server may already have still to be sent, now or when more is known of it?"""
    return settings.unknown_outcome == "ask" or may_repeat(settings)


def why_hold(outcome: Outcome | None, fate: Fate | None, repeat: bool) -> str | None:
    """Why a packet must wait for a person; None when it may be sent."""
    if repeat or fate is Fate.LOST:
        return None
    if fate in (Fate.SENDING, Fate.UNKNOWN):
        return "keeper sent it, and no answer says what became of it"
    return {
        "unknown": "the agent heard no answer in time; the server may have it",
        "unanswered": "no answer was logged; the server may have it",
        None: "the file does not tell how the server answered",
    }.get(outcome)


def text_of(item: Item) -> bytes:
    """The packet's data, read again. Raises KeeperError when it is no longer there."""
    try:
        with Path(item.place.file).open("rb") as file:
            file.seek(item.place.offset)
            line = file.readline(item.length + 4096).rstrip(b"\r\n")
    except OSError as error:
        raise KeeperError(f"cannot read {item.place.file}: {error.strerror or error}") from error
    match = LINE.fullmatch(line)
    if match:
        packet = Packet(int(match["id"]), item.key, None, match["data"], None, None, item.place)
        if packet.name == (item.id, item.content):
            return packet.data
    raise KeeperError(f"{item.place.file} was changed while it was being sent; start again")


def each_once(
    found: Iterable[Packet | WrongLine], account: Account, skip: Collection[str]
) -> Iterator[tuple[Packet, tuple[int, str]]]:
    """The packets that are looked at further, with their names, which are long to make: wrong lines, types to skip and
    repeats are counted and left out."""
    seen: set[tuple[int, str]] = set()
    for packet in found:
        if isinstance(packet, WrongLine):
            _note_wrong(account, packet)
            continue
        account.collected += 1
        if packet.key in skip:
            count(account.skipped, packet.key)
        elif (name := packet.name) in seen:
            account.repeated += 1
        else:
            seen.add(name)
            yield packet, name


def _note_wrong(account: Account, line: WrongLine) -> None:
    if line.text.startswith(b"#"):
        return  # the reason above a packet in collected-rejected
    account.wrong_lines += 1
    if len(account.wrong) < SHOWN:
        account.wrong.append(f"{line.place.file}, byte {line.place.offset:,}: {line.reason}")


def without_numbers(reason: str) -> str:
    """The reason as a kind, so that a thousand packets with one fault are one line."""
    return re.sub(r"(?<=event )\d+|(?<=byte )\d+|(?<=\[)\d+|\d{4,}", "N", reason)[:200]


def classic_seconds(made: Plan, settings: AgentSettings) -> float:
    """How long the classic pacing takes when answers come soon."""
    events = made.account.planned.total()
    chains = min(4, settings.in_flight)
    return (events * settings.event_pause + made.account.planned_packets * CLASSIC_ANSWER) / chains
