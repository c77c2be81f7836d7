"""One collector in the runner: its script, its life, its process if it has one, and what that prints."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from keeper.collectors import launch
from keeper.collectors.launch import Care, Gone, Process
from keeper.collectors.life import Life, Stage, born, ended, heard, not_started, started
from keeper.collectors.plugin import Plugin
from keeper.core.lines import LineSplitter
from keeper.core.point import Point
from keeper.formats.datapoint import Datapoints, shown

PIECE = 16 << 10  # bytes read at once: the worst of them (two bytes a line) take 25 ms
LEFT = 5  # pieces that are read when its process is gone: a pipe holds four; whoever prints on has left its group
WORK = 0.05  # seconds of each that may be spent on one collector's output
SAID = 20  # lines of its standard error that are told in a minute; the rest is counted
SAID_EVERY = 60.0
SAID_LINE = 500  # bytes

_LEVEL = re.compile(r"\b(DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b", re.IGNORECASE)
_LEVELS = {"warn": "warning", "fatal": "critical"}


def level_of(text: str) -> str:
    """The level a line of standard error names in its beginning, else `warning`: it is where complaints go."""
    found = _LEVEL.search(text[:60])
    word = found[1].lower() if found else "warning"
    return _LEVELS.get(word, word)


class Running:
    """`say(level, text)` is told what it prints on standard error."""

    def __init__(
        self, plugin: Plugin, care: Care, output: Datapoints, life: Life, say: Callable[[str, str], None]
    ) -> None:
        self.plugin = plugin
        self.care = care
        self.life = life
        self.process: Process | None = None
        self.output = output
        self.dropped = 0  # points nobody took in time
        self.killed = 0  # how often it had to be
        self.memory, self.cpu = 0, 0.0  # of its last run that ended: bytes and seconds
        self.leaves = False  # its file is gone
        self.more = False
        self.mark = ""  # of the run that began last, in the environment of all that it starts
        self.told_at, self.told_stage = 0.0, Stage.WAITING
        self._say = say
        self._errors = LineSplitter(SAID_LINE)
        self._said, self._said_since, self._unsaid = 0, 0.0, 0
        self._worked, self._worked_since = 0.0, 0.0

    @property
    def silent(self) -> float:
        return self.care.silent

    def start(self, now: float, chance: float, cookie: str, python_path: str) -> bool:
        plugin = self.plugin
        try:
            long_lived = not plugin.interval
            self.mark = f"{plugin.name}#{now:.3f}"
            self.process = launch.start(plugin.argv, self.mark, self.care, cookie, python_path, long_lived)
        except (OSError, LookupError) as error:
            why = error.strerror or str(error) if isinstance(error, OSError) else f"there is no user {self.care.user}"
            self.life = not_started(self.life, now, plugin.interval, chance, f"it cannot be started: {why}")
            return False
        self.output.start_over()
        self._errors = LineSplitter(SAID_LINE)
        self.life = started(self.life, now, plugin.interval, self.silent)
        return True

    def read(self, now: float, wall: float, clock: Callable[[], float]) -> list[Point] | None:
        """The points in one piece of what it printed; None at the end of it. `more` tells whether there may be more."""
        if self.process is None:
            return None
        try:
            data = os.read(self.process.out, PIECE)
        except BlockingIOError:
            self.more = False
            return []
        self.more = len(data) == PIECE
        if not data:
            return None
        begun = clock()
        points = self.output.feed(data, wall)
        self._worked += clock() - begun
        self.life = heard(self.life, now, len(points))
        return points

    def is_costly(self, now: float) -> bool:
        """Whether it must wait for the next second, its pipe being full: a script that prints without end."""
        if now - self._worked_since >= 1.0:
            self._worked, self._worked_since = 0.0, now
        return self._worked > WORK

    def read_errors(self, now: float, clock: Callable[[], float]) -> bool:
        """False at their end."""
        if self.process is None:
            return False
        try:
            data = os.read(self.process.err, PIECE)
        except BlockingIOError:
            return True
        begun = clock()
        self._complain(self._errors.feed(data), now)
        self._worked += clock() - begun
        return bool(data)

    def end(self, now: float, wall: float, chance: float, gone: Gone) -> list[Point]:
        """Its process is gone; what is left in its pipes is taken, and they are closed."""
        points: list[Point] = []
        process = self.process
        if process is None:
            return points
        for _ in range(LEFT):
            found = self.read(now, wall, lambda: 0.0)
            if found is None:
                break
            points += found
        self.memory, self.cpu = gone.memory, gone.cpu
        if gone.code == 0:
            points += self.output.flush(wall)
        if points:
            self.life = heard(self.life, now, len(points))
        self.read_errors(now, lambda: 0.0)
        self._complain(self._errors.flush(), now)
        for descriptor in process[1:]:
            os.close(descriptor)
        self.process = None
        self.killed += self.life.stage in (Stage.KILLING, Stage.STUCK)
        self.life = ended(self.life, now, self.plugin.interval, chance, gone.code)
        return points

    def replace(self, plugin: Plugin, now: float, chance: float) -> None:
        """Its file is in another folder or holds something else: what it was worth is forgotten."""
        rhythm = plugin.interval != self.plugin.interval
        self.plugin = plugin
        if self.process is None and rhythm:
            self.life = born(now, plugin.interval, chance)

    def _complain(self, lines: bytes, now: float) -> None:
        if now - self._said_since >= SAID_EVERY:
            if self._unsaid:
                self._say("warning", f"{self._unsaid} more lines on standard error were left out")
            self._said, self._said_since, self._unsaid = 0, now, 0
        for text in lines.split(b"\n"):
            if not text.strip():
                continue
            if self._said >= SAID:
                self._unsaid += 1
                continue
            self._said += 1
            words = shown(text.strip())
            self._say(level_of(words), words)

    def stand(self, now: float) -> dict[str, Any]:
        """How it stands, as plain values; times are seconds from now, negative for the past."""
        life, output = self.life, self.output
        return {
            "interval": self.plugin.interval,
            "path": self.plugin.path,
            "stage": life.stage.value,
            "since": life.at - now,
            "due": life.due - now,
            "why": life.why,
            "worked": life.worked,
            "failures": life.failures,
            "runs": life.runs,
            "killed": self.killed,
            "exit": life.exit,
            "pid": self.process.pid if self.process else 0,
            "lines": output.lines,
            "points": output.points,
            "series": output.series,
            "rejected": dict(output.rejected),
            "bad": tuple(output.bad) if output.bad else (),
            "dropped": self.dropped,
            "memory": self.memory,
            "cpu": self.cpu,
        }
