"""What must hold at every step, whatever happens. Written without the code that is tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keeper.failover.actions import WRITTEN, Deed, Resume, RunHook

if TYPE_CHECKING:
    from keeper.failover.facts import Facts
    from keeper.failover.state import State
    from tests.simulation.executor import Executor
    from tests.simulation.host import Host
    from tests.simulation.world import World

HEEDED = 10.0  # seconds after which every keeper that still acts must have heard that automation is paused
WELL = 10.0  # seconds a host must have been well before its keeper has no excuse
STOPPED = 8.0  # seconds within which a keeper without an excuse has stopped its node


def one_runs(world: World) -> None:
    """With a lease: never two nodes with the key that are not paused."""
    running = [host.name for host in world.hosts.values() if host.node.runs and not host.node.excused]
    if len(running) > 1 and world.lease:
        world.violated(f"two nodes are not paused: {' and '.join(running)}")


def may_act(host: Host, before: State, facts: Facts) -> None:
    """Nothing is done towards producing on what is unknown, or while automation is paused."""
    chain, node, cluster, keeper = facts.chain, facts.node, facts.cluster, facts.keeper
    needed: dict[str, object] = {
        "scheduled": chain.scheduled,
        "head": chain.behind,
        "lib": chain.flat,
        "others": chain.others,
        "paused": node.paused,
        "key": node.key,
        "api": node.api,
        "automation": cluster.paused,
        "configurations": cluster.equal,
        "clock": keeper.distrust,
        "journal": keeper.journal,
    }
    called = keeper.order or cluster.wanted == host.name or cluster.vacant
    if not called and before.name == "standby":
        needed["missed"] = chain.missed
    unknown = [name for name, value in needed.items() if value is None]
    if unknown:
        host.world.violated(f"{host.name} acts although it does not know: {', '.join(unknown)}")
    if cluster.paused:
        host.world.violated(f"{host.name} acts although automation is paused")


def may_resume(host: Host) -> None:
    """Also measured against the truth, not only against what the host knows."""
    world = host.world
    paused = world.store.paused if world.lease else host.paused_here
    if paused and world.now - world.store.paused_since > HEEDED:
        world.violated(f"{host.name} resumes its node although automation has been paused for long")


def journaled_once(executor: Executor, deed: Deed) -> None:
    """Written down before, or at least offered to a full disk; what leads to producing, and every script, only once."""
    world, name = executor.world, executor.host.name
    written = deed in executor.journal[-1:]
    if executor.offered[-1:] != [deed] or (isinstance(deed, WRITTEN) and not written):
        world.violated(f"{name} does {deed} without having written it down")
    if isinstance(deed, Resume | RunHook):
        mark = (type(deed).__name__, deed.epoch, getattr(deed, "name", ""))
        if mark in executor.done:
            world.violated(f"{name} does {deed} a second time")
        executor.done.add(mark)


def keeper_did_its_duty(host: Host) -> None:
    """The guard is for a keeper that cannot: one that lives must have begun to stop the node before the guard does."""
    if not host.keeper or host.frozen or host.world.now - host.well_since < WELL:
        return
    if host.state.name in ("producing", "taking_over") and host.node.runs and not host.node.excused:
        host.world.violated(f"the keeper of {host.name} lives and left it to the guard to stop the node")


def no_two_for_long(world: World) -> None:
    """Without a lease: who hears another sign as us stops, if nothing hinders its keeper."""
    for host in world.hosts.values():
        since = host.node.heard_other_since
        if host.node.runs and since is not None and world.now - since > STOPPED and host.is_well():
            world.violated(f"{host.name} goes on although it hears another sign as us for {world.now - since:.1f} s")


def no_excuse_for_long(world: World) -> None:
    """With a lease: a node that runs without the right, for a reason nobody can help, is paused soon."""
    for host in world.hosts.values():
        node = host.node
        begun = max(node.resumed_at, host.well_since, host.awake_since)
        if node.runs and node.excused and host.is_well() and world.now - begun > STOPPED:
            world.violated(f"{host.name} lets its node run without the right for {world.now - begun:.1f} s")
