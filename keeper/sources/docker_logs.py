"""The log of one Docker container, over its restarts, its re-creations and those of the engine.

Lines come from the engine's following stream as soon as they are printed. Whether the stream left one out or showed one
twice is found out by reading the end of the log again from the last proven line on (see docker_ledger.py): after every
opening, after so many lines, bytes or seconds, and whenever nothing was heard for a while. That reading is also what
says, by finding its line gone, that something was lost, and that a silent stream is really silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from random import random

from keeper.core.backoff import delay
from keeper.core.batch import Chunk, SourceDown
from keeper.core.source import Emit, Now, Wait
from keeper.errors import SourceError
from keeper.sources.docker_container import Container
from keeper.sources.docker_engine import STEP, Answer, Engine, Missing, Stopped
from keeper.sources.docker_ledger import Ledger
from keeper.sources.docker_position import Position, position
from keeper.sources.docker_reading import BETWEEN, RECORD, Outlet, Taken, compare, decoder, first_line, may_have_rotated
from keeper.sources.docker_stream import EngineTrouble, moment

UNCOMPARED_LINES = 8_192  # handed over from the stream before they are compared with a reading
SMALLEST_LOG = 16_384  # bytes; a log that keeps less is compared no more often than this one
HEAD_AFTER = 1.0  # seconds the engine gets to open the stream; some open it with the first line only (moby#47448)


@dataclass(frozen=True, slots=True)
class DockerLogsSettings:
    """All times in seconds.

    `base_url` of the engine (`unix:///path`, `tcp://host:port`), empty for DOCKER_HOST or the usual socket. `timeout`
    for any answer of the engine. `idle_after`: how long nothing may be heard until the end of the log is read; keep it
    under half of what the memory takes for blindness. `prove_after`: how long lines of the stream stay uncompared.
    `poll`: how often a container that does not run is asked for. `longest_pause` between two tries. Of a container that
    is there at the very first start about the last `lookback` bytes are read.
    """

    base_url: str = ""
    timeout: float = 5.0
    idle_after: float = 2.0
    prove_after: float = 10.0
    poll: float = 1.0
    longest_pause: float = 10.0
    lookback: int = 1 << 20


class DockerLogs:
    """A source of one container's lines. `saved` is the position of an earlier run, None for the log's beginning.

    `luck` in [0, 1) spreads the tries of many keepers. Raises StateError for a position keeper cannot have written.
    """

    def __init__(
        self,
        name: str,
        container: str,
        saved: str | None,
        now: Now,
        settings: DockerLogsSettings | None = None,
        *,
        luck: Callable[[], float] = random,
    ) -> None:
        self._name = name
        self._container = container
        self._start = position(saved, container)
        self._now = now
        self._settings = settings or DockerLogsSettings()
        self._luck = luck

    @property
    def name(self) -> str:
        return self._name

    def run(self, emit: Emit, wait: Wait) -> None:
        """Follow until `wait` says stop, which is heard within half a second."""
        outlet = Outlet(self._name, self._now, emit, wait, heard=self._now())
        watch = Watch(self._container, self._start, self._settings, outlet)
        blind_since, said, failures = None, "", 0
        while True:
            began = self._now()
            try:
                watch.follow()
            except Stopped:
                return
            except SourceError as error:
                if outlet.heard > began:
                    blind_since, said, failures = None, "", 0
                failures += 1
                if blind_since is None:
                    blind_since = self._now()
                if str(error) != said:
                    said = str(error)
                    emit(SourceDown(self._name, blind_since, said))
            if wait(delay(failures, self._luck(), longest=self._settings.longest_pause)):
                return


class Watch:
    """What a run of the source keeps while engines and containers come and go."""

    def __init__(self, container: str, start: Position | None, settings: DockerLogsSettings, outlet: Outlet) -> None:
        self._container = container
        self._settings = settings
        self._outlet = outlet
        self._ledger = Ledger(start) if start is not None else None
        self._newborn = False  # the container was created while keeper looked, or since it last did
        self._read_to_end = ""  # when the container ended whose log was read to its end, in the engine's words

    def follow(self) -> None:
        """Follow for ever. Raises SourceError when engine, container or log are out of sight, and Stopped."""
        engine = Engine(self._settings.base_url, self._settings.timeout)
        quick_ends = 0
        try:
            while True:
                container = engine.inspect(self._container, self._outlet.wait)
                ledger = self._ledger_of(container, engine)
                if not container.running:
                    self._await_start(engine, container, ledger)
                    continue
                self._read_to_end = ""
                opened = self._outlet.now()
                self._stream(engine, container, ledger)
                # The engine ends a stream some time before it says that the container has ended.
                quick_ends = quick_ends + 1 if self._outlet.now() - opened < 1.0 else 0
                self._pause(min(STEP * quick_ends, self._settings.poll))
        except Missing:
            self._newborn = True
            raise
        except SourceError:
            self._read_to_end = ""  # what happens now happens unseen
            raise
        finally:
            engine.close()

    def _pause(self, seconds: float) -> None:
        if self._outlet.wait(seconds):
            raise Stopped

    def _compare(self, engine: Engine, container: Container, ledger: Ledger, messages: int) -> Taken:
        taken = compare(engine, container, ledger, self._outlet, messages)
        if self._newborn:
            self._newborn = False
            age = self._outlet.now() - moment(container.started) / 1e9
            if may_have_rotated(container, taken.size, age):
                self._outlet.lost(
                    ledger, "the log had been rotated before it was first read: its beginning may be gone"
                )
        return taken

    def _stream(self, engine: Engine, container: Container, ledger: Ledger) -> None:
        """Hand over what the engine streams until it ends the stream, or the stream proves to stand still."""
        outlet, settings = self._outlet, self._settings
        kept = max(SMALLEST_LOG, container.max_size * container.max_files) if container.max_size else inf
        form = decoder(container)
        stream = engine.logs(container, follow=True, tail=0)
        ledger.opened()
        try:
            chunks: list[bytes] | None = self._head(stream)
            self._compare(engine, container, ledger, 0)
            compared, messages, lines, size, missed, came = outlet.now(), 0, 0, 0, 0, False
            while chunks is not None:
                if chunks:
                    came = True
                    try:
                        shown = form.feed(chunks)
                    except EngineTrouble:
                        return  # the next reading says whether it lasts
                    new = [line for line in shown if ledger.fresh(line)]
                    lines += len(new)
                    size += sum(len(line.data) + RECORD for line in new)
                    outlet.lines(new, ledger)
                now = outlet.now()
                if now - compared >= BETWEEN and (
                    ledger.suspect is not None
                    or now - outlet.heard >= settings.idle_after
                    or lines >= UNCOMPARED_LINES
                    or size >= kept / 4
                    or (lines and now - compared >= settings.prove_after)
                ):
                    taken = self._compare(engine, container, ledger, form.messages - messages)
                    missed = missed + 1 if taken.handed and not came else 0
                    if missed == 2:
                        return
                    compared, messages, lines, size, came = outlet.now(), form.messages, 0, 0, False
                chunks = stream.read(STEP)
                if outlet.wait(0):
                    raise Stopped
        finally:
            stream.close()

    def _head(self, stream: Answer) -> list[bytes] | None:
        """Wait until the engine has opened the stream: what is printed from then on comes."""
        until = self._outlet.now() + HEAD_AFTER
        while not stream.status and self._outlet.now() < until:
            chunks = stream.read(STEP)
            if self._outlet.wait(0):
                raise Stopped
            if chunks != []:
                return chunks
        return []

    def _await_start(self, engine: Engine, container: Container, ledger: Ledger) -> None:
        """Read what an ended container left, then ask until it runs again or another one has its name."""
        if self._read_to_end != container.finished:
            self._compare(engine, container, ledger, 0)
            self._read_to_end = container.finished
        seen = container
        while (seen.id, seen.running, seen.finished) == (container.id, False, container.finished):
            self._pause(self._settings.poll)
            asked = self._outlet.now()
            seen = engine.inspect(self._container, self._outlet.wait)
            self._outlet.up(asked)

    def _ledger_of(self, container: Container, engine: Engine) -> Ledger:
        """The ledger of this container: the one there is, or a new one after saying what became of the old one."""
        old = self._ledger
        if old is not None and old.id == container.id:
            return old
        gone, proven = "", None
        if old is not None:
            gone = self._unread(old, container, engine)
            self._newborn = True
        elif not self._newborn:
            proven = first_line(engine, container, self._settings.lookback, self._outlet.wait)
        start = Position(self._container, container.id, proven)
        if old is not None and gone:
            self._outlet.lost(old, gone, start.text())
        else:
            self._outlet.emit(Chunk(self._outlet.name, b"", self._outlet.now(), start.text()))
        self._read_to_end = ""
        self._ledger = Ledger(start)
        return self._ledger

    def _unread(self, old: Ledger, new: Container, engine: Engine) -> str:
        """Why lines of the old container may be gone unread; empty when they cannot be."""
        read = False
        try:
            kept = engine.inspect(old.id, self._outlet.wait)  # renamed, as compose does, but still there
            self._compare(engine, kept, old, 0)
            read = not kept.running
        except Missing:
            pass
        since = moment(self._read_to_end) if self._read_to_end else old.newest()
        try:
            events = engine.history(self._container, since, moment(new.created), self._outlet.wait)
        except SourceError:  # a proxy before the engine may forbid them: then nobody knows
            events, self._read_to_end = [], ""
        unseen = {container for _, container in events} - {old.id, new.id}
        # The end that was read to is the first of these; without it the engine has forgotten what came after it, too.
        # (Not what was before: a short run's start may be noted later than its end happened.)
        olds = [event for event, container in events if container == old.id]
        ended_for_good = "die" in olds and "start" not in olds[olds.index("die") :]
        if not unseen and (read or (self._read_to_end and ended_for_good)):
            return ""
        others = f", {len(unseen)} containers unseen came and went" if unseen else ""
        return (
            f"created anew as {new.id[:12]}{others}: what was printed under this name after the last line handed over "
            "and before that is gone, if anything was"
        )
