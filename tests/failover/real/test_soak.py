"""Everything that can be killed, frozen, cut off or slowed down on real hosts, for long; and without a lease."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.failover.real.fleet import HASTE, MEMBERS, Fleet, Host, fleet
from tests.peers.chain import Chain

SECONDS = float(os.environ.get("KEEPER_SOAK_SECONDS", "1200"))
LASTING = (0.5, 3.0, 8.0, 14.0, 20.0, 40.0)  # seconds a fault lasts


def keeper_killed(_: Fleet, host: Host) -> None:
    host.keeper.kill()


def node_killed(_: Fleet, host: Host) -> None:
    host.node.kill()


def both_killed(_: Fleet, host: Host) -> None:
    host.node.kill()
    host.keeper.kill()


def host_lost(_: Fleet, host: Host) -> None:
    host.kill_all()


def node_frozen(_: Fleet, host: Host) -> None:
    host.freeze(keeper=False)


def keeper_frozen(_: Fleet, host: Host) -> None:
    host.freeze(node=False)


def both_frozen(_: Fleet, host: Host) -> None:
    host.freeze()


def cut_off_from_etcd(hosts: Fleet, host: Host) -> None:
    hosts.ground.part(host.name, *MEMBERS)


def does_not_reach_etcd(hosts: Fleet, host: Host) -> None:
    hosts.ground.cut(host.name, *MEMBERS)


def is_not_answered_by_etcd(hosts: Fleet, host: Host) -> None:
    for member in MEMBERS:
        hosts.ground.cut(member, host.name)


def cut_off_from_peers(hosts: Fleet, host: Host) -> None:
    hosts.ground.part(host.name, *(other for other in hosts.ground.others(host.name) if other not in MEMBERS))


def hears_no_peer(hosts: Fleet, host: Host) -> None:
    for other in hosts.ground.others(host.name):
        if other not in MEMBERS:
            hosts.ground.cut(other, host.name)


def cut_off_from_the_standbys(hosts: Fleet, host: Host) -> None:
    hosts.ground.part(host.name, *(other for other in hosts.hosts if other != host.name))


def cut_off_from_all(hosts: Fleet, host: Host) -> None:
    hosts.ground.part(host.name, *hosts.ground.others(host.name))


def on_a_narrow_line(hosts: Fleet, host: Host) -> None:
    """What it sends arrives late or not at all."""
    hosts.ground.narrow(host.name)


def etcd_loses_its_majority(hosts: Fleet, _: Host) -> None:
    assert hosts.etcd is not None
    for member in random.sample(hosts.etcd.members, 2):
        member.kill()


def etcd_loses_its_leader(hosts: Fleet, _: Host) -> None:
    assert hosts.etcd is not None
    hosts.etcd.leader().kill()


def etcds_leader_hangs(hosts: Fleet, _: Host) -> None:
    assert hosts.etcd is not None
    hosts.etcd.leader().hang()


FAULTS: tuple[Callable[[Fleet, Host], None], ...] = (
    keeper_killed,
    node_killed,
    both_killed,
    host_lost,
    node_frozen,
    keeper_frozen,
    both_frozen,
    cut_off_from_etcd,
    does_not_reach_etcd,
    is_not_answered_by_etcd,
    cut_off_from_peers,
    hears_no_peer,
    cut_off_from_the_standbys,
    cut_off_from_all,
    on_a_narrow_line,
    etcd_loses_its_majority,
    etcd_loses_its_leader,
    etcds_leader_hangs,
)


@pytest.mark.soak
def test_whatever_fails_never_two(tmp_path: Path, kept: Chain) -> None:
    """A, B and C; each fault is healed, and then exactly one produces again."""
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    with fleet(tmp_path, kept, names="ABC") as hosts:
        hosts.begin("A")
        end, turn = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            fault = FAULTS[turn] if turn < len(FAULTS) else chance.choice(FAULTS)
            turn += 1
            active, lasting = hosts.await_producer("ABC", 150)[0], chance.choice(LASTING)
            time.sleep(chance.uniform(0, 8))
            with hosts.counting(f"{fault.__name__} of {active} for {lasting:g} s") as blocks:
                broken = time.monotonic()
                fault(hosts, hosts[active])
                time.sleep(lasting)
                during = hosts.producer() or "nobody"
                hosts.heal()
                after, took = hosts.await_producer("ABC", 150)
            healed = time.monotonic() - broken
            print(
                f"  {blocks()} lost; {during} produced when it was healed, {after} {took:.1f} s later; {healed:.0f} s"
            )
            hosts.check()
        print(f"{turn} faults; {hosts.observer.looks} looks")


@pytest.mark.soak
def test_switches_and_drills(tmp_path: Path, kept: Chain) -> None:
    """Twenty planned switches, none loses a block; and a drill there and back."""
    with fleet(tmp_path, kept) as hosts:
        hosts.begin("A")
        lost = []
        for _ in range(20):
            other = next(name for name in hosts.hosts if name != hosts.producer())
            hosts.await_ready(other)
            with hosts.counting(f"switch to {other}") as blocks:
                hosts.switch_to(other)
                hosts.pass_window()
            lost.append(blocks())
        assert sum(lost) == 0, lost
        with hosts.counting("drill") as blocks:
            done = hosts["A"].keeper.failover("drill", "--not-a-drill", deadline=300)
            assert done.returncode == 0, done.stdout + done.stderr
            hosts.pass_window()
        assert blocks() == 0
        hosts.check()


@pytest.mark.soak
def test_without_a_lease_the_standby_listens_and_takes_over(tmp_path: Path, kept: Chain) -> None:
    """B after two rounds without ours; A, back again, stays a standby; and who hears another sign as us stops."""
    with fleet(tmp_path, kept, lease=False, options=HASTE) as hosts:
        hosts.await_producer("A", 3 * hosts.network.round_seconds)  # nobody signs, so it takes over by itself
        hosts.await_ready("B")
        hosts.network.await_producers(["eosstore"])
        with hosts.counting("A lost, without a lease"):
            hosts["A"].kill_all()
            _, took = hosts.await_producer("B", 4 * hosts.network.round_seconds)
        print(f"B produces {took:.0f} s after A was lost; a round is {hosts.network.round_seconds:.0f} s")
        hosts["A"].heal()
        hosts.await_ready("A")
        assert hosts.producer() == "B"
        # Somebody resumes A, whose keeper hangs: B has to stop when it hears A. What two nodes sign for one slot looks
        # alike while it is empty; so A has something to put into its blocks.
        hosts["A"].keeper.hang()
        hosts["A"].node.resume()
        until = time.monotonic() + 3 * hosts.network.round_seconds
        while hosts.observer.unpaused("B") and time.monotonic() < until:
            hosts.network.touch("A")
        assert not hosts.observer.unpaused("B"), "B went on beside A"
        print("\n".join(line for line in hosts["B"].keeper.lines() if "somebody else signs" in line))
        hosts["A"].keeper.wake()
