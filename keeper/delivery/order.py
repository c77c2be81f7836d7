"""In which order logs were written, told by their times and packet ids; their names and dates lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from keeper.delivery.scan import FileScan
from keeper.formats.local_time import naive_text
from keeper.formats.statistic_agent import Answered, Broken, Sent, records

GAP = 60_000  # milliseconds without a line between two files: a busy agent writes every second
SET_BACK = 7_200_000  # milliseconds: the most that clocks are set back, twice an hour
SURE_ID = 1_000  # ids from here on follow each other by chance only once in a thousand times
LOST = 3  # ids that may be missing between two logs that follow each other: sends of which hardly a letter was written
_LOOKED_AT = 100  # answers without a send at the beginning of a log
_STEP = 1_000  # milliseconds that times may go back without anything having happened


@dataclass(frozen=True, slots=True)
class Gap:
    """Something is missing between two logs. Times are milliseconds of the local clock. `ids` are the packets sent in
    between, from first to last; None where ids do not tell: then a log is missing, or the agent was down."""

    after: str
    before: str
    start: int
    end: int
    ids: tuple[int, int] | None

    @property
    def text(self) -> str:
        where = f"from {naive_text(self.start)} ({self.after}) to {naive_text(self.end)} ({self.before})"
        if self.ids is None:
            return f"nothing is logged {where}: a log is missing, or the agent was down"
        first, last = self.ids
        return f"{last - first + 1:,} packets, ids {first} to {last}, are in no log, {where}: a log is missing"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two logs that follow each other go back in time, from `start` to `end`. `sure`: packet ids prove their order."""

    after: str
    before: str
    start: int
    end: int
    sure: bool

    @property
    def text(self) -> str:
        where = f"from {naive_text(self.start)} ({self.after}) back to {naive_text(self.end)} ({self.before})"
        if self.sure:
            return f"the log's time goes {where}: the clock was set back; packet ids show the order"
        return f"the log's time goes {where}: these may be logs of two agents, or parts of one log twice"


def in_order(scans: Sequence[FileScan]) -> list[FileScan]:
    """Put logs into the order they were written. Each must have a first time.

    Chains of logs that follow each other stand at the time of their first. What follows what is told by packet ids, for
    an agent counts; so a clock that was set back does not mix up the logs before and after.
    """
    by_time = sorted(scans, key=_time_of)
    following = _following(by_time)
    forward = all((before.first or 0) >= (after.last or 0) for after, before in pairwise(by_time))
    if forward and all(two > one for one, two in following.items()):
        return by_time
    led = set(following.values())
    ordered: list[FileScan] = []
    silent = []  # they say nothing of their order but their time
    for start, scan in enumerate(by_time):
        link = None if start in led else start
        if link is not None and link not in following and scan.first_id is None and not scan.strays:
            silent.append(scan)
            continue
        while link is not None:
            ordered.append(by_time[link])
            link = following.get(link)
    for scan in silent:
        ordered.insert(_where(ordered, scan), scan)
    return ordered


def gaps(ordered: Sequence[FileScan]) -> list[Gap]:
    """Where a log is missing between two, or nothing was written."""
    found = []
    for after, before in pairwise(ordered):
        start, end = after.last or 0, before.first or 0
        missing = _missing(after, before)
        # A line that broke took its id with it, so a few ids may be missing where no file is.
        few = after.broken + before.broken + 1
        if missing and missing[1] - missing[0] >= few:
            found.append(Gap(after.path, before.path, start, end, missing))
        elif end - start >= GAP and not _follows(after, before):
            found.append(Gap(after.path, before.path, start, end, None))
    return found


def overlaps(ordered: Sequence[FileScan]) -> list[Overlap]:
    """Where time goes back from one log to the next."""
    return [
        Overlap(after.path, before.path, after.last or 0, before.first or 0, _follows(after, before))
        for after, before in pairwise(ordered)
        if (before.first or 0) < (after.last or 0) - _STEP
    ]


def _follows(after: FileScan, before: FileScan) -> bool:
    """Whether ids prove that nothing is missing between two logs."""
    return _distance(after, before) == 0


def _missing(after: FileScan, before: FileScan) -> tuple[int, int] | None:
    if after.last_id is None or before.first_id is None or before.first_id <= after.last_id + 1:
        return None
    return after.last_id + 1, before.first_id - 1


def _time_of(scan: FileScan) -> tuple[int, int, bool, float, str]:
    """What logs are sorted by. Within one millisecond: a torn end comes last, and smaller ids first."""
    number = inf if scan.first_id is None else scan.first_id
    return scan.first or 0, scan.last or 0, bool(scan.tail), number, scan.path


def _following(scans: Sequence[FileScan]) -> dict[int, int]:
    """For each log the one that follows it, both by index. The closest pairs in ids, then in time, are joined first."""
    pairs = []
    for one, two in _candidates(scans):
        after, before = scans[one], scans[two]
        distance = _distance(after, before)
        forward = (before.first or 0) - (after.last or 0)
        if forward < 0 and not (_overlap(after, before) or _sure(before)):
            continue  # times that make sense are believed
        if distance is not None and -SET_BACK <= forward <= GAP:
            pairs.append((distance, abs(forward), one, two))
    following: dict[int, int] = {}
    led: set[int] = set()
    for _, _, one, two in sorted(pairs):
        if one not in following and two not in led and not _leads(following, two, one):
            following[one] = two
            led.add(two)
    return following


def _sure(before: FileScan) -> bool:
    """Whether a log begins with ids, so large that another agent, or another day, hardly has them."""
    ids = [stray.id for stray in before.strays[:1]] + ([] if before.first_id is None else [before.first_id])
    return bool(ids) and all(number >= SURE_ID for number in ids)


def _overlap(one: FileScan, other: FileScan) -> bool:
    """Whether their times, each from first to last whatever comes first, have more than an end in common."""
    first, second = (sorted((scan.first or 0, scan.last or 0)) for scan in (one, other))
    return first[0] < second[1] and second[0] < first[1]


def _where(ordered: Sequence[FileScan], silent: FileScan) -> int:
    """Where a log fits in by its time: best between two that leave room, else before the first that begins later."""
    first, last = silent.first or 0, silent.last or 0
    for index, (after, before) in enumerate(pairwise(ordered), 1):
        if (after.last or 0) <= first and last <= (before.first or 0):
            return index
    if ordered and (ordered[-1].last or 0) <= first:
        return len(ordered)
    return next((index for index, scan in enumerate(ordered) if (scan.first or 0) >= last), len(ordered))


def _candidates(scans: Sequence[FileScan]) -> set[tuple[int, int]]:
    """Pairs of logs of which the second may follow the first."""
    by_first_id: dict[int, list[int]] = {}
    by_stray: dict[int, list[int]] = {}
    headless = [index for index, scan in enumerate(scans) if scan.head is not None]
    for index, scan in enumerate(scans):
        if scan.first_id is not None:
            by_first_id.setdefault(scan.first_id, []).append(index)
        for stray in scan.strays[:_LOOKED_AT]:
            by_stray.setdefault(stray.id, []).append(index)
    found: set[tuple[int, int]] = set()
    for index, scan in enumerate(scans):
        last = scan.last_id
        nexts = [] if last is None else range(last + 1, last + 2 + LOST)
        found.update((index, other) for number in nexts for other in by_first_id.get(number, ()))
        found.update((index, other) for number in by_stray.keys() & scan.open.keys() for other in by_stray[number])
        if scan.tail:
            found.update((index, other) for other in headless)
    return {(one, two) for one, two in found if one != two}


def _leads(following: dict[int, int], start: int, goal: int) -> bool:
    link: int | None = start
    while link is not None and link != goal:
        link = following.get(link)
    return link is not None


def _distance(after: FileScan, before: FileScan) -> int | None:
    """How far one log is from following another: ids that lie between them; None if nothing says that it follows."""
    shared = _shared(after, before)
    sends = [record.id for record in shared if isinstance(record, Sent) and record.id is not None]
    if sends:
        return _along([after.last_id, *sends, before.first_id])
    # Pieces of two answers make a whole one, too, but hardly to a packet that waits for it.
    answered = [stray.id for stray in before.strays[:_LOOKED_AT]]
    answered += [record.id for record in shared if isinstance(record, Answered)]
    linked = any(number in after.open for number in answered)
    if after.last_id is None or before.first_id is None:
        return 0 if linked or shared else 1 if after.tail and before.head is not None else None
    between = before.first_id - after.last_id - 1
    if between < 0:
        return 0 if linked else None
    return between if linked or between <= LOST else None


def _along(ids: Sequence[int | None]) -> int | None:
    """How many ids are missing in a row with the sends of a shared line in it; an agent may have started again once."""
    known = [number for number in ids if number is not None]
    missing = [after - before - 1 for before, after in pairwise(known)]
    near = [number for number in missing if 0 <= number <= LOST]
    if len(missing) - len(near) > 1 or (missing and not near):
        return None
    return sum(near) + (LOST + 1) * (len(missing) - len(near))


def _shared(after: FileScan, before: FileScan) -> list[Sent | Answered]:
    """The records that the end of one log and the beginning of another make, and neither makes alone; none unless they
    are whole."""
    if not after.tail or before.head is None:
        return []
    joined = after.tail + before.head
    if any(isinstance(record, Broken) for record in records(joined + b"\n")):
        return []
    alone = {(record.at, record.id) for piece in (after.tail, before.head) for record in _whole(piece)}
    return [record for record in _whole(joined) if (record.at, record.id) not in alone]


def _whole(line: bytes) -> Iterator[Sent | Answered]:
    return (record for record in records(line + b"\n") if not isinstance(record, Broken))
