"""Failover as one part of the daemon: made from the settings, fed with what the loop knows, shown with the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from keeper.actions.brief_http import read_address, resolved
from keeper.actions.kill import read_kill
from keeper.actions.producer_api import ProducerApi
from keeper.core.event import (
    BlockProduced,
    BlockReceived,
    Drilled,
    Event,
    NodeStarted,
    NotProducing,
    RoleChanged,
    RoleStands,
)
from keeper.core.memory import View
from keeper.core.slots import round_seconds
from keeper.errors import KeeperError
from keeper.failover.etcd import EtcdLease, Identity
from keeper.failover.etcd_gateway import Gateway, Login
from keeper.failover.facts import distrust, of_chain
from keeper.failover.observed import ChainLook
from keeper.failover.plan import HOOKS, api_of, cluster_of, fingerprint, node_of, promise_of, terms_of
from keeper.pipeline import Pipeline
from keeper.rules.looks import Look, log_look
from keeper.runtime.book import Book, Drill
from keeper.runtime.clock import Clock, iso, since_boot
from keeper.runtime.guard_process import Duty, GuardProcess
from keeper.runtime.hands import Hands, Outfit
from keeper.runtime.inbox import Inbox
from keeper.runtime.loop import KEEPER, Loop
from keeper.runtime.reconciler import Reconciler, Tell
from keeper.runtime.watch import Thread
from keeper.settings import FailoverSettings, NodeSettings, Settings

STANDS_EVERY = 10.0  # seconds between two times the rules are told how it stands
KEY_LOOKED_BACK = 64  # reasons of nodeos for not producing that are looked through for a missing key


class Failover:
    """Everything but the constructor is for the loop's thread."""

    def __init__(
        self, settings: Settings, clock: Clock, inbox: Inbox, loop: Loop, failed: Callable[[str], None]
    ) -> None:
        failover, node = settings.failover, node_of(settings)
        if failover is None or node is None:
            raise KeeperError("there is no [failover] section, or no node to hand over")
        self._settings = settings
        self._clock = clock
        self._inbox = inbox
        self._loop = loop
        self._node = node.name
        self._told: tuple[Any, ...] = ()
        self._told_at = float("-inf")
        self._drills_told = 0.0
        self._newest: Event | None = None  # the newest block of a peer
        self.terms = terms_of(settings)
        book = Book.open(Path(settings.keeper.state_dir))
        self._state_dir = Path(settings.keeper.state_dir)
        outfit = outfit_of(settings, failover, node, book.instance)
        self.reconciler = Reconciler(
            self.terms,
            fingerprint(settings),
            lambda post: Hands(outfit, self.terms, since_boot, post, failed),
            book,
            Tell(self._line, self._changed, lambda: inbox.call(self.look_at_chain)),
            since_boot,
            clock.wall,
            failover.fuse_window,
        )
        self._thread = Thread("failover", self.reconciler.run, failed)

    def start(self) -> None:
        for drill in filter(self._counts, self.reconciler.drills()):
            self._loop.tell(Drilled(drill.at - self._clock.drift(), drill.good, drill.took, drill.text), self._node)
            self._drills_told = drill.at
        self._thread.start()

    def _counts(self, drill: Drill) -> bool:
        """Where there is a lease, a rehearsal proves too little."""
        return drill.kind != "rehearsal" or not self.terms.lease

    def _play(self, produces: bool) -> None:  # as the status has it
        """Have the rules judge the host by what it is now: a standby that A has become is not failing for being one,
        and a B that produces is."""
        pipeline = self._loop.pipelines.get(self._node)
        role = "A" if produces else self.terms.role if self.terms.role != "A" else "B"
        if pipeline is None or self.terms.role == "F" or pipeline.memory.subject.role == role:
            return
        pipeline.memory.subject = replace(pipeline.memory.subject, role=role)
        pipeline.judge.wake_all()
        self._loop.touch(self._node)

    def stop(self) -> None:
        self._thread.stop()
        self.reconciler.stop()

    def join(self, seconds: float) -> None:
        """The guard of a node that produces goes on: it fences unless another keeper comes in time."""
        if self._thread.join(seconds):
            self.reconciler.join(seconds)

    def why_not_reload(self, settings: Settings) -> str:
        """Why these settings need a restart; empty when they do not touch the handing over."""
        same = settings.failover == self._settings.failover and node_of(settings) == node_of(self._settings)
        if same and settings.keeper.role == self._settings.keeper.role:
            return ""
        return (
            "[failover], its node and the role cannot change while keeper runs; restart it (a node that produces goes "
            f"on, if keeper is back within {self.terms.unattended:g} s)"
        )

    # -- from the failover thread ----------------------------------------------------------------------------------

    def _line(self, kind: str, text: str) -> None:
        self._inbox.call(lambda: self._loop.journal(f"failover {kind}", self._node, text))

    def _changed(self, produces: bool, why: str) -> None:  # as the event has it
        self._inbox.call(lambda: self._loop.tell(RoleChanged(self._clock.now(), produces, why), self._node))

    # -- in the loop -----------------------------------------------------------------------------------------------

    def look_at_chain(self) -> None:
        """Tell the failover thread what the node's memory says now."""
        pipeline = self._loop.pipelines.get(self._node)
        if pipeline is not None:
            keeper = self._loop.pipelines.get(KEEPER)
            self.reconciler.heard_chain(chain_look(pipeline, keeper, self._clock.now(), since_boot()))

    def after_turn(self) -> None:
        """Tell it at once when a block came that was signed as us: another signer cannot wait for the next look."""
        pipeline = self._loop.pipelines.get(self._node)
        newest = pipeline.memory.ring(BlockReceived).last if pipeline is not None else None
        if pipeline is None or newest is self._newest:
            return
        self._newest = newest
        if isinstance(newest, BlockReceived) and newest.producer in pipeline.memory.subject.producers:
            self.look_at_chain()

    def publish(self, now: float) -> dict[str, Any]:
        """The status as people read it; the rules are told when something in it has changed."""
        status = self.reconciler.status
        if not status:
            return {}
        if (stuck := since_boot() - status["at"]) > STANDS_EVERY:
            # Nothing is told to the rules: that nothing is told is what failover_trouble waits for.
            status = {**status, "troubles": [f"the failover thread has not looked for {stuck:.0f} s: restart keeper"]}
            return self._shown(status)
        troubles = tuple(status["troubles"])
        stands = (status["state"], status["observed"], troubles)
        if stands != self._told or now - self._told_at >= STANDS_EVERY:
            self._told, self._told_at = stands, now
            self._loop.tell(RoleStands(now, *stands), self._node)
        self._play(status["wanted"])
        drills = self.reconciler.drills()
        for drill in drills:
            if drill.at > self._drills_told:
                self._drills_told = drill.at
                if self._counts(drill):
                    self._loop.tell(Drilled(now, drill.good, drill.took, drill.text), self._node)
        return self._shown(status)

    def _shown(self, status: dict[str, Any]) -> dict[str, Any]:
        drills = self.reconciler.drills()
        last = drills[-1] if drills else None
        wall = self._clock.wall()
        return {
            **status,
            "node": self._node,
            "cluster": cluster_of(self._settings),
            "host": self.terms.host,
            "role": self.terms.role,
            "lease": self.terms.lease,
            "promise": promise_of(self.terms),
            "since": iso(wall - status["since"]),
            "lease_until": None if status["lease_ends_in"] is None else iso(wall + status["lease_ends_in"]),
            "last_drill": None
            if last is None
            else {"at": iso(last.at), "kind": last.kind, "good": last.good, "took": last.took, "text": last.text},
        }


def outfit_of(settings: Settings, failover: FailoverSettings, node: NodeSettings, instance: str) -> Outfit:
    """What the hands work with. Raises KeeperError."""
    terms = terms_of(settings)
    text = api_of(failover, node)
    try:
        address = resolved(read_address(text))
    except (ValueError, OSError) as error:
        raise KeeperError(f"[failover] api: {text}: {error}") from error
    leases = None
    if failover.lease:
        identity = Identity(cluster_of(settings), settings.keeper.name, instance)
        login = Login(failover.username, failover.password)
        first, second = (
            EtcdLease(Gateway(failover.lease, since_boot, login, failover.ca_file), identity, terms.timing, since_boot)
            for _ in range(2)
        )
        leases = (first, second)
    scripts = {name: getattr(failover, name) for name in HOOKS} | {"step_down": failover.step_down}
    return Outfit(
        api=ProducerApi(address, since_boot),
        kill=read_kill(failover.kill, since_boot, failover.docker) if failover.kill else None,
        leases=leases,
        guard=GuardProcess(Path(settings.keeper.state_dir)) if terms.lease else None,
        duty=Duty(text, failover.kill, terms.timing.act_within, failover.docker, failover.takeover),
        scripts=scripts,
        environment=_environment(terms.host, terms.role, node, text),
        announce=(terms.role, fingerprint(settings)),
    )


def _environment(host: str, role: str, node: NodeSettings, api: str) -> Mapping[str, str]:
    return {
        "KEEPER_HOST": host,
        "KEEPER_ROLE": role,
        "KEEPER_PRODUCER": ",".join(node.producer),
        "KEEPER_API": api,
    }


def chain_look(pipeline: Pipeline, keeper: Pipeline | None, now: float, boot: float) -> ChainLook:
    """What a node's memory says at `now` (the loop's clock), which is `boot` on the clock since boot."""
    view = View(pipeline.memory, now)
    why = distrust(view) or (distrust(View(keeper.memory, now)) if keeper is not None else "")
    started = view.last(NodeStarted)
    schedule = view.chain.schedule.producers
    return ChainLook(
        at=boot,
        chain=of_chain(view),
        distrust=why,
        own_block=_own_block(view),
        keyless=_is_keyless(view, started.at if started is not None else float("-inf")),
        started=None if started is None else boot - (now - started.at) - 1.0,  # log lines have a clock of their own
        round_seconds=round_seconds(schedule) if schedule else 0.0,
    )


def _own_block(view: View) -> float | None:
    if not isinstance(log_look(view), Look):
        return None
    last = view.last(BlockProduced)
    return float("inf") if last is None else view.now - last.at


def _is_keyless(view: View, since: float) -> bool:
    """The node said so after its start, and has signed nothing after that."""
    signed = view.last(BlockProduced)
    since = max(since, signed.at) if signed is not None else since
    for looked_at, event in enumerate(view.newest_first(NotProducing)):
        if event.at <= since or looked_at >= KEY_LOOKED_BACK:
            return False
        if event.reason == "no_private_key":
            return True
    return False
