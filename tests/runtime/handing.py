"""A failover thread with its real hands, guard, scripts and book; a stand-in for the node, a store in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from keeper.actions.brief_http import read_address
from keeper.actions.kill import read_kill
from keeper.actions.producer_api import ProducerApi
from keeper.failover.lease import Denied, Grant, Seen, Timing, Unreachable
from keeper.failover.observed import ChainLook
from keeper.failover.terms import Terms
from keeper.runtime.book import Book, history
from keeper.runtime.clock import Clock, since_boot
from keeper.runtime.guard_process import Duty, GuardProcess
from keeper.runtime.hands import Hands, Message, Outfit
from keeper.runtime.reconciler import Reconciler, Tell
from keeper.runtime.watch import Thread
from tests.failover.build import CHAIN
from tests.failover.node import COMM, StandIn
from tests.peers.ask import eventually

TIMING = Timing(ttl=5.0, renew=0.5, request_timeout=0.5, act_within=2.5, margin=0.5)
TERMS = Terms(
    "b",
    "B",
    lease=True,
    timing=TIMING,
    pause_within=1.4,
    kill_within=0.8,
    tick=0.1,
    settle=1.5,
    cool_down=30.0,
    hook_within=0.7,
)
OWN = "0123456789abcdef"
MISSED, SIGNED = CHAIN._replace(asked=0, agree=0), CHAIN._replace(missed=0, asked=0, agree=0)


class Store:
    """A LeaseStore that all who ask share. `down`: why it does not answer."""

    def __init__(self) -> None:
        self.holder = ""
        self.epoch = 0
        self.ends = 0.0
        self.paused = ""
        self.wanted = ""
        self.down = ""
        self.asked = 0
        self.hosts = ["b"]

    def acquire(self) -> Grant | Denied:
        self._up()
        self.asked += 1
        if self.holder and since_boot() < self.ends:
            return Denied(self.holder, f"{self.holder} has the lease")
        self.holder, self.epoch, self.ends = "b", self.epoch + 1, since_boot() + TIMING.ttl
        return Grant(self.epoch, f"token-{self.epoch}", self.ends)

    def renew(self, grant: Grant) -> Grant | Denied:
        self._up()
        if self.holder != "b":
            return Denied(self.holder, "it was taken")
        self.ends = since_boot() + TIMING.ttl
        return grant._replace(until=self.ends)

    def release(self, grant: Grant) -> None:
        self._up()
        if grant.epoch == self.epoch:
            self.holder = ""

    def look(self) -> Seen:
        self._up()
        return Seen(self.holder, self.epoch, self.paused, self.wanted, dict.fromkeys(self.hosts, OWN), {"b": "B"})

    def announce(self, role: str, configuration: str) -> None:
        self._up()

    def pause(self, why: str) -> None:
        self.paused = why

    def want(self, host: str) -> None:
        self._up()
        self.wanted = host

    def _up(self) -> None:
        if self.down:
            raise Unreachable(self.down)


class Scene:
    def __init__(self, directory: Path, node: StandIn, terms: Terms, scripts: Mapping[str, str]) -> None:
        self.node = node
        self.directory = directory
        self.store = Store()
        self.chain = SIGNED
        self.lines: list[tuple[str, str]] = []
        self.changes: list[tuple[bool, str]] = []
        self.book = Book.open(directory)
        kill = f"pidfile:{node.pid_file}:{COMM}"
        outfit = Outfit(
            api=ProducerApi(read_address(node.url), since_boot),
            kill=read_kill(kill, since_boot) if terms.killer else None,
            leases=(self.store, self.store) if terms.lease else None,
            guard=GuardProcess(directory) if terms.lease else None,
            duty=Duty(node.url, kill, TIMING.act_within, "", scripts.get("takeover", "")),
            scripts={name: path for name, path in scripts.items() if name != "takeover"},
            environment={"KEEPER_API": node.url, "KEEPER_HOST": "b"},
            announce=("B", OWN),
        )
        self.failed: list[str] = []

        def hands(post: Callable[[Message], None]) -> Hands:
            return Hands(outfit, terms, since_boot, post, self.failed.append)

        self.reconciler = Reconciler(
            terms,
            OWN,
            hands,
            self.book,
            Tell(
                lambda kind, text: self.lines.append((kind, text)),
                lambda produces, why: self.changes.append((produces, why)),
                self._look,
            ),
            since_boot,
            Clock().wall,
            86_400.0,
        )
        self._thread = Thread("failover", self.reconciler.run, self.failed.append)

    def _look(self) -> None:
        look = ChainLook(since_boot(), self.chain, "", None, keyless=False, started=None, round_seconds=30.0)
        threading.Thread(target=self.reconciler.heard_chain, args=(look,)).start()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.stop()
        self.reconciler.stop()
        self._thread.join(5)
        self.reconciler.join(3)

    @property
    def state(self) -> str:
        return self.reconciler.state.name

    def await_state(self, name: str, deadline: float = 15.0) -> None:
        try:
            eventually(lambda: self.state == name, f"state {name}", deadline, every=0.02)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.state}, {self.reconciler.status}\n{self.told()}") from None

    def paused(self) -> bool | None:
        said = ProducerApi(read_address(self.node.url), since_boot).paused(1.0)
        return said if isinstance(said, bool) else None

    def told(self) -> str:
        return "\n".join(f"{line.kind}: {line.text}" for line in history(self.directory, 1000))


@contextmanager
def scene(
    directory: Path, terms: Terms = TERMS, *manners: str, scripts: Mapping[str, str] | None = None
) -> Iterator[Scene]:
    """A standby that is ready, and its paused node."""
    place = directory / "state"
    place.mkdir(mode=0o700)
    with StandIn(directory, *(manners or ("paused",))) as node:
        one = Scene(place, node, terms, scripts or {})
        one.start()
        try:
            yield one
        finally:
            one.stop()
            assert not one.failed


def script(directory: Path, name: str, text: str) -> str:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)
