"""What a failover and a switch cost in a schedule of 21, when nothing else goes wrong. A round is 126 s."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation.world import Kind, World

BIG = Kind(producers=21, drift=0.001)


def produced_by_a(seed: int) -> World:
    """A has the lease and produces; the moment at which it does is random within a round."""
    world = World(seed, BIG)
    for host in world.hosts.values():
        host.terms = host.terms._replace(hook=False, returns="stay", clear=8.0)
    world.hosts["A"].order = "takeover"
    world.run(8.0)
    world.hosts["A"].order = ""
    world.run(130.0 + world.chance.uniform(0.0, 126.0))
    assert world.hosts["A"].node.runs
    world.chain.lost = 0
    return world


def runs_after(world: World, name: str, most: float) -> float:
    """Seconds until the node of that host is resumed."""
    begun = world.now
    while not world.hosts[name].node.runs:
        assert world.now - begun < most, f"{name} does not run after {most:g} s"
        world.run(world.now + 0.1)
    return world.now - begun


def lose_the_host(world: World) -> None:
    world.hosts["A"].power_off(10_000.0)


def lose_the_node(world: World) -> None:
    world.hosts["A"].node.die("killed")


def lose_the_keeper(world: World) -> None:
    world.hosts["A"].kill_keeper(10_000.0)


@pytest.mark.parametrize("lose", [lose_the_host, lose_the_node, lose_the_keeper])
def test_a_lost_producer_is_replaced_within_half_a_minute(lose: Callable[[World], None]) -> None:
    """And at most a window is lost: the other need not wait for our window to stay empty, the lease tells it."""
    for seed in range(40):
        world = produced_by_a(seed)
        lose(world)
        assert runs_after(world, "B", 30.0) < 30.0
        world.run(world.now + 260.0)
        assert world.chain.lost <= 12
        assert [host.name for host in world.hosts.values() if host.node.runs] == ["B"]


def test_a_planned_switch_loses_nothing() -> None:
    """It waits for the gap between our windows: 20 of 20."""
    for seed in range(20):
        world = produced_by_a(seed)
        world.store.want("B")
        runs_after(world, "B", 25.0)
        world.run(world.now + 260.0)
        assert (world.chain.lost, world.store.wanted) == (0, "")
        assert not world.hosts["A"].node.runs


def test_without_a_lease_b_waits_for_its_two_rounds() -> None:
    """And takes over within one more."""
    for seed in range(20):
        assert runs_after(_without(seed), "B", 3 * 126.0) > 126.0


def _without(seed: int) -> World:
    world = World(seed, BIG._replace(lease=False))
    for host in world.hosts.values():
        host.terms = host.terms._replace(hook=False)
    world.run(300.0)
    assert world.hosts["A"].node.runs
    lose_the_host(world)
    return world
