"""Does what the table of roles decided: each kind of action in a lane of its own, in order, bounded in time, answered.

    lease   acquire, renew, release        guard   arm, disarm, resume
    notice  look, announce, want           node    pause, read back (resume, without a lease)
    hooks   scripts that are told          asks    pre_takeover, which is waited for
    kill    the kill command

Nothing is decided here. What came of it is posted as it comes; the thread that decides owns everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from keeper.actions.kill import Kill as KillWay
from keeper.actions.producer_api import Done, Nobody, ProducerApi, Refused
from keeper.actions.producer_api import Outcome as Said
from keeper.actions.site import carry_out
from keeper.core.source import Now
from keeper.failover.actions import (
    Acquire,
    Action,
    Answer,
    ArmGuard,
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
from keeper.failover.lease import Denied, Grant, LeaseStore, Unreachable
from keeper.failover.observed import NodeSample, StoreFailed, StoreLook
from keeper.failover.terms import Terms
from keeper.runtime.guard_process import Duty, GuardProcess
from keeper.runtime.guarding import Guarding
from keeper.runtime.lane import Lane

ORDER = 1.0  # seconds a node may take to follow an order; pause_within must have room for it
QUESTION = 0.5  # seconds it may take to say whether it is paused
LOOK = 0.2  # seconds for looking whether its process is gone
GONE_LASTS = 0.2  # seconds such a look is good for


class Told(NamedTuple):
    """Something a person wants to read afterwards."""

    kind: str
    text: str


Message = Answer | NodeSample | StoreLook | StoreFailed | Told


class Outfit(NamedTuple):
    """What the hands work with. `leases` are two, one for each lane that asks the store; None without a store. `guard`
    is None without a lease. `scripts` by name of the hook, `takeover` and `step_down`: absolute paths, empty for none.
    `environment` is given to every script. `announce`: role and fingerprint of the configuration."""

    api: ProducerApi
    kill: KillWay | None
    leases: tuple[LeaseStore, LeaseStore] | None
    guard: GuardProcess | None
    duty: Duty
    scripts: Mapping[str, str]
    environment: Mapping[str, str]
    announce: tuple[str, str]


class Hands:
    """`post` may be called from any thread."""

    def __init__(
        self, outfit: Outfit, terms: Terms, now: Now, post: Callable[[Message], None], failed: Callable[[str], None]
    ) -> None:
        self._outfit = outfit
        self._terms = terms
        self._now = now
        self._post = post
        names = ("node", "kill", "hooks", "asks", *(("lease", "notice", "guard") if terms.lease else ()))
        self._lanes = {name: Lane(name, failed) for name in names}
        self._gone: tuple[float, bool | None] = (float("-inf"), None)
        self._announced_at = float("-inf")
        self._guarding: Guarding | None = None
        if outfit.guard is not None:
            self._guarding = Guarding(outfit.guard, outfit.duty, terms, lambda text: post(Told("guard", text)))
        self.why = ""  # of the present state, for scripts
        self._works = self._table()

    def start(self) -> None:
        for lane in self._lanes.values():
            lane.start()
        if self._guarding is not None:
            self._lanes["guard"].put(self._guarding.begin)

    @property
    def refused(self) -> int:
        """How many things to do found too much waiting before them."""
        return sum(lane.refused for lane in self._lanes.values())

    @property
    def guard_trouble(self) -> str:
        return "" if self._guarding is None else self._guarding.trouble

    def stop(self) -> None:
        for lane in self._lanes.values():
            lane.stop()

    def join(self, seconds: float) -> None:
        """Wait for the lanes, then hang up: a guard that is armed goes on without us."""
        for lane in self._lanes.values():
            lane.join(seconds / len(self._lanes))
        if self._guarding is not None:
            self._guarding.close()

    # -- looking ---------------------------------------------------------------------------------------------------

    def look_around(self) -> None:
        """Ask the node and the store how they are, unless they are asked already; see that the guard is there."""
        if self._lanes["node"].idle:
            self._lanes["node"].put_once("read back", self._read_back)
        if self._outfit.leases is not None and self._lanes["notice"].idle:
            self._lanes["notice"].put_once("look", self._look_at_store)
        if self._guarding is not None and self._lanes["guard"].idle:
            self._lanes["guard"].put_once("look", self._guarding.look)

    def gone(self, sample: NodeSample) -> bool | None:
        """Whether the node's process is gone, looked at now: nobody listens at its port, and there is no process. None
        when that cannot be told."""
        if self._outfit.kill is None:
            return None
        if not sample.nobody or self._now() - sample.asked_at > 2.0:
            return False if sample.paused is not None else None
        at, gone = self._gone
        if self._now() - at > GONE_LASTS:
            gone = not self._outfit.kill.gone(self._now() + LOOK)
            self._gone = (self._now(), gone)
        return gone

    def _read_back(self) -> None:
        asked_at = self._now()
        said = self._outfit.api.paused(QUESTION)
        if isinstance(said, bool):
            self._post(NodeSample(asked_at, said, api=True))
        elif isinstance(said, Refused):
            self._post(NodeSample(asked_at, None, api=False, why=said.why))
        else:
            self._post(NodeSample(asked_at, None, isinstance(said, Nobody), None, said.why))

    def _look_at_store(self) -> None:
        if self._outfit.leases is None:
            return
        store = self._outfit.leases[1]
        asked_at = self._now()
        try:
            if asked_at - self._announced_at >= self._terms.timing.ttl / 3:
                store.announce(*self._outfit.announce)
                self._announced_at = asked_at
                asked_at = self._now()
            self._post(StoreLook(asked_at, store.look()))
        except Unreachable as error:
            self._post(StoreFailed(str(error)))

    # -- doing -----------------------------------------------------------------------------------------------------

    def is_idle(self, action: Action) -> bool:
        """It is a script that the site does not have: nothing to write down, nothing to do."""
        deed = action.deed if isinstance(action, Journal) else action
        return isinstance(deed, RunHook) and not self._outfit.scripts.get(deed.name, "")

    def do(self, action: Action) -> None:
        """Begin it. What is not known here changes nothing outside: VerifyGone is looked at by `gone`."""
        if type(action) not in self._works:
            return
        lane, work = self._works[type(action)]
        if isinstance(action, RunHook) and action.name == "pre_takeover":
            lane = "asks"  # it is waited for, and must not stand behind one that is only told
        if isinstance(action, Pause | ReadBack):
            self._lanes[lane].put_once(type(action).__name__, lambda: work(action))
        elif not self._lanes[lane].put(lambda: work(action)):
            self._post(Answer(action, Outcome.FAILED))

    def _table(self) -> dict[type, tuple[str, Callable[[Action], None]]]:
        return {
            Acquire: ("lease", self._ask_lease),
            Renew: ("lease", self._ask_lease),
            Release: ("lease", self._ask_lease),
            Want: ("notice", self._want),
            ArmGuard: ("guard", self._arm),
            DisarmGuard: ("guard", self._disarm),
            Resume: ("guard" if self._terms.lease else "node", self._resume),
            Pause: ("node", self._pause),
            ReadBack: ("node", lambda _action: self._read_back()),
            Kill: ("kill", self._kill),
            RunHook: ("hooks", self._run_hook),
        }

    def _ask_lease(self, action: Action) -> None:
        store = self._outfit.leases[0] if self._outfit.leases is not None else None
        result: Outcome | Grant | Denied = Outcome.UNKNOWN
        try:
            if store is None:
                result = Outcome.FAILED
            elif isinstance(action, Acquire):
                result = store.acquire()
            elif isinstance(action, Renew):
                result = store.renew(action.grant)
            elif isinstance(action, Release):
                store.release(action.grant)
                result = Outcome.DONE
        except Unreachable as error:
            self._post(StoreFailed(str(error)))
        self._post(Answer(action, result))

    def _want(self, action: Action) -> None:
        result = Outcome.UNKNOWN
        try:
            if isinstance(action, Want) and self._outfit.leases is not None:
                self._outfit.leases[1].want(action.host)
                result = Outcome.DONE
        except Unreachable as error:
            self._post(StoreFailed(str(error)))
        self._post(Answer(action, result))

    # -- the guard, and resuming ---------------------------------------------------------------------------------

    def _arm(self, action: Action) -> None:
        if self._guarding is not None and isinstance(action, ArmGuard):
            self._post(Answer(action, self._guarding.arm(action.deadline)))

    def _disarm(self, action: Action) -> None:
        if self._guarding is not None:
            self._post(Answer(action, self._guarding.disarm()))

    def _resume(self, action: Action) -> None:
        """The clock is looked at right before: by the guard once more, in its own process."""
        if not isinstance(action, Resume):
            return
        result, why = Outcome.FAILED, "its time was over before it was asked"
        if self._now() < action.not_after:
            if self._guarding is not None:
                result, why = self._guarding.resume(self._environment("takeover", action.epoch))
            else:
                result, why = self._resume_here(action)
        if why:
            self._post(Told("resume", f"the node was not resumed: {why}"))
        self._post(Answer(action, result))
        self._lanes["node"].put_once("read back", self._read_back)

    def _resume_here(self, action: Resume) -> tuple[Outcome, str]:
        if self._outfit.duty.takeover:
            return self._script(self._outfit.duty.takeover, "takeover", action.epoch, self._terms.settle)
        said = self._outfit.api.resume(ORDER)
        if isinstance(said, Done):
            return Outcome.DONE, ""
        return (Outcome.FAILED if isinstance(said, Refused | Nobody) else Outcome.UNKNOWN), said.why

    # -- the node --------------------------------------------------------------------------------------------------

    def _pause(self, action: Action) -> None:
        """By the site's script first, where there is one; the producer API decides in any case."""
        if not isinstance(action, Pause):
            return
        if path := self._outfit.scripts.get("step_down", ""):
            result, why = self._script(path, "step_down", action.epoch, self._terms.pause_within / 2)
            if result is not Outcome.DONE:
                self._post(Told("pause", why))
        said: Said = self._outfit.api.pause(ORDER)
        if not isinstance(said, Done) and action.attempt == 1:
            self._post(Told("pause", f"the node was not paused: {said.why}"))
        self._post(Answer(action, Outcome.DONE if isinstance(said, Done) else Outcome.UNKNOWN))

    def _kill(self, action: Action) -> None:
        if self._outfit.kill is None:
            return
        why = self._outfit.kill.kill(self._now() + self._terms.kill_within - self._terms.tick)
        self._gone = (float("-inf"), None)
        self._post(Told("kill", why or "the kill command was carried out"))
        self._post(Answer(action, Outcome.UNKNOWN if why else Outcome.DONE))
        self._lanes["node"].put_once("read back", self._read_back)

    # -- scripts of the site ---------------------------------------------------------------------------------------

    def _run_hook(self, action: Action) -> None:
        if not isinstance(action, RunHook):
            return
        path = self._outfit.scripts.get(action.name, "")
        if not path:
            self._post(Answer(action, Outcome.DONE))
            return
        result, why = self._script(path, action.name, action.epoch, self._terms.hook_within)
        if why:
            self._post(Told("script", why))
        self._post(Answer(action, result))

    def _script(self, path: str, name: str, epoch: int, seconds: float) -> tuple[Outcome, str]:
        """UNKNOWN when it did not end by itself, as it was killed in the middle of whatever it did; or says so."""
        said = carry_out(path, self._environment(name, epoch), self._now() + seconds, self._now)
        if isinstance(said, Done):
            return Outcome.DONE, ""
        return (Outcome.FAILED if isinstance(said, Refused) else Outcome.UNKNOWN), f"{name}: {said.why}"

    def _environment(self, name: str, epoch: int) -> dict[str, str]:
        own = {"KEEPER_ACTION": name, "KEEPER_EPOCH": str(epoch), "KEEPER_REASON": self.why, "KEEPER_DRILL": ""}
        return {**self._outfit.environment, **own}
