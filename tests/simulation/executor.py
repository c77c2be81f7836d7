"""Does what a keeper decided, as the shell will: in order, journal first, each step bounded, each answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keeper.failover.actions import (
    WORLD,
    WRITTEN,
    Acquire,
    Action,
    ArmGuard,
    Deed,
    DisarmGuard,
    Journal,
    Kill,
    Outcome,
    Pause,
    ReadBack,
    Release,
    Renew,
    Resume,
    RunHook,
    Want,
)
from keeper.failover.lease import Denied, Grant
from tests.simulation import invariants

if TYPE_CHECKING:
    from tests.simulation.host import Host

API_TIMEOUT = 1.0


class Executor:
    """`journal` outlives the process. `script`: what the kill command and the hook do now: fine, fails, hangs."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.world = host.world
        self.journal: list[Deed] = []
        self.offered: list[Deed] = []  # to the journal, whether or not it could be written
        self.queue: deque[tuple[int, Action]] = deque()
        self.done: set[tuple[object, ...]] = set()
        self.doomed = 0  # the process it began to kill
        self.killer = "fine"
        self.hook = "fine"
        self.starved = 0.0
        self.trap: Callable[[], None] | None = None  # sprung right before a resume

    def do(self, actions: tuple[Action, ...]) -> None:
        """One queue, in order. A keeper may freeze or die between any two of what changes the world."""
        life = self.host.keeper
        if not self.queue and not any(isinstance(action, WORLD) for action in actions):
            for action in actions:
                self._one(life, action)
            return
        idle = not self.queue
        self.queue.extend((life, action) for action in actions)
        if idle:
            self._next()

    def _next(self) -> None:
        """What a dead keeper had still to do is never done."""
        while self.queue and self.queue[0][0] != self.host.keeper:
            self.queue.popleft()
        if not self.queue:
            return
        if self.trap and isinstance(self.queue[0][1], Resume):
            self.trap()
        if self.host.frozen:
            self.host.inbox.append(self._next)
            return
        self._one(*self.queue[0])
        self.queue.popleft()
        if self.queue:
            self.world.after((0.005 + self.starved) * self.world.chance.random(), self._next)

    def _one(self, life: int, action: Action) -> None:
        host = self.host
        if isinstance(action, Journal):
            self.offered.append(action.deed)
            if not host.disk_full:
                self.journal.append(action.deed)
            return
        if isinstance(action, WORLD):
            if isinstance(action, WRITTEN) and action not in self.journal[-1:]:
                host.answer(life, action, Outcome.FAILED)
                return
            invariants.journaled_once(self, action)
        self._act(life, action)

    def _act(self, life: int, action: Action) -> None:
        host = self.host
        if isinstance(action, Acquire | Renew | Release | Want):
            self._store(life, action)
        elif isinstance(action, Pause):
            self._api(life, action, "pause")
        elif isinstance(action, Resume):
            if host.mono < action.not_after or self.world.hasty:
                invariants.may_resume(host)
                self._api(life, action, "resume")
            else:
                host.answer(life, action, Outcome.FAILED)
        elif isinstance(action, ReadBack):
            host.read_back()
        elif isinstance(action, ArmGuard):
            if host.guard.arm(action.deadline, action.settled):
                self.world.after(0.001, host.answer, life, action, Outcome.DONE)
        elif isinstance(action, DisarmGuard):
            if host.guard.disarm():
                self.world.after(0.001, host.answer, life, action, Outcome.DONE)
        elif isinstance(action, Kill):
            self._kill(action)
        elif isinstance(action, RunHook):
            self._hook(life, action)

    # -- the node --------------------------------------------------------------------------------------------------

    def _api(self, life: int, action: Action, what: str) -> None:
        node = self.host.node
        if not node.alive:
            self.world.after(0.005, self.host.answer, life, action, Outcome.FAILED)
            return
        question = Question(self, life, action)
        delay = 0.002 + 0.1 * self.world.chance.random()
        self.world.after(delay, node.ask, what, node.process, question.answered)
        self.world.after(API_TIMEOUT, question.late)

    def _kill(self, action: Kill) -> None:
        if self.killer != "fine":
            return
        longest = self.host.terms.kill_within - self.host.terms.tick
        if self.doomed == self.host.node.process:
            return
        self.doomed = self.host.node.process
        took = self.world.chance.choice((0.1, longest * self.world.chance.random(), longest))
        self.world.after(took, self._killed, self.host.node.process)

    def _killed(self, process: int) -> None:
        if process == self.host.node.process:
            self.host.node.die("keeper killed it")

    def _hook(self, life: int, action: RunHook) -> None:
        if self.hook == "hangs":
            self.world.after(self.host.terms.hook_within, self.host.answer, life, action, Outcome.UNKNOWN)
        else:
            outcome = Outcome.DONE if self.hook == "fine" else Outcome.FAILED
            self.world.after(0.05 + self.world.chance.random(), self.host.answer, life, action, outcome)

    # -- the store -------------------------------------------------------------------------------------------------

    def _store(self, life: int, action: Acquire | Renew | Release | Want) -> None:
        question = Question(self, life, action)
        self.world.network.send(self.host.name, "store", self._at_store, action, question, self.host.mono)
        self.world.after(self.host.terms.timing.request_timeout / self.host.rate, question.late)

    def _at_store(self, action: Acquire | Renew | Release | Want, question: Question, asked: float) -> None:
        store = self.world.store
        if store.down:
            return
        result: Any = Outcome.DONE
        if isinstance(action, Acquire) and store.careless and not question.looked and not store.expire():
            question.looked = True
            self.world.network.send("store", self.host.name, self._write, action, question, asked)
            return
        if isinstance(action, Acquire):
            result = store.acquire(self.host.name, question.looked)
        elif isinstance(action, Renew):
            result = store.renew(action.grant.token)
        elif isinstance(action, Release):
            store.release(action.grant.token)
        else:
            store.want(action.host)
        self.world.network.send("store", self.host.name, self._from_store, question, result, asked)

    def _write(self, action: Acquire, question: Question, asked: float) -> None:
        self.world.network.send(self.host.name, "store", self._at_store, action, question, asked)

    def _from_store(self, question: Question, result: Any, asked: float) -> None:
        if isinstance(result, tuple) and not isinstance(result, Denied):
            counted_from = self.host.mono if self.world.late_count else asked
            result = Grant(result[0], result[1], counted_from + self.host.terms.timing.ttl)
        question.answered(result)


class Question:
    """Put once, answered once: by the other side, or by the clock."""

    def __init__(self, executor: Executor, life: int, action: Action) -> None:
        self.executor = executor
        self.life = life
        self.action = action
        self.open = True
        self.looked = False

    def answered(self, result: Any = Outcome.DONE) -> None:
        if self.open:
            self.open = False
            self.executor.host.answer(self.life, self.action, result)

    def late(self) -> None:
        self.answered(Outcome.UNKNOWN)
