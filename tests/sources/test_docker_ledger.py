"""Each line once or said to be lost: the ledger against an engine that repeats, leaves out and deletes."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

from keeper.errors import StateError
from keeper.sources.docker_ledger import CLEAN_WITHIN, Ledger
from keeper.sources.docker_position import LineId, Lookback, Position, number, position
from keeper.sources.docker_stream import STDERR, STDOUT, Line

START = Position("nodeos", "c0ffee")
FREE = 10_000  # times of the simulated log are this far apart, so that a clock can be set back between them


def line(ns: int, stream: int = STDOUT) -> Line:
    return Line(stream, ns, b"%d\n" % ns)


def read(ledger: Ledger, log: list[Line], whole: bool = True) -> tuple[list[int], bool]:
    """Take one reading; returns the times of the lines to hand over, and whether it reached back far enough."""
    reading = ledger.reading(whole)
    new = []
    for each in log:
        if reading.take(each):
            new.append(each.ns)
        reading.advance(set())
    return new, reading.close(set())


def test_stream_then_reading() -> None:
    """What the stream showed is not handed over again by a reading, what it left out is, and the position follows."""
    ledger = Ledger(START)
    log = [line(ns) for ns in range(1, 8)]
    assert read(ledger, log[:2]) == ([1, 2], True)
    assert [each.ns for each in log[1:] if each.ns != 5 and ledger.fresh(each)] == [3, 4, 6, 7]
    assert ledger.position() == Position("nodeos", "c0ffee", LineId(1, 2, 1), 4, LineId(1, 7, 1))
    assert read(ledger, log[1:]) == ([5], True)
    assert ledger.position() == Position("nodeos", "c0ffee", LineId(1, 7, 1), 0, LineId(1, 7, 1))
    assert not any(ledger.fresh(each) for each in log)
    assert ledger.suspect is None


def test_reading_that_begins_too_late() -> None:
    """A reading without the proven line hands over nothing and changes nothing: the lines between are not known."""
    ledger = Ledger(START)
    read(ledger, [line(1)])
    before = ledger.position()
    assert read(ledger, [line(5), line(6)], whole=False) == ([], False)
    assert ledger.position() == before
    ledger.start_over()
    assert ledger.position() == Position("nodeos", "c0ffee", floor=1)
    assert read(ledger, [line(1), line(5), line(6)]) == ([5, 6], True)


def test_restart_between_two_readings() -> None:
    """A new keeper knows of the stream's lines only their number and the last: it skips them, and says when the log has
    more of them than were handed over."""
    log = [line(ns) for ns in range(1, 9)]
    ledger = Ledger(START)
    read(ledger, log[:3])
    assert [each.ns for each in (log[3], log[5]) if ledger.fresh(each)] == [4, 6]  # 5 was left out

    again = Ledger(position(ledger.position().text(), "nodeos") or START)
    reading = again.reading(whole=False)
    assert [each.ns for each in log[2:] if reading.take(each)] == [7, 8]
    assert reading.close(set())
    assert reading.left_out == 1
    assert again.position().proven == LineId(1, 8, 1)


def test_restart_with_only_the_last_line_left() -> None:
    """When rotation took the proven line but not the last one handed over, reading goes on behind that one."""
    ledger = Ledger(Position("nodeos", "c0ffee", LineId(1, 3, 1), 2, LineId(1, 5, 1)))
    log = [line(ns) for ns in range(4, 8)]
    assert read(ledger, log, whole=False) == ([], False)
    reading = ledger.reading(whole=True)
    assert [each.ns for each in log if reading.take(each)] == [6, 7]
    assert reading.close(set())
    assert reading.only_last


def test_clock_set_back() -> None:
    """A line older than the newest is in doubt, and so is all after it; the reading has them in the log's order."""
    ledger = Ledger(START)
    log = [line(100), line(101), line(40), line(41), line(42)]
    read(ledger, log[:1])
    assert [ledger.fresh(each) for each in log[1:]] == [True, False, False, False]
    assert ledger.suspect == 40
    assert read(ledger, log) == ([40, 41, 42], True)
    assert not ledger.fresh(line(101))
    assert ledger.suspect is None
    assert not ledger.fresh(line(43))  # only readings can tell until the clock has caught up
    assert read(ledger, [*log[-1:], line(43)]) == ([43], True)
    assert ledger.fresh(line(102))


def test_lines_of_one_microsecond() -> None:
    """journald's lines may share a time: only a reading tells them apart, and a restart does not mix them up."""
    at = 5_000
    ledger = Ledger(START)
    log = [line(4_000), line(at), line(at), line(at), line(6_000)]
    read(ledger, log[:2])
    assert not ledger.fresh(log[2])
    assert ledger.suspect == at
    assert read(ledger, log[:3])[0] == [at]
    again = Ledger(position(ledger.position().text(), "nodeos") or START)
    assert read(again, log) == ([at, 6_000], True)


def test_two_streams_out_of_order() -> None:
    """stdout and stderr are written by two threads and may overtake each other: their order is that of the log."""
    ledger = Ledger(START)
    read(ledger, [line(1)])
    assert ledger.fresh(line(12, STDERR))
    assert not ledger.fresh(line(11))
    assert ledger.suspect == 11
    assert read(ledger, [line(1), line(12, STDERR), line(11)]) == ([11], True)
    assert ledger.position().proven == LineId(STDOUT, 11, 1)


def test_stream_opened_in_the_middle_of_a_line() -> None:
    """Of a line that was unfinished when the stream was opened the stream has no head: the reading hands it over."""
    ledger = Ledger(START)
    ledger.opened()
    reading = ledger.reading(whole=True)
    assert reading.take(line(1))
    reading.advance({(STDOUT, 2)})
    assert reading.close({(STDOUT, 2)})
    assert ledger.position() == Position("nodeos", "c0ffee", None, 1, LineId(1, 1, 1))
    assert not ledger.fresh(line(2))
    assert not ledger.fresh(line(3))
    assert read(ledger, [line(1), line(2), line(3)]) == ([2, 3], True)
    assert ledger.fresh(line(4))


def test_line_that_never_ends_does_not_hold_the_rest_back() -> None:
    """While a line of one stream stays unfinished the other's lines move the proven place on, in steps."""
    ledger = Ledger(START)
    reading = ledger.reading(whole=True)
    for ns in range(1, CLEAN_WITHIN + 10):
        reading.take(line(ns, STDERR))
        reading.advance({(STDOUT, 1)})
    assert reading.close({(STDOUT, 1)})
    assert ledger.position().proven == LineId(STDERR, CLEAN_WITHIN, 1)
    assert ledger.position().ahead == 9


def test_damaged_log() -> None:
    """A reading that ends before lines that are known, from the stream or from a shorter reading, is not believed."""
    ledger = Ledger(START)
    read(ledger, [line(1)])
    assert all(ledger.fresh(line(ns)) for ns in (2, 3))
    reading = ledger.reading(whole=False)
    reading.take(line(1))
    assert not reading.close(set())
    assert reading.broken_off

    ledger = Ledger(START)
    read(ledger, [line(1)])
    shorter = ledger.reading(whole=False)
    assert not shorter.take(line(9))
    assert not shorter.close(set())
    assert not shorter.broken_off
    longer = ledger.reading(whole=False, end=shorter.end)
    assert [each.ns for each in (line(1), line(2)) if longer.take(each)] == [2]
    assert not longer.close(set())
    assert longer.broken_off
    ledger.start_over()
    assert read(ledger, [line(8), line(9)], whole=False) == ([8, 9], True)


def test_a_reading_that_ends_with_its_engine() -> None:
    """What it had met of the stream is not awaited by the next one, which begins behind it."""
    ledger = Ledger(START)
    read(ledger, [line(1)])
    assert all(ledger.fresh(line(ns)) for ns in (2, 3, 4, 5))
    broken = ledger.reading(whole=False)
    for ns in (1, 2, 3):
        assert not broken.take(line(ns))
        broken.advance(set())
    assert ledger.position() == Position("nodeos", "c0ffee", LineId(1, 3, 1), 2, LineId(1, 5, 1))
    assert not ledger.fresh(line(2))
    assert read(ledger, [line(ns) for ns in (3, 4, 5, 6)], whole=False) == ([6], True)

    assert all(ledger.fresh(line(ns)) for ns in (7, 8))
    assert read(ledger, [line(ns) for ns in (6, 7)], whole=False) == ([], False)  # 8 is awaited as before


def test_lookback() -> None:
    """The last so many bytes of a log begin behind a line; the whole log when it is not longer."""
    for size, before in ((0, 5), (1, 5), (2, 4), (5, 3), (10, None), (99, None)):
        found = Lookback(size)
        for ns in range(1, 6):
            found.take(line(ns))
        assert found.before == (LineId(STDOUT, before, 1) if before else None)


@pytest.mark.parametrize(
    "saved", ["", "null", "[]", "{", '{"kind": "docker"}', '{"kind": "docker", "container": "a"}', "7"]
)
def test_garbled_position(saved: str) -> None:
    """A position keeper cannot have written is refused with its container's name."""
    if saved == '{"kind": "docker"}':
        saved = (
            '{"kind": "docker", "container": "nodeos", "id": "x", "proven": [1], "ahead": 0, "last": null, "floor": 0}'
        )
    if saved == '{"kind": "docker", "container": "a"}':
        assert position(saved, "nodeos") is None
        return
    with pytest.raises(StateError, match="container nodeos"):
        position(saved, "nodeos")


def test_position_of_another_subject() -> None:
    """When the configuration named another log before, there is no position yet."""
    assert position(None, "nodeos") is None
    assert position('{"at": null, "kind": "file"}', "nodeos") is None
    assert position(START.text(), "other") is None
    full = Position("nodeos", "c0ffee", LineId(2, 7, 3), 5, LineId(1, 9, 1), 4)
    assert position(full.text(), "nodeos") == full


@dataclass
class Simulation:
    """An engine's log that is printed, rotated, shown and read at random. Lines are known by their place in it."""

    random: Random
    deletes: bool
    restarts: bool
    log: list[Line] = field(default_factory=list)
    deleted: int = 0  # lines gone from the beginning
    shown: int = 0  # where the stream is
    clock: int = 1000 * FREE
    handed: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)  # how many lines were there when a loss was said
    ledger: Ledger = field(default_factory=lambda: Ledger(START))
    saved: str = START.text()

    def step(self) -> None:
        weights = {"print": 8, "show": 8, "read": 3, "read_a_part": 2, "repeat": 1, "leave_out": 1}
        weights |= {"restart": 1} if self.restarts else {}
        weights |= {"delete": 1} if self.deletes else {}
        getattr(self, self.random.choices(list(weights), list(weights.values()))[0])()

    def print(self) -> None:
        for _ in range(self.random.randrange(1, 6)):
            self.clock += self.random.choice([1, 3, FREE])
            if self.random.random() < 0.03 and not self.restarts:
                self.clock -= self.random.randrange(3 * FREE)
                while any(each.ns == self.clock for each in self.log):
                    self.clock += 1
            stream = self.random.choice([STDOUT, STDOUT, STDERR])
            late = self.random.choice([0, 0, 1]) if stream == STDERR else 0
            if any(each.ns == self.clock - late for each in self.log):
                late = 0
            if not any(each.ns == self.clock for each in self.log):
                self.log.append(Line(stream, self.clock - late, b"%d\n" % len(self.log)))

    def show(self) -> None:
        self.shown = max(self.shown, self.deleted)
        for each in self.log[self.shown : self.shown + self.random.randrange(1, 8)]:
            self.shown += 1
            if self.ledger.fresh(each):
                self.hand(each)

    def hand(self, each: Line) -> None:
        self.handed.append(int(each.data))
        self.saved = self.ledger.position().text()

    def read(self) -> None:
        tails = (self.random.randrange(1, 20), self.random.randrange(20, 60), None)
        for tail in tails if self.ledger.proven is not None else (None,):
            reading = self.ledger.reading(whole=tail is None)
            kept = self.log[self.deleted :]
            for each in kept if tail is None else kept[-tail:]:
                if reading.take(each):
                    self.hand(each)
                reading.advance(set())
            complete = reading.close(set())
            if reading.left_out > 0 or reading.only_last or reading.broken_off or reading.passed_over:
                self.lost.append(len(self.log))
            if complete:
                return
        self.lost.append(len(self.log))
        self.ledger.start_over()
        self.read()

    def read_a_part(self) -> None:
        """The engine ends in the middle of a reading."""
        whole = self.ledger.proven is None or self.random.random() < 0.5
        reading = self.ledger.reading(whole)
        kept = self.log[self.deleted if whole else max(self.deleted, len(self.log) - 30) :]
        for each in kept[: self.random.randrange(len(kept) + 1)]:
            if reading.take(each):
                self.hand(each)
            reading.advance(set())
        if reading.passed_over or reading.only_last:
            self.lost.append(len(self.log))

    def repeat(self) -> None:
        """What 20.10 does at a rotation: the new file from its beginning again."""
        self.shown = max(self.deleted, self.shown - self.random.randrange(1, 30))

    def leave_out(self) -> None:
        """What every engine does when it missed a rotation."""
        self.shown = min(len(self.log), self.shown + self.random.randrange(1, 30))

    def delete(self) -> None:
        """Oldest first, and never the file that is being written."""
        self.deleted = self.random.randrange(self.deleted, len(self.log))

    def restart(self) -> None:
        self.ledger = Ledger(position(self.saved, "nodeos") or START)
        self.shown = len(self.log)
        self.read()


@pytest.mark.parametrize("deletes", [False, True])
@pytest.mark.parametrize("restarts", [False, True])
def test_random_engines(seed: int, deletes: bool, restarts: bool) -> None:
    """In 300 random lives of a log no line is handed over twice; none is missing where nothing was deleted and keeper
    was not restarted; and each that is missing was said to be lost after it was printed."""
    for run in range(300):
        simulation = Simulation(Random(f"{seed}/{run}"), deletes, restarts)
        simulation.print()
        simulation.read()
        for _ in range(simulation.random.randrange(5, 120)):
            simulation.step()
        simulation.read()
        handed = simulation.handed
        missing = set(range(len(simulation.log))) - set(handed)
        why = f"run {run} of seed {seed}"
        assert len(set(handed)) == len(handed), why
        if not deletes and not restarts:
            assert not missing, why
            assert not simulation.lost, why
        for place in missing:
            assert any(place < said for said in simulation.lost), f"{why}: line {place}"


def test_names_of_lines() -> None:
    """A line is named by stream, time and how many there were of that time in a row."""
    newest: dict[int, LineId] = {}
    log = [line(1), line(1), line(1, STDERR), line(2), line(1, STDERR)]
    assert [number(each, newest).nth for each in log] == [1, 2, 1, 1, 2]


def test_lines_that_may_lack_pieces() -> None:
    """A line joined from several messages of the stream is left to the reading; one of which the stream had shown only
    the end, after it left out the rest, is handed over whole by the reading."""
    ledger = Ledger(START)
    read(ledger, [line(1)])
    assert not ledger.fresh(Line(STDOUT, 2, b"head and end\n", joined=True))
    assert ledger.suspect == 2
    whole = [line(1), Line(STDOUT, 2, b"head, middle and end\n", joined=True)]
    assert read(ledger, whole) == ([2], True)
    assert ledger.fresh(Line(STDOUT, 3, b"end\n"))
    whole.append(Line(STDOUT, 3, b"head and end\n", joined=True))
    assert read(ledger, whole) == ([3], True)
    assert ledger.position() == Position("nodeos", "c0ffee", LineId(1, 3, 1), 0, LineId(1, 3, 1))
