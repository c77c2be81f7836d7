"""Real hosts with real nodes on one chain, a real etcd of three members, and a real keeper on every host.

Every host is a network of its own (tests/peers/ground.py): A, B and C have our producer's key and are started paused;
`net` signs for everybody else; m0, m1 and m2 are etcd's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from keeper.core.slots import SLOTS_PER_WINDOW, slot_of
from tests.failover.real.observer import Observer, due, lost
from tests.peers.ask import eventually
from tests.peers.chain import Chain
from tests.peers.etcd import Etcd
from tests.peers.ground import Ground
from tests.peers.network import PRODUCERS, Network
from tests.peers.nodeos import Nodeos
from tests.scenarios.keeper_process import KeeperProcess

MEMBERS = ("m0", "m1", "m2")
# A test has no minute to wait after each step, and more takeovers than a night should have.
HASTE = "cool_down = 1s\nfuse = 1000\n"


class Host:
    """A node and its keeper."""

    def __init__(self, node: Nodeos, directory: Path, lease: str, ground: Ground, options: str) -> None:
        self.name = node.name
        self.node = node
        self._ground = ground
        self._pid_file = directory / "nodeos.pid"
        directory.mkdir(parents=True, exist_ok=True)
        self.note_pid()
        name = Path(f"/proc/{node.pid}/comm").read_text().strip()
        settings = "\n".join(
            [
                "[node]",
                "producer = eosstore",
                f"log = file:{node.log}",
                f"api = http://127.0.0.1:{node.http_port}",
                "[failover]",
                f"lease = {lease}",
                f"kill = pidfile:{self._pid_file}:{name}",
                options,
            ]
        )
        self.keeper = KeeperProcess(
            directory,
            self.name,
            settings,
            f"role = {self.name}",
            address=ground.address(self.name),
            inside=ground.inside(self.name),
        )

    def note_pid(self) -> None:
        """As a service manager does."""
        self._pid_file.write_text(f"{self.node.pid}\n")

    def start_node(self) -> None:
        self.node.start(deadline=60)
        self.note_pid()

    def freeze(self, *, node: bool = True, keeper: bool = True) -> None:
        if keeper:
            self.keeper.hang()
        if node:
            self.node.sigstop()

    def thaw(self) -> None:
        for wake in (self.keeper.wake, self.node.sigcont):
            with contextlib.suppress(ProcessLookupError):
                wake()

    def kill_all(self) -> None:
        """The host itself is lost, its guard with it."""
        self._ground.kill(self.name)
        self.keeper.kill()
        self.node.kill()

    def heal(self) -> None:
        """What was frozen goes on, what died is started again as a service manager would."""
        self.thaw()
        if not self.node.running():
            self.start_node()
        if not self.keeper.running():
            self.keeper.start()

    def state(self) -> str:
        said: str = self.keeper.status()["failover"].get("state", "")
        return said


class Fleet:
    """`hosts` by name; `observer` looks at all of them all the time."""

    def __init__(self, network: Network, etcd: Etcd | None, ground: Ground, hosts: Sequence[Host]) -> None:
        self.network = network
        self.etcd = etcd
        self.ground = ground
        self.hosts = {host.name: host for host in hosts}
        self.observer = Observer([host.node for host in hosts], ground)

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def producer(self) -> str:
        """The one whose node is un-paused; empty for none or several."""
        who = self.observer.who()
        return who[0] if len(who) == 1 else ""

    def await_producer(self, names: str, deadline: float = 60.0) -> tuple[str, float]:
        """Wait until one of these produces: who, and how many seconds that took."""
        began = time.monotonic()

        def found() -> str:
            return self.producer() if self.producer() in tuple(names) else ""

        who = eventually(found, f"one of {names} to produce", deadline, every=0.05)
        return who, time.monotonic() - began

    def take_over(self, name: str) -> None:
        """A person orders it."""
        done = self[name].keeper.failover("takeover", "--not-a-drill")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self[name].keeper.tail()}"

    def await_ready(self, names: str, deadline: float = 120.0) -> None:
        """Wait until nothing but our own blocks speaks against these standbys."""
        for name in names:
            eventually(lambda: self.is_ready(name), f"{name} to stand by", deadline, every=0.25)  # noqa: B023  # at once

    def is_ready(self, name: str) -> bool:
        """True, or OSError with what speaks against it."""
        status = self[name].keeper.status()["failover"]
        against = dict(status.get("against", [["x", ""]]))
        if status.get("state") == "standby" and against.keys() <= {"missed"}:
            return True
        raise OSError(f"{status.get('state')}: {against}")

    def begin(self, name: str, deadline: float = 120.0) -> None:
        """Let this one produce, with all others ready. Nobody signs at first, so one may have taken over by itself."""
        names = "".join(self.hosts)
        eventually(lambda: self.producer() or self.is_ready(name), f"{name} to stand by, or one to produce", deadline)
        if not self.producer():
            self[name].keeper.failover("takeover", "--not-a-drill")  # another may be quicker
        if self.await_producer(names)[0] != name:
            self.await_ready(name, deadline)
            self.switch_to(name)
        self.await_ready(names.replace(name, ""), deadline)

    def switch_to(self, name: str) -> None:
        """A person orders it, and it is done."""
        done = self[name].keeper.failover("switch", "--to", name, "--not-a-drill", deadline=200)
        assert done.returncode == 0, done.stdout + done.stderr
        self.await_producer(name)

    @contextmanager
    def counting(self, what: str) -> Iterator[Callable[[], int]]:
        """Tell how many blocks of ours are lost from here on until the end of the block. What is not lost has to be in
        some host's log: else the logs were not understood."""
        first = slot_of(time.time())
        found: list[int] = []
        yield lambda: len(found)
        last = slot_of(time.time())
        leader = self.network["net"]
        eventually(lambda: leader.head_age(time.time()) < 2, "the chain to go on")
        found += lost(leader, self.network.producers, first, last)
        ours = due(self.network.producers, first, last)
        unheard = ours - set(found) - {one.slot for one in self.observer.signed()}
        assert not unheard, f"on the chain and in nobody's log: {sorted(unheard)}"
        print(f"{what}: {len(found)} of our {len(ours)} blocks lost in {(last - first) / 2:.0f} s")

    def pass_window(self) -> None:
        """Wait until a window of ours that begins from now on is over: who produces has shown it."""
        now, turn = slot_of(time.time()), len(self.network.producers) * SLOTS_PER_WINDOW
        ours = sorted(due(self.network.producers, now, now + 2 * turn))
        first = next(slot for slot in ours if slot % SLOTS_PER_WINDOW == 0)
        deadline = 2 * self.network.round_seconds + 10
        eventually(lambda: slot_of(time.time()) > first + SLOTS_PER_WINDOW + 1, "a window of ours", deadline)

    def check(self) -> None:
        """Never two un-paused at once, and no slot signed by two."""
        overlaps = self.observer.overlaps()
        assert not overlaps, f"two were un-paused at once: {overlaps}\n{self.observer.story()}"
        assert not self.observer.signed_twice()
        assert self.observer.awake()
        assert min(self.observer.looks.values()) > 0

    def heal(self) -> None:
        self.ground.mend()
        if self.etcd is not None:
            self.etcd.restore()
        for host in self.hosts.values():
            host.heal()


@contextmanager
def fleet(
    directory: Path,
    chain: Chain,
    *,
    names: str = "AB",
    producers: Sequence[str] = PRODUCERS,
    lease: bool = True,
    options: str = HASTE,
) -> Iterator[Fleet]:
    """All of it started, every host a standby and ready."""
    with ExitStack() as stack:
        ground = stack.enter_context(Ground(("net", "F", *names, *MEMBERS)))
        etcd = stack.enter_context(Etcd(directory / "etcd", ground=ground)) if lease else None
        nodes = ("net", *names, "F")
        network = stack.enter_context(Network(directory / "net", chain, producers, ground, "ABC", nodes))
        said = f"etcd:{', '.join(etcd.urls)}" if etcd is not None else "none"
        hosts = [Host(network[name], directory / f"keeper-{name}", said, ground, options) for name in names]
        one = Fleet(network, etcd, ground, hosts)
        for host in hosts:
            stack.callback(host.keeper.kill)
            host.keeper.start()
        stack.enter_context(one.observer)
        yield one
