"""Which lines of a container were handed over, so that each is handed over once. Pure.

The engine's following stream cannot be trusted across a rotation: 20.10 repeats a new file and leaves out whole files,
and newer engines still "skip over" lines when they missed rotations (moby, loggerutils/follow.go). A reading that does
not follow takes all files at one moment and is complete (measured: 1,100 readings of logs rotating up to 100 times a
second, none with a gap or a repetition). So the stream is only the fast path; what it showed is compared with a reading
from the last *proven* line on, which hands over what the stream left out.
"""

from __future__ import annotations

from keeper.sources.docker_position import LineId, Position, number
from keeper.sources.docker_stream import Line

REMEMBERED = 16_384  # lines, twice: more than the stream can lag behind two readings
CLEAN_WITHIN = 8_192  # lines: a line that does not end must not keep the proven one back for ever


class Recent:
    """Line ids, the newest REMEMBERED at least and twice as many at most."""

    __slots__ = ("_new", "_old")

    def __init__(self) -> None:
        self._new: set[LineId] = set()
        self._old: set[LineId] = set()

    def __contains__(self, line_id: LineId) -> bool:
        return line_id in self._new or line_id in self._old

    def add(self, line_id: LineId) -> None:
        self._new.add(line_id)
        if len(self._new) >= REMEMBERED:
            self._old, self._new = self._new, set()


class Ledger:
    """What was handed over of one container, by the stream and by readings. Fields as in Position.

    `suspect` is the time of a line of the stream that was not handed over, nor any after it, because only a reading can
    tell whether it is new (the clock was set back), shown again, or whole.
    """

    def __init__(self, start: Position) -> None:
        self.container = start.container
        self.id = start.id
        self.proven = start.proven
        self.ahead = start.ahead
        self.last = start.last
        self.floor = start.floor
        self.suspect: int | None = None
        # An earlier keeper's lines behind `proven`: known by their number and the last of them, not each.
        self.inherited = start.ahead > 0
        self._shown: dict[LineId, int] = {}  # by the stream, with their sizes, not yet met by a reading
        self._read = Recent()
        self._high = self.newest()  # the highest time of all that was met
        self._headless: set[tuple[int, int]] = set()  # lines in whose middle the stream was opened
        self._opening = False

    def position(self) -> Position:
        return Position(self.container, self.id, self.proven, self.ahead, self.last, self.floor)

    def newest(self) -> int:
        """The time up to which lines were handed over, in ns; 0 when none was."""
        return max([self.floor, *(line_id.ns for line_id in (self.proven, self.last) if line_id is not None)])

    def opened(self) -> None:
        """A new stream begins, maybe in the middle of lines."""
        self._opening = True

    def fresh(self, line: Line) -> bool:
        """Whether a line of the stream is to be handed over; it counts as handed over then.

        In doubt nothing is, until the next reading: it has the lines in their order.
        """
        line_id = LineId(line.stream, line.ns, 1)
        if self.suspect is not None:
            return False
        if line_id in self._shown or line_id in self._read:
            # Shown again. Two lines may share a microsecond (journald), but not a nanosecond.
            if line.ns == self._high and line.ns % 1000 == 0:
                self.suspect = line.ns
            return False
        # Left to the reading: a line that may lack pieces, and one that is older than others, because the clock was
        # set back, the other stream was faster, or the engine had left it out before.
        if line.joined or (line.stream, line.ns) in self._headless or line.ns <= self._high:
            self.suspect = line.ns
            return False
        self._high = line.ns
        self._shown[line_id] = len(line.data)
        self.ahead += 1
        self.last = line_id
        return True

    def start_over(self) -> None:
        """The proven line is gone from the log: go on with what is newer than everything handed over."""
        self._remember_shown()
        self.floor = self.newest()
        self.proven = self.last = None
        self.ahead = 0
        self.inherited = False

    def reading(self, whole: bool, end: LineId | None = None) -> Reading:
        """Begin to take a reading of the log; `whole` when it does not begin at some line near the end.

        `end` is where a shorter reading ended just before: this one must come to it, too.
        """
        return Reading(self, self._shown, self._read, whole, end)

    def compared(self, newest: dict[int, LineId], unfinished: set[tuple[int, int]]) -> None:
        """A reading reached the end of the log: `newest` are the last lines there, `unfinished` those still open."""
        self._remember_shown()
        self._high = max([self._high, *(line_id.ns for line_id in newest.values())])
        self._headless = unfinished if self._opening else self._headless & unfinished
        self._opening = False
        self.suspect = None

    def _remember_shown(self) -> None:
        for line_id in self._shown:
            self._read.add(line_id)
        self._shown.clear()


class Reading:
    """One reading of the log, from somewhere before the proven line to its end, its lines in the order of the log.

    `found` when the proven line was met (at once when there is none); `end` is the last line. `left_out` counts
    lines of an earlier keeper's stretch that its stream had left out: they cannot be told from those it handed over.
    `only_last` when the proven line is gone, but the last one of that stretch is still there. `broken_off` when lines
    that are known are not in it: 20.10 ends a reading, without a word, at the first damaged byte of a log, such as a
    power cut or a full disk leave behind. `passed_over` counts lines without a proven one before them that are not
    newer than what was handed over: the clock was set back, or another log has taken this one's place.
    """

    def __init__(self, ledger: Ledger, shown: dict[LineId, int], read: Recent, whole: bool, end: LineId | None) -> None:
        self._ledger = ledger
        self._whole = whole
        self._awaited = end
        self._shown = shown
        self._read = read
        self._numbered: dict[int, LineId] = {}
        self._passed = 0  # lines behind `proven`, handed over, that this reading has met
        self._floor = ledger.floor
        self._met: list[LineId] = []  # lines of the stream among them
        self._newest: LineId | None = None
        self.found = ledger.proven is None
        self.left_out = 0
        self.only_last = False
        self.broken_off = False
        self.passed_over = 0
        self.end: LineId | None = None

    def take(self, line: Line) -> bool:
        """Whether to hand this line over; it counts as handed over then."""
        line_id = self.end = number(line, self._numbered)
        ledger = self._ledger
        # Not by the count: a shorter reading may have begun among the lines of one microsecond.
        if self._awaited is not None and line_id[:2] == self._awaited[:2]:
            self._awaited = None
        if not self.found:
            self._seek(line_id)
            return False
        if line_id in self._shown or line_id in self._read:
            self._newest = line_id
            self._passed += 1
            size = self._shown.get(line_id)
            if size is not None:
                self._met.append(line_id)
            return size is not None and size < len(line.data)  # only its end had been shown, after lines left out
        self._newest = line_id
        if line.ns <= self._floor:
            self.passed_over += 1
            return False
        self._passed += 1
        if ledger.inherited:
            if line_id == ledger.last:
                self.left_out = self._passed - ledger.ahead
                ledger.ahead = self._passed
                ledger.inherited = False
            return False
        self._read.add(line_id)
        ledger.ahead += 1
        if ledger.ahead == self._passed:
            ledger.last = line_id
        return True

    def advance(self, unfinished: set[tuple[int, int]]) -> None:
        """Move the proven line to the newest one taken, if a later reading that begins there misses no line's head."""
        ledger = self._ledger
        if self._newest is None or ledger.inherited or (unfinished and self._passed < CLEAN_WITHIN):
            return
        ledger.proven, ledger.floor = self._newest, 0
        ledger.ahead = max(0, ledger.ahead - self._passed)
        self._newest, self._passed = None, 0
        # This reading may end any moment, with its engine; the next one begins behind these and must not miss them.
        for line_id in self._met:
            if self._shown.pop(line_id, None) is not None:
                self._read.add(line_id)
        self._met.clear()

    def close(self, unfinished: set[tuple[int, int]]) -> bool:
        """The log's end was reached. False when what was handed over before is not in this reading: it began too late,
        broke off, or the lines are gone."""
        ledger = self._ledger
        if not self.found or ledger.inherited:
            return False
        self.broken_off = len(self._met) < len(self._shown) or self._awaited is not None
        if self.broken_off:
            return False
        self.advance(unfinished)
        ledger.ahead = self._passed
        ledger.last = self._newest if self._passed else ledger.last
        ledger.compared(self._numbered, unfinished)
        return True

    def _seek(self, line_id: LineId) -> None:
        ledger = self._ledger
        if line_id == ledger.proven:
            self.found = True
        elif self._whole and ledger.inherited and line_id == ledger.last:
            self.found = self.only_last = True
            ledger.proven, ledger.ahead, ledger.inherited = line_id, 0, False
