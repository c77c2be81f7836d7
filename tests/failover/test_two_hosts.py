"""Two hosts, one lease in a real etcd, guards, and all that can be killed, frozen or cut off: never two produce."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from keeper.runtime.clock import since_boot
from tests.failover.holder import TIMING
from tests.failover.node import COMM, StandIn
from tests.failover.test_guard import TOP, guards
from tests.peers.ask import eventually
from tests.peers.etcd import Cable, Etcd
from tests.peers.process import Program

EVERY = 0.1  # seconds between two blocks of a stand-in


FAULTS = (
    "keeper killed",
    "keeper frozen",
    "node frozen",
    "node killed",
    "both frozen",
    "guard killed",
    "cut off",
    "answers lost",
    "etcd leader frozen",
    "etcd leader killed",
)


class Host:
    """A node, a keeper and its cables to etcd."""

    def __init__(self, name: str, directory: Path, etcd: Etcd) -> None:
        self.name = name
        self.place = Path(f"/tmp/keeper-host-{os.getpid()}-{random.randrange(10**9)}")
        self.place.mkdir(mode=0o700)
        (directory / name).mkdir()
        self.node = StandIn(directory / name, "paused")
        self.cables = [Cable(url) for url in etcd.urls]
        argv = [sys.executable, "-m", "tests.failover.holder", str(self.place), name, self.node.url]
        argv += [f"pidfile:{self.node.pid_file}:{COMM}", *(cable.url for cable in self.cables)]
        self.keeper = Program(name, argv, directory / f"{name}.log", {"PYTHONPATH": str(TOP)})

    def start(self) -> None:
        self.node.start()
        self.start_keeper()

    def start_keeper(self) -> None:
        self.keeper.start(self.keeper.running)

    def heal(self) -> None:
        """Undo every fault: what is frozen goes on, what died is started again as a standby would be."""
        for cable in self.cables:
            cable.mend()
        if not self.node.program.running():
            self.node.start()
        self.node.program.signal(signal.SIGCONT)
        if not self.keeper.running():
            self.start_keeper()
        self.keeper.signal(signal.SIGCONT)

    def close(self) -> None:
        self.keeper.kill()
        for pid in guards(self.place):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.node.program.kill()
        for cable in self.cables:
            cable.close()
        shutil.rmtree(self.place, ignore_errors=True)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Etcd, Host, Host]]:
    with ExitStack() as stack:
        etcd = stack.enter_context(Etcd(tmp_path / "etcd"))
        a, b = Host("a", tmp_path, etcd), Host("b", tmp_path, etcd)
        for host in (a, b):
            stack.callback(host.close)
            host.start()
        yield etcd, a, b


def producing(host: Host) -> bool:
    return bool(host.node.blocks()) and since_boot() - host.node.blocks()[-1] < 0.5


def story(hosts: tuple[Host, ...], faults: list[str]) -> str:
    logs = [f"{host.name} {line}" for host in hosts for line in host.keeper.log.read_text().splitlines()]
    return "\n".join(sorted([*faults, *logs], key=lambda line: line.split()[1]))


def changes(hosts: tuple[Host, ...]) -> list[tuple[float, float, str]]:
    """Each time the producer changed: when, how long after the other's last block, and who it is now."""
    blocks = sorted((at, host.name) for host in hosts for at in host.node.blocks())
    return [(at, at - before, name) for (before, last), (at, name) in pairwise(blocks) if name != last]


def break_something(what: str, chance: random.Random, etcd: Etcd, host: Host) -> str:
    if what in ("keeper frozen", "both frozen"):
        host.keeper.signal(signal.SIGSTOP)
    if what in ("node frozen", "both frozen"):
        host.node.program.signal(signal.SIGSTOP)
    if what == "keeper killed":
        os.kill(host.keeper.pid, signal.SIGKILL)
    if what == "node killed":
        host.node.program.kill()
    if what == "cut off":
        for cable in host.cables:
            cable.hang()
    if what == "answers lost":
        for cable in host.cables:
            cable.lose_answer_to(lambda _: chance.random() < 0.5)
    if what == "etcd leader frozen":
        etcd.leader().hang()
    if what == "etcd leader killed":
        etcd.leader().kill()
    if what == "guard killed":
        for pid in guards(host.place):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return f"{what}, at {host.name}"


def run_faults(
    etcd: Etcd,
    hosts: tuple[Host, Host],
    seed: int,
    seconds: float,
    kinds: Sequence[str] = FAULTS,
    lasting: Sequence[float] = (0.3, 1.5, TIMING.ttl, TIMING.ttl + 2),
) -> None:
    """Break what belongs to the one who produces, again and again; then look at every block that was made."""
    chance = random.Random(seed)
    faults: list[str] = []
    end = since_boot() + seconds
    try:
        while since_boot() < end:
            eventually(lambda: any(map(producing, hosts)), "somebody to produce again", 20)
            time.sleep(chance.uniform(0, 1))
            active = next((host for host in hosts if producing(host)), hosts[0])
            what = break_something(chance.choice(kinds), chance, etcd, active)
            faults.append(f"- {since_boot():.3f} {what}")
            time.sleep(chance.choice(lasting))
            etcd.restore()
            for host in hosts:
                host.heal()
            faults.append(f"- {since_boot():.3f} healed")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{story(hosts, faults)}") from None
    found = changes(hosts)
    print(f"{len(faults) // 2} faults, {len(found)} changes of the producer")
    for at, gap, name in found:
        print(f"{at:.3f} {name} produces {gap:.2f} s after the other's last block")
        # Two at once would leave a block of each in every tenth of a second.
        assert gap > EVERY + 0.02, f"two produced at {at:.3f}\n{story(hosts, faults)}"


@pytest.mark.soak
def test_one_produces_whatever_fails(hosts: tuple[Etcd, Host, Host], seed: int) -> None:
    """Half a minute of faults."""
    etcd, a, b = hosts
    run_faults(etcd, (a, b), seed, 30)


@pytest.mark.soak
def test_a_fence_that_comes_late_is_found(
    hosts: tuple[Etcd, Host, Host], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The same test, with the deadline put behind the end of the lease, sees two produce: it can fail."""
    etcd, a, b = hosts
    monkeypatch.setenv("LATE", "6")
    for host in (a, b):
        host.keeper.kill()
        for pid in guards(host.place):
            os.kill(pid, signal.SIGKILL)
        host.start_keeper()
    with pytest.raises(AssertionError, match="two produced at"):
        run_faults(etcd, (a, b), seed, 20, ("keeper frozen", "cut off"), (TIMING.ttl + 2,))


@pytest.mark.soak
def test_one_produces_for_an_hour(hosts: tuple[Etcd, Host, Host], seed: int) -> None:
    """The same, for an hour."""
    etcd, a, b = hosts
    run_faults(etcd, (a, b), seed, 3600)
