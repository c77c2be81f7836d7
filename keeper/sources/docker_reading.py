"""Reading the end of a container's log: what the stream left out is handed over, what is gone is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from keeper.core.batch import Chunk, Lost, SourceUp
from keeper.core.source import Emit, Now, Wait
from keeper.sources.docker_container import Container
from keeper.sources.docker_engine import Engine, Stopped, seconds
from keeper.sources.docker_ledger import Ledger
from keeper.sources.docker_position import LineId, Lookback
from keeper.sources.docker_stream import Decoder, EngineTrouble, Frames, Line, Terminal

MARGIN = 10_000_000_000  # ns a reading begins before its line: as far as the clock may be set back unseen
WIDEN = 8  # how many times more it takes when its line was not among them
WIDEST = 1 << 18  # messages; beyond, the whole log is read from the line's time on
TRIES = 4  # readings before the engine is believed that it cannot read its log
BETWEEN = 0.1  # seconds at least between two readings
RECORD = 75  # bytes json-file stores around a message
FASTEST = 20_000_000  # bytes a second: faster than any container was seen to log (10 MB/s on this project's machines)


@dataclass(slots=True)
class Outlet:
    """Where a container's lines go. `heard` is when something was last handed over, or silence last proved."""

    name: str
    now: Now
    emit: Emit
    wait: Wait
    heard: float

    def lines(self, lines: list[Line], ledger: Ledger) -> None:
        if lines:
            self.heard = self.now()
            data = b"".join([line.data for line in lines])
            cut = sum(line.cut for line in lines)
            self.emit(Chunk(self.name, data, self.heard, ledger.position().text(), cut))

    def up(self, at: float) -> None:
        """Everything until `at` was handed over."""
        self.heard = at
        self.emit(SourceUp(self.name, at))

    def lost(self, ledger: Ledger, why: str, place: str | None = None) -> None:
        """Something of this container is gone, and nobody knows how many bytes: 0. The offset is the time of the last
        line before it, in nanoseconds; `place` the position behind it where that is not the next chunk's matter."""
        where = f"container {ledger.container} ({ledger.id[:12]})"
        self.emit(Lost(self.name, self.now(), 0, ledger.newest(), where, why, place))


class Taken(NamedTuple):
    """What one reading led to.

    `complete` when it reached back far enough and to the end; `handed` lines it handed over, of `messages` and `size`
    bytes that were there; `end` is the last line there, `broken_off` says that it cannot have been the last.
    """

    complete: bool
    handed: int
    messages: int
    size: int
    end: LineId | None
    broken_off: bool


def decoder(container: Container) -> Decoder:
    return Terminal() if container.tty else Frames()


def compare(engine: Engine, container: Container, ledger: Ledger, outlet: Outlet, messages: int) -> Taken:
    """Read the log from the proven line to its end, hand over what was not handed over, and say that all is seen.

    `messages` is how many the stream showed since the last time; the log is read wider and wider until the line is met.
    When it is not in the whole log, what followed it may be gone, too: that is Lost. Raises SourceError and Stopped.
    """
    asked = outlet.now()
    handed = 0
    tail = messages + ledger.ahead + 1 if ledger.proven is not None else None
    # The longest reading so far that cannot have met damage, and the last line it met.
    sound, end = max(1, messages // 2), None
    while True:
        taken = _take_patiently(engine, container, ledger, outlet, tail, end)
        handed += taken.handed
        if taken.complete:
            outlet.up(asked)
            return taken._replace(handed=handed)
        if taken.broken_off:
            outlet.lost(ledger, "the engine's log is damaged behind the last lines handed over: some may be lost")
            ledger.start_over()
            tail, end = sound, None
        elif tail is None:
            outlet.lost(ledger, "the last lines handed over are gone from the log: others may be gone with them")
            ledger.start_over()
            end = None
        else:
            sound, end = tail, taken.end or end
            tail = tail * WIDEN if taken.messages >= tail and tail * WIDEN <= WIDEST else None


def _take_patiently(
    engine: Engine, container: Container, ledger: Ledger, outlet: Outlet, tail: int | None, end: LineId | None
) -> Taken:
    """Try again a few times: 20.10 does not find a file that is just being compressed or renamed."""
    for _ in range(TRIES - 1):
        try:
            return _take(engine, container, ledger, outlet, tail, end)
        except EngineTrouble:
            if outlet.wait(BETWEEN):
                raise Stopped from None
    return _take(engine, container, ledger, outlet, tail, end)


def _take(
    engine: Engine, container: Container, ledger: Ledger, outlet: Outlet, tail: int | None, end: LineId | None
) -> Taken:
    form = decoder(container)
    reading = ledger.reading(whole=tail is None, end=end)
    handed = size = 0
    query: dict[str, str | int] = {} if tail is None else {"tail": tail}
    since = _since(ledger)
    if since > 0:
        query["since"] = seconds(since)

    def hand(lines: list[Line]) -> None:
        nonlocal handed, size
        size += sum(len(line.data) + RECORD for line in lines)
        new = [line for line in lines if reading.take(line)]
        reading.advance(form.unfinished())
        handed += len(new)
        outlet.lines(new, ledger)

    for chunks in engine.log(container, outlet.wait, **query):
        hand(form.feed(chunks))
    if not container.running:
        hand(form.end())
    complete = reading.close(form.unfinished())
    if reading.left_out > 0:
        outlet.lost(ledger, f"the engine's stream left out {reading.left_out} lines before keeper was restarted")
    if reading.only_last:
        outlet.lost(ledger, "the log no longer reaches back to where the engine's stream was last checked")
    if reading.passed_over:
        outlet.lost(ledger, f"{reading.passed_over} lines are dated before the last one: they may be old ones or new")
    return Taken(complete, handed, form.messages, size, reading.end, reading.broken_off)


def first_line(engine: Engine, container: Container, lookback: int, wait: Wait) -> LineId | None:
    """The line behind which the last `lookback` bytes of the log begin, or those of its last WIDEST messages; None for
    the beginning of the log."""
    tail = 64
    while True:
        form, found = decoder(container), Lookback(lookback)
        for chunks in engine.log(container, wait, tail=tail):
            for line in form.feed(chunks):
                found.take(line)
        if found.before is not None or form.messages < tail:
            return found.before
        if tail == WIDEST:
            found.skip_first()
            return found.before
        tail = min(WIDEST, tail * WIDEN)


def _since(ledger: Ledger) -> int:
    """From when on the log is asked for, in ns; 0 from its beginning. Compressed files from before are not unpacked."""
    if ledger.proven is None:
        return 0
    oldest = ledger.proven.ns if ledger.suspect is None else min(ledger.suspect, ledger.proven.ns)
    return oldest - MARGIN


def may_have_rotated(container: Container, size: int, age: float) -> bool:
    """Whether the beginning of a log may have been deleted before it was first read, `size` bytes of it being there
    and the container being `age` seconds old. A file is deleted only when all that are kept were full."""
    if not container.max_size or age * FASTEST < container.max_size:
        return False
    return size >= container.max_size * (container.max_files - 1) * 0.9
