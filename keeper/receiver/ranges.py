"""Many ids in few characters: `1,5,9-20`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from keeper.receiver.packet import LARGEST_ID, Malformed
from keeper.receiver.stores.store import Range

_ONE = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?", re.ASCII)


def read_ranges(text: str, most: int) -> list[Range]:
    """`1,5,9-20` → at most so many ranges as they stand there, none of them joined. Raises Malformed."""
    if text.count(",") >= most:
        raise Malformed(f"more than {most:,} ranges of ids; ask for them in parts")
    found = []
    for part in text.split(","):
        match = _ONE.fullmatch(part.strip())
        if not match:
            raise Malformed(f"{part[:50]!r} is neither an id nor a range of ids; write 1,5,9-20")
        first, last = int(match[1]), int(match[2] or match[1])
        if last > LARGEST_ID:
            raise Malformed(f"{last} is no id: the largest is {LARGEST_ID}")
        if first > last:
            raise Malformed(f"{part[:50]!r} goes down; write {last}-{first}")
        found.append(Range(first, last))
    return found


def shown_ranges(ranges: Iterable[Range]) -> str:
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def joined(ranges: Iterable[Range]) -> list[Range]:
    """The same ids in order, as few ranges as possible."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1].last + 1:
            found[-1] = Range(found[-1].first, max(last, found[-1].last))
        else:
            found.append(Range(first, last))
    return found


def covered(ranges: Iterable[Range]) -> int:
    """How many ids they have; each counts once in ranges that are joined."""
    return sum(last - first + 1 for first, last in ranges)


def without(asked: Sequence[Range], there: Sequence[Range]) -> list[Range]:
    """The ids of `asked` that are not in `there`; both are joined."""
    left = []
    known = iter(there)
    next_known = next(known, None)
    for first, last in asked:
        begin = first
        while next_known is not None and next_known.first <= last:
            if next_known.first > begin:
                left.append(Range(begin, next_known.first - 1))
            begin = max(begin, next_known.last + 1)
            if next_known.last > last:
                break  # it may cover the beginning of the next one, too
            next_known = next(known, None)
        if begin <= last:
            left.append(Range(begin, last))
    return left


def parts(ranges: Iterable[Range], size: int) -> Iterator[Range]:
    """The same ids in ranges of at most so many."""
    for first, last in ranges:
        for begin in range(first, last + 1, size):
            yield Range(begin, min(last, begin + size - 1))
