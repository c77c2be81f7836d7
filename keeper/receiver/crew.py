"""The receiver's worker processes: started, heard, started again when they die, ended in an orderly way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from keeper.receiver.life import Life
from keeper.receiver.report import Report, read_report
from keeper.receiver.standing import LOOPING, RESTING, RUNNING, STOPPED, WorkerStands

log = logging.getLogger("keeper")

HUNG = 300.0  # seconds without a word of one that has something to say every second, but for one batch; the longest
# is that with the first packet without id of a source that sent a hundred million with ids


@dataclass(slots=True)
class _Place:
    """One worker's number, and all processes that had it."""

    number: int
    since: float
    pid: int = 0
    state: str = STOPPED
    deaths: int = 0
    fresh: int = 0
    events: int = 0
    repeated: int = 0
    returned: int = 0
    dead: int = 0
    last: float = 0.0
    trouble: str = ""
    process: asyncio.subprocess.Process | None = None

    def stands(self) -> WorkerStands:
        return WorkerStands(
            number=self.number, pid=self.pid, state=self.state, since=self.since, deaths=self.deaths, fresh=self.fresh,
            events=self.events, repeated=self.repeated, returned=self.returned, dead=self.dead, last=self.last,
            trouble=self.trouble,
        )  # fmt: skip


class Crew:
    """For the server's event loop; `standing` may be called from other threads. `command` starts the worker of a
    number, which then reads `order`; `heard` is told of every report."""

    def __init__(
        self,
        count: int,
        command: Callable[[int], Sequence[str]],
        order: bytes,
        wall: Callable[[], float],
        now: Callable[[], float],
        chance: Callable[[], float],
        heard: Callable[[Report], None],
    ) -> None:
        self._command = command
        self._order = order
        self._wall = wall
        self._now = now
        self._chance = chance
        self._heard = heard
        self._places = [_Place(number, wall()) for number in range(1, count + 1)]
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> list[asyncio.Task[None]]:
        """The tasks that tend them; one that ends before `stop` has failed."""
        self._tasks = [asyncio.create_task(self._tend(place), name=f"worker-{place.number}") for place in self._places]
        return self._tasks

    def standing(self) -> list[WorkerStands]:
        return [place.stands() for place in self._places]

    async def stop(self, seconds: float) -> None:
        """Let each store what it took; who takes longer is killed, and what it had is taken again."""
        self._stopping.set()
        for place in self._places:
            if place.process is not None and place.process.stdin is not None:
                place.process.stdin.close()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for place in self._places:
            if late and place.process is not None:
                log.warning(
                    "worker=%d pid=%d state=killed why='it did not end in %g s'", place.number, place.pid, seconds
                )
                _kill(place.process)
        if late:
            await asyncio.wait(late, timeout=seconds)

    async def _tend(self, place: _Place) -> None:
        life = Life()
        while not self._stopping.is_set():
            began = self._now()
            why = await self._run(place)
            if self._stopping.is_set():
                break
            now = self._now()
            rest = life.died(began, now, self._chance())
            place.deaths, place.since, place.pid = life.deaths, self._wall(), 0
            place.state = LOOPING if life.looping(now) else RESTING
            place.trouble = why
            log.error("worker=%d state=%s why=%r again_in=%.1f", place.number, place.state, why, rest)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), rest)
        place.state, place.pid, place.since = STOPPED, 0, self._wall()

    async def _run(self, place: _Place) -> str:
        """One process, from its start to its end. Returns how it ended."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(place.number), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            return f"it cannot be started: {error.strerror}"
        place.process, place.pid, place.state, place.since = process, process.pid, RUNNING, self._wall()
        place.trouble = ""
        if process.stdin is not None:
            process.stdin.write(self._order)
        if place.deaths:
            log.info("worker=%d state=running pid=%d", place.number, place.pid)
        why = await self._hear(place, process)
        if why:
            _kill(process)
        code = await process.wait()
        place.process = None
        ended = f"signal {-code} ended it" if code < 0 else f"it ended with {code}"
        return why or (f"{ended}: {place.trouble}" if code > 0 and place.trouble else ended)

    async def _hear(self, place: _Place, process: asyncio.subprocess.Process) -> str:
        """Listen until it ends; why it must be killed, empty when it ended by itself."""
        if process.stdout is None:
            return "it has no pipe"
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), HUNG)
            except TimeoutError:
                return f"it said nothing for {HUNG:g} s"
            except ValueError:
                return "it says things no worker says"
            if not line:
                return ""
            report = read_report(line)
            if report is None:
                continue
            place.fresh += report.fresh
            place.events += report.events
            place.repeated += report.repeated
            place.returned += report.returned
            place.dead += report.dead
            if report.seconds:
                place.last = self._wall()
            if report.trouble != place.trouble:
                log.info("worker=%d trouble=%r", place.number, report.trouble)
            place.trouble = report.trouble
            self._heard(report)


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
