"""Runs collectors: starts the scripts when it is time, reads what they print, and ends them.

For one thread, in a process of its own: see `keeper.collectors.process`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from keeper.collectors import launch
from keeper.collectors.life import Deed, Stage, outside, tick
from keeper.collectors.ready import Ready
from keeper.collectors.roster import HELD, Roster
from keeper.collectors.running import Running
from keeper.collectors.terms import Terms
from keeper.core.point import Point

LOOK_EVERY = 3.0  # seconds between two looks at the folder, and at what was orphaned
TELL_EVERY = 1.0  # seconds between two words that everything printed up to now was told
GATHER = 0.05  # seconds it lets pass after something was ready: a script prints line by line, and then it ends
SHARE = 0.01  # seconds of a turn in which one of them is read on
END_WITHIN = 5.0  # seconds; what is there still after so much killing, nobody can kill
PAUSE = 0.1  # seconds until those whose output costs too much are looked at again

Message = tuple[Any, ...]


class Runner:
    """`tell` takes what keeper shall know: `points`, `stand`, `said`, `gone`, `complaints`, `sees`. `now` never jumps;
    `wall` is for the times that scripts print. Others may have calls of their own in `ready`. Whatever `children` names
    is taken for something that scripts started, and is ended when it is time."""

    def __init__(
        self,
        terms: Terms,
        tell: Callable[[Message], bool],
        ready: Ready,
        now: Callable[[], float],
        wall: Callable[[], float],
        random: Random,
        children: Callable[[], set[int]],
    ) -> None:
        self.roster = Roster(terms, tell, random)
        self._ready = ready
        self._tell = tell
        self._now = now
        self._wall = wall
        self._random = random
        self._children = children
        self._look_at = 0.0
        self._tell_at = 0.0
        self._paused: list[tuple[Running, int]] = []  # with what of theirs is not read meanwhile
        self._strays: dict[int, set[str]] = {}  # without our mark, by pid: the runs they may have come of
        self._busy = False
        self._due = 0.0  # when the first of them wants to be looked at, or earlier

    def turn(self, most: float) -> None:
        """Wait for something to do, no longer than `most` seconds, and do it."""
        now = self._now()
        due = min(self._due, self._look_at, self._tell_at, now + (PAUSE if self._paused else most))
        if self._busy:
            self._ready.rest(min(GATHER, max(0.0, due - now)))
        self._busy = self._ready.wait(due - self._now())
        now = self._now()
        if self._paused:
            self._listen_again(now)
        if now >= self._due:
            for one in [one for one in self.roster.running.values() if one.life.due <= now]:
                self._do(one, now)
            self._due = min([one.life.due for one in self.roster.running.values()], default=inf)
        if now >= self._look_at:
            self.look()
        if now >= self._tell_at:
            self._tell_at = now + TELL_EVERY
            for one in self._all():
                if now - one.told_at >= self.roster.terms.every:
                    self._tell_stand(one, now)
            self._tell(("sees", len(self.roster.running)))

    def look(self) -> None:
        """See which collectors there are now, and what they left behind."""
        now = self._now()
        self._look_at = now + LOOK_EVERY
        before = {name: one.life.stage for name, one in self.roster.running.items()}
        self.roster.look(now, self._wall())
        for name, one in self.roster.running.items():
            if before.get(name) is not one.life.stage:
                self._tell_stand(one, now)
        self._due = 0.0
        self._end_orphans()

    def adopt(self, terms: Terms) -> None:
        self.roster.terms = terms
        self.look()

    def again(self, name: str) -> None:
        """Run it now, whatever it rests from."""
        one = self.roster.running.get(name)
        if one is not None and one.process is None and one.life.stage not in HELD:
            one.life = outside(one.life, self._now(), Stage.WAITING, "")
            self._due = 0.0

    def stop(self, seconds: float) -> None:
        """End every script: they are told, and killed when `seconds` are over; with 0 at once."""
        until = self._now() + seconds
        self._signal_all(signal.SIGTERM if seconds else signal.SIGKILL)
        while any(one.process for one in self._all()) and (left := until - self._now()) > 0:
            self._ready.wait(left)
        self._signal_all(signal.SIGKILL)
        until = self._now() + END_WITHIN
        while self._end_all() and self._now() < until:
            continue

    def _end_all(self) -> int:
        """Kill what there is. Returns how many there were."""
        self._bury()
        children = self._children()
        for child in children:
            launch.kill(child)
        return len(children) + launch.sweep(self.roster.terms.cookie, lambda _pid, _name: False)

    def _all(self) -> list[Running]:
        return list(self.roster.running.values())

    def _signal_all(self, number: int) -> None:
        for one in self._all():
            if one.process is not None:
                launch.signal_group(one.process.pid, number)

    # -- one collector ---------------------------------------------------------------------------------------------

    def _do(self, one: Running, now: float) -> None:
        before = one.life.stage
        one.life, deed = tick(one.life, now, one.plugin.interval, one.silent)
        if deed is Deed.START:
            terms = self.roster.terms
            if one.start(now, self._random.random(), terms.cookie, self.roster.python_path):
                self._listen(one)
        elif one.process is not None and deed is Deed.TERM:
            launch.signal_group(one.process.pid, signal.SIGTERM)
        elif one.process is not None and deed is Deed.KILL:
            launch.signal_group(one.process.pid, signal.SIGKILL)
        if deed is not None and (before is not Stage.WAITING or not one.plugin.interval):
            self._tell_stand(one, now)  # a periodic one that begins as it should is no news

    def _listen(self, one: Running) -> None:
        process = one.process
        if process is not None:
            self._ready.read(process.out, lambda: self._read(one))
            self._ready.read(process.err, lambda: self._read_errors(one))
            self._ready.read(process.ended, lambda: self._end(one))

    def _read(self, one: Running) -> None:
        if one.process is None:
            return
        begun = self._now()
        points, found = [], one.read(begun, self._wall(), self._now)
        while found is not None:
            points += found
            if not one.more or (now := self._now()) - begun > SHARE or one.is_costly(now):
                break
            found = one.read(now, self._wall(), self._now)
        if found is None:
            self._ready.forget(one.process.out)  # its end, which wakes for ever; the process may go on
        elif one.is_costly(begun):
            self._pause(one, one.process.out)
        if points:
            self._tell_points(one, points)

    def _read_errors(self, one: Running) -> None:
        if one.process is None:
            return
        now = self._now()
        if not one.read_errors(now, self._now):
            self._ready.forget(one.process.err)
        elif one.is_costly(now):
            self._pause(one, one.process.err)

    def _pause(self, one: Running, descriptor: int) -> None:
        self._ready.forget(descriptor)
        self._paused.append((one, descriptor))

    def _listen_again(self, now: float) -> None:
        paused, self._paused = self._paused, []
        for one, descriptor in paused:
            if one.is_costly(now):
                self._paused.append((one, descriptor))
            elif one.process is not None:
                read = self._read if descriptor == one.process.out else self._read_errors
                self._ready.read(descriptor, partial(read, one))

    def _end(self, one: Running) -> None:
        process = one.process
        if process is None or (gone := launch.reap(process)) is None:
            return
        for descriptor in (process.out, process.err, process.ended):
            self._ready.forget(descriptor)
        self._paused = [(other, descriptor) for other, descriptor in self._paused if other is not one]
        now = self._now()
        points = one.end(now, self._wall(), self._random.random(), gone)
        self._due = min(self._due, one.life.due)
        if points:
            self._tell_points(one, points)
        if one.life.stage is not Stage.WAITING or one.told_stage is not Stage.WAITING:
            self._tell_stand(one, now)

    # -- what keeper hears -----------------------------------------------------------------------------------------

    def _tell_points(self, one: Running, points: list[Point]) -> None:
        told = [(series.text, at, value) for series, at, value in points]
        if not self._tell(("points", one.plugin.name, one.plugin.interval, told)):
            one.dropped += len(points)

    def _tell_stand(self, one: Running, now: float) -> None:
        one.told_at, one.told_stage = now, one.life.stage
        self._tell(("stand", one.plugin.name, one.stand(now)))

    # -- what was left behind --------------------------------------------------------------------------------------

    def _bury(self) -> None:
        for child in self._children():
            with suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)

    def _end_orphans(self) -> None:
        """End what a script started in a session of its own and left behind; while the script runs, it is spared."""
        known = {one.process.pid for one in self._all() if one.process is not None}
        orphans = self._children() - known
        for orphan in list(orphans):
            with suppress(ChildProcessError):
                if os.waitpid(orphan, os.WNOHANG)[0]:
                    orphans.remove(orphan)
        alive = {one.mark for one in self._all() if one.process is not None}
        if orphans:
            launch.sweep(self.roster.terms.cookie, lambda pid, mark: pid in known or mark in alive)
        self._end_strays(orphans, alive)

    def _end_strays(self, orphans: set[int], alive: set[str]) -> None:
        """The same for those that have thrown our mark away (`env -i`): spared while any run goes on that was there
        when they were first seen."""
        cookie = self.roster.terms.cookie
        before = self._strays
        self._strays = {pid: before.get(pid, alive) for pid in orphans if launch.mark_of(pid, cookie) is None}
        for pid, runs in self._strays.items():
            if not runs & alive:
                launch.kill(pid)


def own_children() -> set[int]:
    """Those of this process, which is the parent of whatever lost its own; none where a kernel does not tell."""
    with suppress(OSError):
        return {int(pid) for pid in Path("/proc/self/task", str(os.getpid()), "children").read_text().split()}
    return set()
