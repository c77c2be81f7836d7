"""The guard of one host: a process with the real rule, which can be frozen and killed, and its service manager."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from keeper.failover.guard_rule import Guard, GuardStep, arm, disarm, guard_step
from tests.simulation import invariants

if TYPE_CHECKING:
    from tests.simulation.host import Host

TICK = 0.5
WATCHDOG = 3.0  # WatchdogSec of its unit


class GuardProcess:
    """`life` counts its lives, 0: dead, or there is no lease to guard. `frozen` counts what holds it; what comes then
    waits in `inbox`, and is read before it judges again."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.world = host.world
        self.life = 1 if host.world.lease else 0
        self.lives = 1
        self.frozen = 0
        self.state = Guard()
        self.sample: bool | None = True
        self.inbox: list[Callable[[], None]] = []
        self.doomed = 0  # the process of the node it began to kill
        self.ticks = 0
        if self.life:
            self.world.after(self.world.chance.random() * TICK, self._tick, self.ticks)

    # -- what keeper says to it ------------------------------------------------------------------------------------

    def arm(self, deadline: float, settled: bool) -> bool:
        """False when it gives no answer."""
        return self._heed(lambda: self._set(arm(self.state, deadline, settled)))

    def disarm(self) -> bool:
        return self._heed(lambda: self._set(disarm(self.state)))

    def _set(self, state: Guard) -> None:
        self.state = state

    def _heed(self, message: Callable[[], None]) -> bool:
        if not self.life:
            return self.world.unguarded
        if self.frozen:
            self.inbox.append(message)
            return False
        message()
        return True

    # -- what it does ----------------------------------------------------------------------------------------------

    def _tick(self, ticks: int) -> None:
        if ticks != self.ticks or not self.life or self.frozen or self.world.unguarded:
            return
        host, node = self.host, self.host.node
        self.world.after(TICK / host.rate, self._tick, ticks)
        paused, self.sample = self.sample, node.paused if node.answers else None
        state, step = guard_step(self.state, paused, not node.alive, host.mono, host.terms.pause_within)
        begins, self.state = self.state.fencing_since is None, state
        if step is GuardStep.WAIT:
            return
        if begins:
            self.world.tell(host.name, f"guard fences: {step.value}")
            invariants.keeper_did_its_duty(host)
        if step is GuardStep.PAUSE:
            self.world.after(0.02, node.ask, "pause", node.process, lambda: None)
        elif self.doomed != node.process:
            self.doomed = node.process
            longest = host.terms.timing.act_within - host.terms.pause_within - TICK - 0.05
            took = self.world.chance.choice((0.1, longest * self.world.chance.random(), longest))
            self.world.after(took, self._kill, node.process, "the guard killed it")

    def _kill(self, process: int, why: str) -> None:
        if process == self.host.node.process and not self.host.off:
            self.host.node.die(why)

    def _go_on(self) -> None:
        self.ticks += 1
        self._tick(self.ticks)

    # -- its life --------------------------------------------------------------------------------------------------

    def die(self, why: str) -> None:
        """The node's unit is bound to the guard's: the service manager ends it, too, and starts the guard again."""
        if not self.life or self.world.unguarded:
            return
        self.world.tell(self.host.name, f"guard ends: {why}")
        self.life = 0
        self.frozen = self.host.frozen_whole
        self.inbox.clear()
        took = 0.2 + 0.8 * self.world.chance.random()
        self.world.after(took, self._kill, self.host.node.process, "its unit is bound to the guard's")
        self.world.after(1.5, self.start)

    def start(self) -> None:
        if self.life or self.host.off or not self.world.lease:
            return
        self.lives += 1
        self.life = self.lives
        self.state, self.sample = Guard(), None
        self._go_on()

    def freeze(self) -> None:
        if self.life:
            self.frozen += 1
            self.world.after(WATCHDOG, self._watchdog, self.life)

    def _watchdog(self, life: int) -> None:
        """The service manager of a host that is frozen as a whole is frozen, too."""
        if life == self.life and self.frozen > self.host.frozen_whole:
            self.die("it was frozen")

    def thawed(self) -> None:
        if self.life and not self.frozen:
            waiting, self.inbox = self.inbox, []
            for message in waiting:
                message()
            self._go_on()

    def power_off(self) -> None:
        self.life = self.frozen = 0
        self.inbox.clear()
