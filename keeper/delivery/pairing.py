"""From scans of single logs, in the order they were written, to the packets that no log shows as delivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from keeper.delivery.packet import Outcome
from keeper.delivery.scan import (
    DELIVERED,
    LATE,
    NO_CODE,
    OUTSIDE,
    SLOT,
    UNANSWERED,
    FileScan,
    Slot,
    Stray,
    Wanted,
    scan_line,
)
from keeper.formats.local_time import LocalTime

TIMED_OUT = 599  # what Tornado reports for its own timeouts and connection errors
SOON = 900_000  # milliseconds in which an answer is taken for that of a send, where the order of logs is in doubt
_READ = SLOT.size << 10


class Undelivered(NamedTuple):
    """A packet that is not known to have arrived. `number` counts all sends; `at` is Unix time; `code` None where
    there is none; the text is `length` bytes from `text` on of the file `texts`; the line it came from holds it at
    byte `log` of the plain log `path`."""

    number: int
    at: float
    id: int
    key: str
    events: int
    outcome: Outcome
    code: int | None
    texts: str
    text: int
    length: int
    path: str
    log: int


@dataclass(slots=True)
class Pairs:
    """What joining the logs added to what each holds. `answers` came in another log than their send: the place of its
    slot → the code."""

    scans: list[FileScan]
    answers: dict[int, int] = field(default_factory=dict)
    unmatched: int = 0  # answers to no packet of these logs, or to one that had its answer


def joined(ordered: Sequence[FileScan], spool: Path, wanted: Wanted) -> list[FileScan]:
    """Put the lines at the edges of logs between them: one that two logs share, made whole, or its pieces."""
    scans: list[FileScan] = []
    tail, before = b"", None
    for scan in [*ordered, None]:
        head = scan.head if scan else None
        for line, ended in _edges(tail, head):
            like = before or scan
            if like is not None:
                base = like.size - len(tail) if before else 0
                scans.append(scan_line(line, ended, base, like, Path(f"{spool}-{len(scans)}"), wanted))
        if scan:
            scans.append(scan)
            tail, before = scan.tail, scan
    return scans


def _edges(tail: bytes, head: bytes | None) -> list[tuple[bytes, bool]]:
    """The lines between two logs, and whether each is ended by a newline."""
    if tail:
        return [(tail, False) if head is None else (tail + head, True)]
    return [(head, True)] if head else []


def pair(scans: list[FileScan], wanted: Wanted, *, doubtful: bool) -> Pairs:
    """Give answers at the beginning of a log to sends at the end of those before. `doubtful`: the order may be wrong.

    A send takes over its id from an earlier one: an agent that starts again counts from the beginning, and no answer
    to what it sent before can come any more.
    """
    made = Pairs(scans, unmatched=sum(scan.unmatched for scan in scans))
    waiting: dict[int, int] = {}  # id → place of the slot
    orphans: dict[tuple[int, str], list[Stray]] = {}
    began = list(accumulate((scan.elapsed for scan in scans), initial=0))
    for index, scan in enumerate(scans):
        for stray in scan.strays:
            place = waiting.get(stray.id)
            if place is not None and _answers(scans, began, place, scan.keys[stray.key], began[index] + stray.elapsed):
                del waiting[stray.id]
                made.answers[place] = stray.code
            else:
                orphans.setdefault((stray.id, scan.keys[stray.key]), []).append(stray)
        for number in _taken_over(waiting, scan):
            del waiting[number]
        waiting.update((number, _place(index, slot)) for number, slot in scan.open.items())
    if doubtful and orphans:
        _give_soon(made, orphans)
    made.unmatched += sum(wanted.covers(stray.at) for strays in orphans.values() for stray in strays)
    return made


def undelivered(pairs: Pairs, zone: tzinfo | None) -> Iterator[Undelivered]:
    """Yield what was not delivered, in order of sending."""
    clock = LocalTime(zone)
    base = 0
    for index, scan in enumerate(pairs.scans):
        if scan.first is not None:
            clock.seconds(scan.first)
        steps = iter(scan.steps)
        step = next(steps, None)
        for number, slot in enumerate(_slots(scan)):
            while step and step.number <= slot.number:
                clock.seconds(step.before)
                clock.seconds(step.after)
                step = next(steps, None)
            at = clock.seconds(slot.at)
            code = pairs.answers.get(_place(index, number), scan.codes[number])
            if code != DELIVERED:
                outcome = _outcome(code)
                yield Undelivered(
                    base + slot.number, at, slot.id, scan.keys[slot.key], slot.events, outcome,
                    code if code >= 0 else None, f"{scan.spool}.texts", slot.text, slot.length, scan.path, slot.log,
                )  # fmt: skip
        while step:
            clock.seconds(step.before)
            clock.seconds(step.after)
            step = next(steps, None)
        if scan.last is not None:
            clock.seconds(scan.last)
        base += scan.sends


def totals(scans: Sequence[FileScan]) -> tuple[Counter[str], Counter[str], Counter[str], Counter[str]]:
    """By type: packets sent, their events, packets without an id, their events."""
    packets, events, bare, bare_events = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for scan in scans:
        for key, tally in scan.sent.items():
            packets[scan.keys[key]] += tally.packets
            events[scan.keys[key]] += tally.events
        for key, tally in scan.without_id.items():
            bare[scan.keys[key]] += tally.packets
            bare_events[scan.keys[key]] += tally.events
    return packets, events, bare, bare_events


def _outcome(code: int) -> Outcome:
    if code == UNANSWERED:
        return "unanswered"
    return "unknown" if code in (NO_CODE, TIMED_OUT) else "rejected"


def _slots(scan: FileScan) -> Iterator[Slot]:
    with Path(f"{scan.spool}.slots").open("rb") as file:
        while data := file.read(_READ):
            yield from map(Slot._make, SLOT.iter_unpack(data))


def _place(log: int, slot: int) -> int:
    """One number for a slot of a log: 100,000 of them are held."""
    return log << 32 | (slot & 0xFFFFFFFF)


def _answers(scans: Sequence[FileScan], began: Sequence[int], place: int, key: str, elapsed: int) -> bool:
    """Whether an answer of this type and time can be that of the send."""
    log, slot = place >> 32, place & 0xFFFFFFFF
    if slot == OUTSIDE & 0xFFFFFFFF:
        return True
    scan = scans[log]
    return scan.keys[scan.slot_keys[slot]] == key and elapsed - began[log] - scan.slot_elapsed[slot] <= LATE


def _taken_over(waiting: dict[int, int], scan: FileScan) -> list[int]:
    """The ids that are sent again in a later log."""
    if not scan.runs:
        return []
    least = min(first for first, _ in scan.runs)
    return [
        number for number in waiting if number >= least and any(first <= number <= last for first, last in scan.runs)
    ]


def _give_soon(made: Pairs, orphans: dict[tuple[int, str], list[Stray]]) -> None:
    """Give answers without a send to sends without an answer, by id, type and time alone, where an id was used once.

    Where a clock was set back while logs were rotated, their order may be wrong; this is right all the same.
    """
    for index, scan in enumerate(made.scans):
        for number, slot in enumerate(_slots(scan)):
            strays = orphans.get((slot.id, scan.keys[slot.key]))
            place = _place(index, number)
            if not strays or scan.codes[number] != UNANSWERED or place in made.answers:
                continue
            soon = next((stray for stray in strays if 0 <= stray.at - slot.at <= SOON), None)
            if soon and sum(first <= slot.id <= last for one in made.scans for first, last in one.runs) == 1:
                strays.remove(soon)
                made.answers[place] = soon.code
