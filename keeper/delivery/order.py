"""In which order logs were written, told by their times and packet ids; their names and dates lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from keeper.delivery.scan import FileScan
from keeper.formats.local_time import naive_text
from keeper.formats.statistic_agent import Broken, records

GAP = 60_000  # milliseconds without a line between two files: a busy agent writes every second
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

    Times decide. Where they overlap, because the clock was set back, packet ids do: an agent counts, so the log whose
    first packet follows the last packet of another follows that log.
    """
    by_time = sorted(scans, key=lambda scan: (scan.first or 0, scan.last or 0, bool(scan.tail), scan.path))
    ordered: list[FileScan] = []
    together: list[FileScan] = []
    latest = 0
    for scan in by_time:
        start, end = sorted((scan.first or 0, scan.last or 0))
        same = start == end == latest and together and together[-1].first == start  # both within one millisecond
        if together and start >= latest and not same:
            ordered += _by_ids(together)
            together = []
        latest = max(latest, end)
        together.append(scan)
    return ordered + _by_ids(together)


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


def _by_ids(scans: list[FileScan]) -> list[FileScan]:
    """Order logs whose times overlap: chains of logs that follow each other, each chain at the time of its first."""
    if len(scans) == 1:
        return scans
    following = _following(scans)
    led = {id(scan) for scan in following.values()}
    ordered = []
    for scan in scans:
        if id(scan) in led:
            continue
        link: FileScan | None = scan
        while link is not None:
            ordered.append(link)
            link = following.pop(id(link), None)
    # What is left leads to itself in a circle, which times alone can break.
    return ordered + [scan for scan in scans if not any(scan is known for known in ordered)]


def _following(scans: list[FileScan]) -> dict[int, FileScan]:
    """For each log (by `id`) the one that follows it. The closest pairs in ids, then in time, are joined first."""
    pairs = []
    for one, after in enumerate(scans):
        for two, before in enumerate(scans):
            distance = _distance(after, before)
            if one != two and distance is not None:
                pairs.append((distance, abs((before.first or 0) - (after.last or 0)), one, two))
    following: dict[int, FileScan] = {}
    led: set[int] = set()
    for _, _, one, two in sorted(pairs):
        if id(scans[one]) not in following and two not in led and not _leads(following, scans[two], scans[one]):
            following[id(scans[one])] = scans[two]
            led.add(two)
    return following


def _leads(following: dict[int, FileScan], start: FileScan, goal: FileScan) -> bool:
    link: FileScan | None = start
    while link is not None:
        if link is goal:
            return True
        link = following.get(id(link))
    return False


def _distance(after: FileScan, before: FileScan) -> int | None:
    """How many ids lie between the end of one log and the beginning of another; None if they cannot follow."""
    if any(stray.id in after.open for stray in before.strays[:_LOOKED_AT]) or _share_a_line(after, before):
        return 0
    if after.last_id is None or before.first_id is None:
        return 1 if after.tail and before.head is not None else None
    if before.first_id <= after.last_id:
        return None
    distance = before.first_id - after.last_id - 1
    return distance if distance <= after.broken + before.broken else None


def _share_a_line(after: FileScan, before: FileScan) -> bool:
    """Whether the end of one log and the beginning of another make a whole record."""
    if not after.tail or before.head is None:
        return False
    found = records(after.tail + before.head + b"\n")
    return bool(found) and not any(isinstance(record, Broken) for record in found)
