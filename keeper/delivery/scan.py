"""One log, read once: what was sent in it and not delivered, and all that files before and after it must know.

Whether a packet was delivered may show in the next file only, and whole files are read at the same time by several
processes. So a scan pairs what it can and leaves the rest to `pairing`: sends still open at its end, answers whose send
it has not seen, and the broken line at either end. Texts of undelivered packets are written to disk as soon as they
leave the few megabytes behind the reading position; nothing is read twice, and memory does not grow with the log.
"""

from __future__ import annotations

import struct
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from keeper.core.lines import LineSplitter
from keeper.delivery.packet import MAX_LINE
from keeper.delivery.reading import Reading
from keeper.formats.local_time import FOLD
from keeper.formats.statistic_agent import (
    Answered,
    Broken,
    Sent,
    added,
    began_as,
    begins_dated,
    first_time,
    last_time,
    records,
)
from keeper.runtime.ahead import ahead

WINDOW = 8 << 20  # bytes of log kept: answers come within a minute, and most within milliseconds
MAX_RUNS = 1024  # runs of packet ids that are remembered; an agent that counts begins one each time it starts
UNANSWERED, NO_CODE, DELIVERED = -1, -2, 200
OUTSIDE = -1  # the slot of a send outside of what is wanted: it has an answer, but no place
# Milliseconds in which an answer comes: agents give up after 60 s. They are counted on a clock that runs while the log
# is written and stops in pauses of more than PAUSE, so that a clock that is set, or a machine asleep, changes nothing.
LATE = 100_000
PAUSE = 30_000
TOLD_EVERY = 1 << 20  # bytes of a file
SLOT = struct.Struct("<8q")


class Slot(NamedTuple):
    """A send that had not been delivered when its text was written to disk. `number` counts the sends of the log,
    `at` is milliseconds of the local clock, `key` an index of FileScan.keys; the others are bytes, `text` an offset
    in the file of texts, `log` one in the plain log."""

    number: int
    at: int
    id: int
    key: int
    events: int
    text: int
    length: int
    log: int


class Stray(NamedTuple):
    """An answer whose send is not in this log before it. `key` is an index of FileScan.keys, `elapsed` milliseconds
    since the log began (see LATE)."""

    at: int
    elapsed: int
    id: int
    key: int
    code: int


class Step(NamedTuple):
    """The log's clock stepped back before the send with this number, or later if no send followed."""

    number: int
    before: int
    after: int


@dataclass(slots=True)
class Tally:
    packets: int = 0
    events: int = 0

    def add(self, events: int) -> None:
        self.packets += 1
        self.events += events


@dataclass(slots=True)
class FileScan:
    """What one log held. Times are milliseconds of its local clock."""

    path: str
    spool: str  # the beginning of the paths of its files of slots, texts and added events
    size: int = 0
    lines: int = 0
    broken: int = 0
    cut: int = 0
    unmatched: int = 0  # answers to packets that had their answer, or whose line is broken
    damage: str | None = None
    first: int | None = None
    last: int | None = None
    head: bytes | None = None  # the first line, without its newline, if it does not begin with a time
    tail: bytes = b""  # the last line, if nothing ends it
    keys: list[str] = field(default_factory=list)
    sent: dict[int, Tally] = field(default_factory=dict)  # by key
    without_id: dict[int, Tally] = field(default_factory=dict)
    sends: int = 0
    first_id: int | None = None
    last_id: int | None = None
    runs: list[list[int]] = field(default_factory=list)  # of ids that were sent, each a first and a last
    codes: array[int] = field(default_factory=lambda: array("i"))  # of each slot
    slot_keys: array[int] = field(default_factory=lambda: array("i"))
    slot_elapsed: array[int] = field(default_factory=lambda: array("q"))
    elapsed: int = 0  # milliseconds from its beginning to its end (see LATE)
    open: dict[int, int] = field(default_factory=dict)  # id → slot or OUTSIDE, of sends that may still be answered
    strays: list[Stray] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    added: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a log shall be looked at: sends from `since` to before `until`, in milliseconds of the local clock."""

    since: int | None = None
    until: int | None = None
    added: bool = False

    def covers(self, at: int) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class _Send:
    """A send whose text is still in memory."""

    __slots__ = ("code", "elapsed", "id", "key", "number", "sent")

    def __init__(self, number: int, sent: Sent, packet_id: int, key: int, elapsed: int) -> None:
        self.number = number
        self.sent = sent
        self.id = packet_id
        self.key = key
        self.elapsed = elapsed
        self.code = UNANSWERED


class _Chunk(NamedTuple):
    data: bytes
    base: int  # its offset in the plain log
    sends: list[_Send]


class Task(NamedTuple):
    """A log to scan; `alone` if no other is scanned at the same time, so that a processor is free for unpacking."""

    path: Path
    spool: Path
    wanted: Wanted
    alone: bool


def scan(task: Task, progress: Callable[[int], None]) -> FileScan:
    """Read a log. `progress` is told now and then how many of the file's bytes were read. Raises OSError."""
    reading = Reading(task.path)
    told = 0
    with Scanner(str(task.path), task.spool, task.wanted) as scanner:
        for piece in ahead(reading.pieces()) if task.alone else reading.pieces():
            scanner.feed(piece)
            if reading.taken - told >= TOLD_EVERY:
                told = reading.taken
                progress(told)
        scanner.finish()
    progress(reading.taken)
    scanner.made.damage = reading.damage
    return scanner.made


def scan_line(line: bytes, ended: bool, base: int, like: FileScan, spool: Path, wanted: Wanted) -> FileScan:
    """Read one line as if it were a file of its own: one that two files share, or that one has at its edge.

    `ended` tells whether a newline ended it, `base` is where it begins in the plain log `like`.
    """
    with Scanner(like.path, spool, wanted) as scanner:
        scanner.lines(line + b"\n", base, ended)
        scanner.finish()
    return scanner.made


class Scanner:
    """Pairs the records of one log, chunk by chunk. A context: its files are open inside it."""

    def __init__(self, path: str, spool: Path, wanted: Wanted) -> None:
        self.made = FileScan(path, str(spool))
        self._wanted = wanted
        self._all = wanted.since is None and wanted.until is None
        self._splitter = LineSplitter(MAX_LINE)
        self._began = False
        self._base = 0  # of the next line in the plain log
        self._keys: dict[bytes, int] = {}
        self._open: dict[int, _Send | int] = {}  # a number: the slot
        self._chunks: deque[_Chunk] = deque()
        self._held = 0
        self._text = 0
        self._lost = 0  # sends that broke since the last that did not
        self._at: int | None = None
        self._elapsed = 0
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> Scanner:
        kinds = ("slots", "texts", "added") if self._wanted.added else ("slots", "texts")
        self._files = {kind: Path(f"{self.made.spool}.{kind}").open("wb") for kind in kinds}  # noqa: SIM115  # __exit__
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def feed(self, piece: bytes) -> None:
        """Take any bytes of the log, in order."""
        self.made.size += len(piece)
        lines = self._splitter.feed(piece)
        if not lines:
            return
        if not self._began and not begins_dated(lines):
            self.made.head, _, lines = lines.partition(b"\n")
            self._base = len(self.made.head) + 1
            self.made.lines += 1
        self._began = True
        if lines:
            self.lines(lines, self._base, ended=True)

    def lines(self, data: bytes, base: int, ended: bool) -> None:
        """Take complete lines from `base` of the plain log on. `ended` False: the last was not, and may be cut."""
        made = self.made
        made.lines += data.count(b"\n")
        if made.first is None:
            made.first = first_time(data)
        last = last_time(data)
        made.last = made.last if last is None else last
        if self._wanted.added:
            self._add(data)
        sends: list[_Send] = []
        found = records(data)
        if not ended:  # what does not begin it may be what a user wrote
            found = [record for record in found[:1] if isinstance(record, Broken) or began_as(data)]
        for record in found:
            if isinstance(record, Answered):
                self._answer(record)
            elif isinstance(record, Sent) and ended:
                self._send(record, sends)
            else:
                self._break(record)
        self._base = base + len(data)
        self._chunks.append(_Chunk(data, base, sends))
        self._held += len(data)
        while self._held > WINDOW:
            self._forget()

    def finish(self) -> None:
        """The log is at its end."""
        self.made.tail = self._splitter.flush()[:-1]
        if self.made.first is None:
            self.made.first = self.made.last = first_time(self.made.tail)
        self.made.cut = self._splitter.cut
        while self._chunks:
            self._forget()
        self.made.elapsed = self._elapsed
        self.made.open = {number: slot for number, slot in self._open.items() if isinstance(slot, int)}
        self.made.keys = [key.decode("utf-8", "surrogateescape") for key in self._keys]

    def _key(self, key: bytes) -> int:
        number = self._keys.get(key)
        return self._keys.setdefault(key, len(self._keys)) if number is None else number

    def _send(self, sent: Sent, sends: list[_Send]) -> None:
        made = self.made
        self._step(sent.at)
        covered = self._all or self._wanted.covers(sent.at)
        key = self._key(sent.key)
        number = sent.id
        if number is None:
            if covered:
                made.without_id.setdefault(key, Tally()).add(sent.events)
            return
        if self._lost:
            self._lose_before(number)
        self._remember(number)
        if not covered:
            self._open[number] = OUTSIDE
            return
        send = self._open[number] = _Send(made.sends, sent, number, key, self._elapsed)
        sends.append(send)
        made.sends += 1
        tally = made.sent.get(key)
        if tally is None:
            tally = made.sent[key] = Tally()
        tally.add(sent.events)

    def _answer(self, answer: Answered) -> None:
        made = self.made
        self._step(answer.at)
        code = NO_CODE if answer.code is None else answer.code
        key = self._key(answer.key)
        send = self._open.get(answer.id)
        if send is not None and self._answers(send, key):
            del self._open[answer.id]
            if isinstance(send, _Send):
                send.code = code
            elif send != OUTSIDE:
                made.codes[send] = code
        elif any(first <= answer.id <= last for first, last in made.runs):
            made.unmatched += self._wanted.covers(answer.at)
        else:
            made.strays.append(Stray(answer.at, self._elapsed, answer.id, key, code))

    def _answers(self, send: _Send | int, key: int) -> bool:
        """Whether an answer of this type, now, can be that of a send with the same id."""
        if isinstance(send, _Send):
            return send.key == key and self._elapsed - send.elapsed <= LATE
        if send == OUTSIDE:
            return True
        return self.made.slot_keys[send] == key and self._elapsed - self.made.slot_elapsed[send] <= LATE

    def _break(self, record: Sent | Broken) -> None:
        """A broken line. A send that broke has had an id: the next one, so that its answer is not taken for that to a
        packet with this id which the agent sent before it was started again."""
        made = self.made
        if record.at is None or self._wanted.covers(record.at):
            made.broken += 1
        if isinstance(record, Broken) and record.what == "answer":
            return
        self._lost += 1
        if made.last_id is not None:
            self._open.pop(made.last_id + 1, None)
            self._remember(made.last_id + 1)

    def _lose_before(self, number: int) -> None:
        """The ids right before this one belong to the sends that broke since the last, if none of them was sent."""
        current = self.made.runs[-1] if self.made.runs else [0, -1]
        for lost in range(max(0, number - self._lost), number):
            if not current[0] <= lost <= current[1]:
                self._open.pop(lost, None)
                self._remember(lost)
        self._lost = 0

    def _step(self, at: int) -> None:
        before, self._at = self._at, at
        if before is None:
            return
        passed = at - before
        if passed > 0:
            self._elapsed += passed if passed < PAUSE else PAUSE
        elif passed < -FOLD:
            self.made.steps.append(Step(self.made.sends, before, at))

    def _remember(self, number: int) -> None:
        made = self.made
        made.last_id = number
        runs = made.runs
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
            return
        if made.first_id is None:
            made.first_id = number
        runs.append([number, number])
        if len(runs) > MAX_RUNS:
            del runs[0]

    def _add(self, data: bytes) -> None:
        """Copy the events that services handed over."""
        copied = []
        for at, key, start, end in added(data):
            if self._all or self._wanted.covers(at):
                if key is None:
                    self.made.broken += 1
                else:
                    copied.append(b"key=%b, args=%b\n" % (key, data[start:end]))
        self._files["added"].writelines(copied)
        self.made.added += len(copied)

    def _forget(self) -> None:
        """Let go of the oldest chunk. What in it is not delivered goes to disk."""
        chunk = self._chunks.popleft()
        self._held -= len(chunk.data)
        made = self.made
        for send in chunk.sends:
            if send.code == DELIVERED:
                continue
            at, _, _, start, end, events = send.sent
            text = chunk.data[start:end]
            slot = Slot(send.number, at, send.id, send.key, events, self._text, len(text), chunk.base + start)
            self._files["slots"].write(SLOT.pack(*slot))
            self._files["texts"].write(text)
            self._text += len(text)
            if self._open.get(send.id) is send:
                self._open[send.id] = len(made.codes)
            made.codes.append(send.code)
            made.slot_keys.append(send.key)
            made.slot_elapsed.append(send.elapsed)
