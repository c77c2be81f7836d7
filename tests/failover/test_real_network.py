"""The lease, the guard and the fence on a real chain: the standby produces, and never two nodes at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from keeper.runtime.clock import since_boot
from keeper.runtime.guard_process import last_report
from tests.failover.holder import TIMING
from tests.failover.test_guard import TOP, guards
from tests.peers.ask import eventually
from tests.peers.etcd import Etcd
from tests.peers.network import OURS, Network
from tests.peers.nodeos import Nodeos
from tests.peers.process import Program

EVERY = 0.05  # seconds between two looks of the observer


class Observer:
    """Asks each node 20 times a second whether it is paused, and is no part of keeper. `seen` is what they said:
    `True`, `False`, or None without an answer, each with when it was asked and when the answer was there."""

    def __init__(self, nodes: list[Nodeos]) -> None:
        self.seen: dict[str, list[tuple[float, float, bool | None]]] = {node.name: [] for node in nodes}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._look, args=(node,), daemon=True) for node in nodes]

    def __enter__(self) -> Observer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _look(self, node: Nodeos) -> None:
        session = requests.Session()
        session.trust_env = False
        while not self._over.wait(EVERY):
            asked, paused = since_boot(), None
            with contextlib.suppress(requests.RequestException):
                paused = session.post(f"{node.http_url}/v1/producer/paused", timeout=1).json()
            self.seen[node.name].append((asked, since_boot(), paused))

    def unpaused(self, name: str) -> list[tuple[float, float]]:
        """From the first to the last look of each time that it said it was not paused."""
        spans: list[tuple[float, float]] = []
        open_ = False
        for asked, answered, paused in tuple(self.seen[name]):
            if paused is False:
                spans[-1:] = [(spans[-1][0], answered)] if open_ else [*spans[-1:], (asked, answered)]
            open_ = paused is False
        return spans


class RealHost:
    def __init__(self, node: Nodeos, directory: Path, etcd: Etcd) -> None:
        self.node = node
        self.place = Path(f"/tmp/keeper-real-{os.getpid()}-{node.name}")
        self.place.mkdir(mode=0o700, exist_ok=True)
        pid_file = directory / f"{node.name}.pid"
        pid_file.write_text(str(node.pid))
        comm = Path(f"/proc/{node.pid}/comm").read_text().strip()
        argv = [sys.executable, "-m", "tests.failover.holder", str(self.place), node.name, node.http_url]
        argv += [f"pidfile:{pid_file}:{comm}", *etcd.urls]
        self.keeper = Program(node.name, argv, directory / f"{node.name}.log", {"PYTHONPATH": str(TOP)})

    def start(self) -> None:
        self.keeper.start(lambda: "started" in self.said())

    def said(self) -> str:
        return self.keeper.log.read_text() if self.keeper.log.exists() else ""

    def close(self) -> None:
        self.keeper.kill()
        for pid in guards(self.place):
            os.kill(pid, signal.SIGKILL)
        for file in self.place.iterdir():
            file.unlink()
        self.place.rmdir()


@pytest.fixture
def hosts(fresh_testnet: Network, tmp_path: Path) -> Iterator[tuple[RealHost, RealHost]]:
    """A produces by its lease, B waits for it."""
    with Etcd(tmp_path / "etcd") as etcd, contextlib.ExitStack() as stack:
        fresh_testnet["A"].pause()
        a, b = (RealHost(fresh_testnet[name], tmp_path, etcd) for name in "AB")
        for host, others in ((a, ""), (b, "A")):
            stack.callback(host.close)
            host.start()
            if not others:
                eventually(lambda: "producing" in a.said(), "A to produce")
        yield a, b


@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", ["keeper killed", "keeper and node frozen"])
def test_the_standby_produces_in_time(fresh_testnet: Network, hosts: tuple[RealHost, RealHost], fault: str) -> None:
    """A's keeper is killed, or all of A is frozen: A is fenced first, then B produces, within ttl and a moment."""
    a, b = hosts
    with Observer([a.node, b.node]) as observer:
        fresh_testnet.await_producers([OURS])
        broken = since_boot()
        if fault == "keeper killed":
            os.kill(a.keeper.pid, signal.SIGKILL)
        else:
            a.keeper.signal(signal.SIGSTOP)
            a.node.sigstop()
        eventually(lambda: "producing" in b.said(), "B to produce", 30)
        took = since_boot() - broken
        report = eventually(lambda: last_report(a.place), "A's guard to have acted")
        fresh_testnet.await_producers([OURS])
    assert report is not None
    first = observer.unpaused("B")[0][0]
    fenced = report["began"] + report["took"]
    print(f"{fault}: B un-paused {took:.2f} s after the fault, {first - fenced:.2f} s after A was fenced: {report}")
    assert report["step"] == ("paused" if fault == "keeper killed" else "gone")
    assert took < TIMING.ttl + 2 * TIMING.renew + 2
    assert max(end for _, end in observer.unpaused("A")) < first
    assert fenced < first
    a.keeper.signal(signal.SIGCONT) if fault != "keeper killed" else None
