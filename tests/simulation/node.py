"""A simulated nodeos: the pause flag, the API that may hang, the process that may freeze or die, what it hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import World

UNDER_WAY = 0.5  # the block under way may still be signed after a pause


class Node:
    """`excused`: it runs un-paused for a reason the promise leaves out (a person's own curl, a host that was suspended
    as a whole, a restart without pause-on-startup), until it is paused. `stale_since` is None while blocks come in;
    `seen_from`: since when they came without a break. `process` counts its lives."""

    def __init__(self, world: World, name: str, starts_paused: bool) -> None:
        self.world = world
        self.name = name
        self.starts_paused = starts_paused
        self.alive = True
        self.frozen = 0  # how many things hold it: a freeze of its own, one of the host
        self.hung = False
        self.paused = True
        self.paused_at = -9.0
        self.excused = ""
        self.last_excuse = ""
        self.process = 1
        self.started_at = 0.0
        self.backlog: list[Callable[[], None]] = []
        self.stale_since: float | None = None
        self.seen_from = 0.0
        self.missed: int | None = None
        self.elsewhere = float("-inf")
        self.own_block = float("-inf")
        self.resumed_at = float("-inf")
        self.heard_other_since: float | None = None

    @property
    def runs(self) -> bool:
        """Alive and not paused: what the promise counts. A frozen one may go on at any moment."""
        return self.alive and not self.paused

    @property
    def answers(self) -> bool:
        return self.alive and not self.frozen and not self.hung

    def signs(self) -> bool:
        if not self.alive or self.frozen:
            return False
        return not self.paused or self.world.now - self.paused_at < UNDER_WAY

    @property
    def has_excuse(self) -> bool:
        """Also for the block under way after its pause."""
        return bool(self.last_excuse if self.paused else self.excused)

    # -- the API ---------------------------------------------------------------------------------------------------

    def ask(self, what: str, process: int, answered: Callable[[], None], since: float | None = None) -> None:
        """A question arrives. A node that hangs keeps it, and heeds it when it goes on."""
        if not self.alive or process != self.process:
            return
        arrived = self.world.now if since is None else since
        if self.frozen or self.hung:
            self.backlog.append(lambda: self.ask(what, process, answered, arrived))
            return
        if what == "pause":
            self.pause()
        else:
            suspended = self.world.hosts[self.name].thawed_at > arrived
            self.resume("its host was suspended as a whole" if suspended else "")
        answered()

    def pause(self) -> None:
        if not self.paused:
            self.world.tell(self.name, "node paused")
            self.paused, self.paused_at = True, self.world.now
            self.excused, self.last_excuse = "", self.excused
            self.heard_other_since = None

    def resume(self, excused: str = "") -> None:
        if self.paused or self.excused:
            self.paused, self.excused = False, excused
            self.resumed_at = self.world.now
            self.world.tell(self.name, f"node RESUMED {excused}")
            self.world.check_one_runs()

    def caught_up(self) -> None:
        """What hung goes on: the questions that waited are heeded, in any order."""
        if self.frozen or self.hung:
            return
        waiting, self.backlog = self.backlog, []
        self.world.chance.shuffle(waiting)
        for question in waiting:
            question()

    # -- its life --------------------------------------------------------------------------------------------------

    def die(self, why: str) -> None:
        if self.alive:
            self.world.tell(self.name, f"node dies: {why}")
            self.alive = False
            self.excused = ""
            self.heard_other_since = None
            self.backlog.clear()
            self.look()
            self.world.after(2.0 + 4.0 * self.world.chance.random(), self.start, self.process)

    def start(self, process: int) -> None:
        """Its service manager starts it again."""
        host = self.world.hosts[self.name]
        if host.frozen_whole:
            self.world.after(1.0, self.start, process)
            return
        if self.alive or process != self.process or host.off:
            return
        self.alive, self.process, self.started_at = True, self.process + 1, self.world.now
        self.frozen = 0
        self.hung = False
        self.paused = True
        self.world.tell(self.name, "node starts")
        if not self.starts_paused:
            self.resume("restarted without pause-on-startup")
        self.look()

    def look(self) -> None:
        """Whether blocks come in, after anything that may have changed it."""
        flows = (
            self.alive
            and not self.frozen
            and not self.world.chain.dead
            and self.world.network.reaches("net", self.name)
        )
        if flows and self.stale_since is not None:
            self.stale_since, self.seen_from = None, self.world.now + 1.0
        elif not flows and self.stale_since is None:
            self.stale_since = self.world.now
            self.missed = None

    def hears(self, slot: float) -> None:
        """A block of ours that another node signed."""
        if self.alive and not self.frozen:
            self.missed = 0
            self.elsewhere = max(self.elsewhere, slot)
            well = self.world.hosts[self.name].is_well()
            if well and self.runs and slot > self.resumed_at + 1.0 and self.heard_other_since is None:
                self.heard_other_since = self.world.now
