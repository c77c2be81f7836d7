"""The frequent lines of nodeos logs, many at once: what makes half a million lines a second possible.

Five lines of six in a busy log say `Received block` or `Produced block` in a shape of 1.4 on. One pattern takes them
all out of a block of text, and their events are made column by column in loops that run in C. The pattern may match
only what the careful way (`NodeosFormat.parse_carefully`) reads alike; columns and times are looked at once for every
different text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import pairwise, repeat
from operator import add
from typing import NamedTuple, TypeAlias

from keeper.core.event import BlockProduced, BlockReceived
from keeper.formats.nodeos_prefix import COLUMNS, PREFIX, Memo, seconds

# Cut out of a chunk at a time: what the patterns make of it stays in the processor's cache (15 % faster than 1 MiB).
BLOCK_BYTES = 1 << 16

# A line that stands for a run of blocks taken out. No text has it: NULs are removed before.
RUN = b"\0"

_BLOCK = re.compile(
    rb"\ninfo  (.{16}):([0-5]\d\.\d{3})([^]]{1,512}+)\] "
    rb"(?:(Received)|Produced) block ([0-9a-f]{8,16})\.\.\. #(\d{1,15})"
    rb"(?: \d{1,15})? @ (.{16}):(.{6}) (?:signed by|singer:) ([\w.-]{1,64}) \[trxs: (\d{1,15}), lib: (\d{1,15}),"
    rb"(?(4)[^\n]* latency: (-?\d{1,15}) ms\]$|[^\n]*)",
    re.MULTILINE,
)
# Any prefixed line: the groups of PREFIX, the message and its first two words.
PREFIXED = re.compile(rb"\n" + PREFIX + rb"(([^ \n]*)(?: ([^ \n]*))?[^\n]*)", re.MULTILINE)
_COLUMNS = re.compile(COLUMNS)


Block: TypeAlias = BlockReceived | BlockProduced


class Skimmed(NamedTuple):
    """Runs of blocks and the lines between them: the first run, then `rest` in which each RUN line stands for the next
    one, then the last. `rest` is empty if nothing stood between."""

    runs: Iterator[list[Block]]
    rest: bytes


class Skim:
    """Takes blocks out of text. Keeps bounded memos of the texts it has converted."""

    def __init__(self, minutes: Memo[bytes, float]) -> None:
        self._minutes = minutes
        self._seconds = Memo(seconds)
        self._columns = Memo(_columns)
        self._names = Memo(bytes.decode)
        self._numbers: Memo[bytes, int] = Memo(int)
        self._latencies = Memo(_latency)

    def blocks(self, text: bytes) -> Skimmed:
        """Take out what can be taken from lines each *preceded* by a newline.

        Raises ValueError if a line that looked like a block was none: read the text line by line then.
        """
        pieces = _BLOCK.split(text)
        blocks = self._events(pieces)
        between: list[bytes] = []
        ends = [0]
        for index, gap in enumerate(pieces[:: _BLOCK.groups + 1]):
            if gap:
                between.append(gap)
                ends.append(index)
        ends.append(len(blocks))
        runs = (blocks[start:end] for start, end in pairwise(ends))
        return Skimmed(runs, (b"\n" + RUN).join(between))

    def _events(self, pieces: list[bytes]) -> list[Block]:
        width = _BLOCK.groups + 1
        minutes = self._minutes.__getitem__
        numbers = self._numbers.__getitem__
        deque(map(self._columns.__getitem__, pieces[3::width]), maxlen=0)  # only looks at them
        at = map(add, map(minutes, pieces[1::width]), map(float, pieces[2::width]))
        received = pieces[4::width]
        block_ids = map(bytes.decode, pieces[5::width])
        block_numbers = map(int, pieces[6::width])
        slots = map(add, map(minutes, pieces[7::width]), map(self._seconds.__getitem__, pieces[8::width]))
        names = map(self._names.__getitem__, pieces[9::width])
        transactions = map(numbers, pieces[10::width])
        libs = map(numbers, pieces[11::width])
        latencies = map(self._latencies.__getitem__, pieces[12::width])
        # In the order of the fields of BlockReceived, which has the latency more than BlockProduced.
        # tuple.__new__(BlockReceived, fields) is BlockReceived(*fields) at a third of its cost.
        rows = zip(at, block_numbers, block_ids, slots, names, libs, transactions, latencies, strict=True)
        if None not in received:
            return list(map(tuple.__new__, repeat(BlockReceived), rows))
        new = tuple.__new__
        return [
            new(BlockReceived, row) if kind else new(BlockProduced, row[:-1])
            for kind, row in zip(received, rows, strict=True)
        ]


def _columns(text: bytes) -> None:
    if not _COLUMNS.fullmatch(text):
        raise ValueError(f"not the columns of a log line: {text!r}")


def _latency(text: bytes | None) -> float | None:
    return None if text is None else int(text) / 1000
