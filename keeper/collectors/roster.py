"""Which collectors there are: what lies in the folder, what keeper ships, and what people say about them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from keeper.collectors.life import Stage, born, outside
from keeper.collectors.plugin import Plugin, checked, find
from keeper.collectors.running import Running
from keeper.collectors.terms import Terms
from keeper.formats.datapoint import Datapoints

EVICT_EVERY = 60.0  # seconds between two looks for series that went quiet
COMPLAINTS = 50  # that are told
HELD = (Stage.REFUSED, Stage.DISABLED)


class Roster:
    """`running` are all of them by name; who brings them forward in time is the runner. `tell` hears of those that are
    gone, of what they say on standard error, and of what is wrong in the folder; False: it could not, and shall be told
    again."""

    def __init__(self, terms: Terms, tell: Callable[[tuple[Any, ...]], bool], random: Random) -> None:
        self.terms = terms
        self.running: dict[str, Running] = {}
        self._tell = tell
        self._random = random
        self._complaints: tuple[str, ...] | None = None
        self._evict_at = 0.0
        self.python_path = ""

    def look(self, now: float, wall: float) -> None:
        """Take up what is new, begin anew what changed, end what is gone. A folder that cannot be read changes none."""
        terms = self.terms
        plugins = {name: Plugin(name, argv[-1], 0.0, (0, 0, 0), argv) for name, argv in terms.shipped.items()}
        complaints: tuple[str, ...] = ()
        self.python_path = ""
        if terms.folder:
            folder = Path(terms.folder)
            if (folder / "lib").is_dir():
                # Scripts import `collectors.lib`: the folder above must be on Python's path, as tcollector has it.
                self.python_path = str(folder.parent)
            try:
                found = find(folder)
            except OSError as error:
                self._complain((f"{error.filename or terms.folder} cannot be read: {error.strerror}",))
                return
            complaints = found.complaints
            plugins = {**found.plugins, **plugins}
        for name in self.running.keys() - plugins.keys():
            self._leave(self.running[name], now)
        for name, plugin in plugins.items():
            one = self.running.get(name)
            if one is None:
                self.running[name] = self._meet(plugin, now)
            else:
                self._see(one, plugin, now)
            self._allow(self.running[name], now)
        self._complain(complaints)
        if now >= self._evict_at:
            self._evict_at = now + EVICT_EVERY
            for one in self.running.values():
                one.output.evict(wall - terms.evict)

    def _meet(self, plugin: Plugin, now: float) -> Running:
        terms, name = self.terms, plugin.name
        output = Datapoints(terms.max_series, terms.max_tags, terms.more_tags)
        life = born(now, min(plugin.interval, terms.spread), self._random.random())
        return Running(
            self._checked(plugin), terms.care.get(name, terms.general), output, life,
            partial(self._said, name),
        )  # fmt: skip

    def _see(self, one: Running, plugin: Plugin, now: float) -> None:
        """One that is known already: has its file changed, or what is wanted for it?"""
        changed = one.plugin.version != plugin.version or one.plugin.path != plugin.path
        if changed or one.plugin.why_not:
            one.replace(self._checked(plugin), now, self._random.random())
        care = self.terms.care.get(plugin.name, self.terms.general)
        renewed = care != one.care and not plugin.interval
        one.care = care
        one.output.bound(self.terms.max_series, self.terms.max_tags, self.terms.more_tags)
        if one.leaves or changed or renewed:
            one.leaves = False
            one.life = outside(one.life, now, Stage.WAITING, "")

    def _allow(self, one: Running, now: float) -> None:
        """Bring it to what the file system and people say."""
        wanted, why = Stage.WAITING, ""
        if one.plugin.why_not:
            wanted, why = Stage.REFUSED, one.plugin.why_not
        elif one.plugin.name in self.terms.disabled:
            wanted, why = Stage.DISABLED, "a person disabled it"
        stands = one.life.then or one.life.stage
        if wanted is not stands and (wanted in HELD or stands in HELD):
            one.life = outside(one.life, now, wanted, why)

    def _leave(self, one: Running, now: float) -> None:
        """Its file is gone: it ends, and is forgotten when it has ended."""
        if one.process is None and self._tell(("gone", one.plugin.name)):
            del self.running[one.plugin.name]
        elif not one.leaves:
            one.leaves = True
            one.life = outside(one.life, now, Stage.RETIRED, "its file is gone")

    def _checked(self, plugin: Plugin) -> Plugin:
        return plugin if plugin.name in self.terms.shipped else checked(plugin)

    def _said(self, name: str, level: str, text: str) -> None:
        self._tell(("said", name, level, text))

    def _complain(self, complaints: tuple[str, ...]) -> None:
        if len(complaints) > COMPLAINTS:
            complaints = (*complaints[:COMPLAINTS], f"and {len(complaints) - COMPLAINTS} more like these")
        if complaints != self._complaints and self._tell(("complaints", complaints)):
            self._complaints = complaints
