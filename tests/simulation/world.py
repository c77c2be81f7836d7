"""All of it together on one clock: faults happen until they stop, then exactly one produces."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from keeper.failover.actions import Action
from keeper.failover.facts import Facts
from keeper.failover.lease import Timing
from keeper.failover.roles import step as real_step
from keeper.failover.state import State
from keeper.failover.terms import VACANT_WITH_LEASE, WINDOWS_WITH_LEASE, WINDOWS_WITHOUT, Terms
from tests.simulation import faults, invariants
from tests.simulation.chain import Chain
from tests.simulation.clockwork import Clockwork
from tests.simulation.host import Host
from tests.simulation.network import Network
from tests.simulation.store import Store

Step = Callable[[State, Facts, float, Terms], tuple[State, tuple[Action, ...]]]

FAULTS_FOR = 60.0
CHECK_EVERY = 2.0
STEADY = 4.0  # seconds exactly one must have produced, to count
# When nothing is faulty any more, one produces within this: what ends of its own (the lease, a rest, a hook, a kill),
# a host that declines a switch, the rounds that must be listened to, and starting again.
SETTLES = 100.0
SETTLES_WITHOUT = 260.0


class Kind(NamedTuple):
    """A world to be built. `drift`: how much faster or slower than time a clock may run; `margin` must be good for two
    clocks that differ by twice that, over a ttl. `besieged`: the share of schedules with a siege in them.
    `producers`: the size of the schedule, 0 for a small one.

    The others are mutants: `unguarded`: the guard nods and does nothing; `careless`: look at the lease, then write it;
    `late_count`: a lease counts from the answer; `hasty`: nobody looks at the clock right before a resume."""

    lease: bool = True
    step: Step = real_step
    margin: float = 2.0
    drift: float = 0.06
    besieged: float = 0.4
    producers: int = 0
    unguarded: bool = False
    careless: bool = False
    late_count: bool = False
    hasty: bool = False


class World(Clockwork):
    def __init__(self, seed: int, kind: Kind, telling: bool = False) -> None:
        super().__init__(seed, telling)
        chance = self.chance
        self.lease, self.step, self.besieged = kind.lease, kind.step, kind.besieged
        self.unguarded, self.late_count, self.hasty = kind.unguarded, kind.late_count, kind.hasty
        timing = Timing(margin=kind.margin)
        drift = chance.choice((0.0, 0.001, kind.drift, kind.drift))
        self.network = Network(self)
        self.store = Store(self, timing.ttl, 1.0 + drift * _share(chance), kind.careless)
        self.hosts: dict[str, Host] = {}
        self.chain = Chain(self, kind.producers or chance.choice((3, 3, 4)))
        starts_paused = chance.random() < 0.8
        names = "AB" if chance.random() < 0.6 else "ABC"
        for name in names:
            windows = (WINDOWS_WITH_LEASE if kind.lease else WINDOWS_WITHOUT)[name]
            terms = Terms(
                name,
                name,
                kind.lease,
                windows,
                vacant=VACANT_WITH_LEASE[name],
                timing=timing,
                cool_down=10.0,
                fuse=1000,
                hook=chance.random() < 0.5,
                returns=chance.choice(("stay", "return", "ask")),
                clear=4.0,
            )
            self.hosts[name] = Host(self, terms, 1.0 + drift * _share(chance), starts_paused)
        self.faulty = True
        self.pending: list[faults.Undo] = []
        self.steady_since: float | None = None

    def undo_later(self, undo: faults.Undo, delay: float) -> None:
        self.pending.append(undo)
        self.after(delay, self._undo, undo)

    def _undo(self, undo: faults.Undo) -> None:
        if undo in self.pending:
            self.pending.remove(undo)
            undo()

    def undo_all(self) -> None:
        pending, self.pending = self.pending, []
        for undo in pending:
            undo()

    def check_one_runs(self) -> None:
        invariants.one_runs(self)

    def live(self) -> float:
        """Run the schedule; return how long after the last fault one produced. Raises Violation."""
        self.hosts["A"].order = "takeover"
        self.after(15.0, faults.forget_orders, self)
        faults.plan(self, FAULTS_FOR)
        self.after(1.0, self._check_for_long)
        self.run(FAULTS_FOR)
        faults.stop(self)
        self.tell("", "-- nothing is faulty any more --")
        stopped = self.now
        bound = SETTLES if self.lease else SETTLES_WITHOUT
        while self.now < stopped + bound:
            self.run(self.now + CHECK_EVERY)
            if self._one_produces():
                return self.now - stopped
        states = ", ".join(f"{host.name} {host.state.name} ({host.state.why})" for host in self.hosts.values())
        self.violated(f"{bound:g} s after the last fault it is not so that exactly one produces: {states}")
        return bound

    def _check_for_long(self) -> None:
        if self.lease:
            invariants.no_excuse_for_long(self)
        else:
            invariants.no_two_for_long(self)
        self.after(1.0, self._check_for_long)

    def _one_produces(self) -> bool:
        """Exactly one node runs, its keeper knows it, and the newest window of ours has its blocks."""
        running = [host for host in self.hosts.values() if host.node.runs]
        if len(running) != 1 or running[0].state.name != "producing" or (self.lease and running[0].node.excused):
            self.steady_since = None
            return False
        if self.steady_since is None:
            self.steady_since = self.now
        signed = self.chain.signed_by == running[0].name and self.chain.last > self.steady_since
        return signed and self.now - self.steady_since >= STEADY


def _share(chance: Random) -> float:
    """The extremes are worth more than what lies between."""
    return chance.choice((-1.0, 1.0, chance.uniform(-1, 1)))


class Lived(NamedTuple):
    seed: int
    violation: str
    settled: float
    story: tuple[str, ...]


def live(seed: int, kind: Kind, telling: bool = False) -> Lived:
    world = World(seed, kind, telling)
    try:
        settled = world.live()
    except AssertionError as error:
        return Lived(seed, str(error), 0.0, tuple(world.story))
    return Lived(seed, "", settled, tuple(world.story))


def told(seed: int, kind: Kind) -> str:
    """The story of a seed, to read."""
    lived = live(seed, kind, telling=True)
    return "\n".join((f"seed {seed}: {lived.violation or 'all promises kept'}", *lived.story))
