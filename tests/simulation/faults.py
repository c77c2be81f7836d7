"""What goes wrong, at random: each fault begins, lasts and ends. Every kind hits any host; most the producer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import World

Undo = Callable[[], None]


def plan(world: World, until: float) -> None:
    """Single faults at any time, and storms: several at once on whoever produces then."""
    chance = world.chance
    besieged = world.lease and chance.random() < world.besieged
    for _ in range(chance.randint(0, 2) if besieged else chance.randint(1, 7)):
        world.after(chance.uniform(2.0, until - 1.0), begin, world, chance.choice(ALL))
    if besieged:
        world.after(chance.uniform(3.0, until - 40.0), _siege, world)
    elif chance.random() < 0.6:
        world.after(chance.uniform(5.0, until - 25.0), _storm, world)


def begin(
    world: World, fault: Callable[[World, Host], Undo | None], host: Host | None = None, least: float = 0.0
) -> None:
    if not world.faulty:
        return
    target = host or _victim(world)
    if target.frozen_whole or target.off:
        return  # nothing happens there
    world.tell(target.name, f"FAULT {fault.__name__.strip('_').replace('_', ' ')}")
    undo = fault(world, target)
    if undo is not None:
        world.undo_later(undo, min(45.0, least + world.chance.expovariate(1 / 12.0)))


def _storm(world: World) -> None:
    target = _victim(world)
    for fault in world.chance.sample(STORM, world.chance.randint(2, 4)):
        world.after(world.chance.uniform(0.0, 3.0), begin, world, fault, target)


def _siege(world: World) -> None:
    """What a promise of a lease is for: the producer cannot renew, and hardly stop; another waits for its lease."""
    target = _victim(world)
    others = [host for host in world.hosts.values() if host is not target]
    chance = world.chance
    if chance.random() < 0.5:
        world.network.slow["store", target.name] = 1.1
    if chance.random() < 0.3:
        begin(world, keeper_frozen_before_it_resumes, target)
        begin(world, switch_wanted, target)
    world.after(chance.uniform(0.0, 3.0), begin, world, cut_off_from_the_store, target, 25.0)
    hindrances = (node_frozen, api_hangs, keeper_frozen, keeper_starved, keeper_killed, kill_command_hangs)
    for hindrance in chance.sample(hindrances, chance.randint(1, 3)):
        world.after(chance.uniform(0.0, 6.0), begin, world, hindrance, target, 25.0)
    world.after(chance.uniform(3.0, 6.0), begin, world, takeover_ordered, chance.choice(others), 25.0)


def _victim(world: World) -> Host:
    producing = [host for host in world.hosts.values() if host.node.runs]
    if producing and world.chance.random() < 0.6:
        return world.chance.choice(producing)
    return world.chance.choice(list(world.hosts.values()))


def stop(world: World) -> None:
    """All faults end; what was killed comes back; people let go."""
    world.faulty = False
    world.undo_all()
    world.network.heal()
    world.store.down = False
    world.chain.dead = False
    if world.store.paused:
        world.store.pause("")
    for host in world.hosts.values():
        host.paused_here = host.order = ""
        host.power_on()
        host.start_keeper()
        host.node.look()


def forget_orders(world: World) -> None:
    for host in world.hosts.values():
        host.order = ""


# -- links ---------------------------------------------------------------------------------------------------------


def _links(world: World, host: Host) -> list[tuple[str, str]]:
    """Some links of a host, each in one direction or both."""
    others = ["store", "net", *(name for name in world.hosts if name != host.name)]
    chosen: list[tuple[str, str]] = []
    for other in world.chance.sample(others, world.chance.randint(1, len(others))):
        pairs = [(host.name, other), (other, host.name)]
        chosen += pairs if world.chance.random() < 0.6 else [world.chance.choice(pairs)]
    return chosen


def _look(world: World) -> None:
    for host in world.hosts.values():
        host.node.look()


def cut_off(world: World, host: Host) -> Undo:
    links = [link for link in _links(world, host) if link not in world.network.cut]
    return _cut(world, links)


def cut_off_from_the_store(world: World, host: Host) -> Undo:
    pairs = [(host.name, "store"), ("store", host.name)]
    if world.chance.random() < 0.4:
        pairs = [world.chance.choice(pairs)]
    return _cut(world, [link for link in pairs if link not in world.network.cut])


def _cut(world: World, links: list[tuple[str, str]]) -> Undo:
    world.tell("", f"cut: {', '.join('>'.join(link) for link in links)}")
    world.network.cut.update(links)
    _look(world)

    def undo() -> None:
        world.network.cut.difference_update(links)
        world.tell("", f"mended: {', '.join('>'.join(link) for link in links)}")
        _look(world)

    return undo


def slow_links(world: World, host: Host) -> Undo:
    links = _links(world, host)
    for link in links:
        world.network.slow[link] = world.chance.choice((0.3, 1.0, 5.0))
    return _forget(world.network.slow, links)


def lossy_links(world: World, host: Host) -> Undo:
    links = _links(world, host)
    for link in links:
        world.network.loss[link] = world.chance.choice((0.1, 0.5, 0.9))
    return _forget(world.network.loss, links)


def _forget(book: dict[tuple[str, str], float], links: list[tuple[str, str]]) -> Undo:
    def undo() -> None:
        for link in links:
            book.pop(link, None)

    return undo


def store_down(world: World, _: Host) -> Undo:
    world.store.down = True

    def undo() -> None:
        world.store.down = False

    return undo


def chain_stands_still(world: World, _: Host) -> Undo:
    world.chain.dead = True
    _look(world)

    def undo() -> None:
        world.chain.dead = False
        _look(world)

    return undo


# -- processes -----------------------------------------------------------------------------------------------------


def keeper_killed(world: World, host: Host) -> Undo | None:
    host.excuse()
    host.kill_keeper(world.chance.choice((0.5, 2.0, 5.0, 40.0)))
    return host.excuse_no_more


def keeper_frozen(world: World, host: Host) -> Undo | None:
    if not host.keeper:
        return None
    life = host.keeper
    host.excuse()
    host.frozen += 1

    def undo() -> None:
        host.excuse_no_more()
        if host.keeper == life:
            world.tell(host.name, "keeper goes on")
            host.frozen -= 1
            host.thawed()

    return undo


def keeper_frozen_before_it_resumes(world: World, host: Host) -> Undo:
    """Between the decision and the deed."""

    def trap() -> None:
        host.executor.trap = None
        begin(world, keeper_frozen, host, 5.0)

    def undo() -> None:
        host.executor.trap = None

    host.executor.trap = trap
    return undo


def keeper_starved(world: World, host: Host) -> Undo:
    host.excuse()
    host.executor.starved = world.chance.choice((0.3, 2.0, 6.0))

    def undo() -> None:
        host.excuse_no_more()
        host.executor.starved = 0.0

    return undo


def guard_killed(_: World, host: Host) -> None:
    host.guard.die("killed")


def guard_frozen(_: World, host: Host) -> Undo | None:
    guard, life = host.guard, host.guard.life
    if not life:
        return None
    guard.freeze()

    def undo() -> None:
        if guard.life == life:
            guard.frozen -= 1
            guard.thawed()

    return undo


def node_killed(_: World, host: Host) -> None:
    host.node.die("killed")


def node_frozen(_: World, host: Host) -> Undo:
    node, process = host.node, host.node.process
    host.excuse()
    node.frozen += 1
    node.look()

    def undo() -> None:
        host.excuse_no_more()
        if node.process == process:
            node.frozen -= 1
            node.look()
            node.caught_up()

    return undo


def api_hangs(_: World, host: Host) -> Undo:
    """The node still takes and signs blocks."""
    node = host.node
    host.excuse()
    node.hung = True

    def undo() -> None:
        host.excuse_no_more()
        node.hung = False
        node.caught_up()

    return undo


def host_loses_power(world: World, host: Host) -> None:
    host.power_off(world.chance.choice((3.0, 10.0, 40.0)))


def host_suspended(_: World, host: Host) -> Undo | None:
    if host.off or host.frozen_whole:
        return None
    host.excuse()
    host.freeze_whole()

    def undo() -> None:
        host.excuse_no_more()
        host.thaw_whole()

    return undo


# -- what keeper leans on ------------------------------------------------------------------------------------------


def kill_command_hangs(_: World, host: Host) -> Undo:
    host.excuse()
    host.executor.killer = "hangs"

    def undo() -> None:
        host.excuse_no_more()
        host.executor.killer = "fine"

    return undo


def script_hangs(_: World, host: Host) -> Undo:
    host.executor.hook = "hangs"

    def undo() -> None:
        host.executor.hook = "fine"

    return undo


def script_fails(_: World, host: Host) -> Undo:
    host.executor.hook = "fails"

    def undo() -> None:
        host.executor.hook = "fine"

    return undo


def disk_full(_: World, host: Host) -> Undo:
    host.disk_full = True

    def undo() -> None:
        host.disk_full = False

    return undo


def log_cannot_be_seen(_: World, host: Host) -> Undo:
    host.excuse()
    host.log_blind = True

    def undo() -> None:
        host.excuse_no_more()
        host.log_blind = False

    return undo


def clock_jumps(_: World, host: Host) -> None:
    host.distrust_until = host.mono + 15.0


# -- people --------------------------------------------------------------------------------------------------------


def automation_paused(world: World, _: Host) -> Undo:
    if world.lease:
        world.store.pause("maintenance")
        return lambda: world.store.pause("")
    for host in world.hosts.values():
        host.paused_here = "maintenance"
    world.store.paused_since = world.now

    def undo() -> None:
        for host in world.hosts.values():
            host.paused_here = ""

    return undo


def switch_wanted(world: World, host: Host) -> None:
    if world.lease:
        world.store.want(host.name)


def step_down_ordered(_: World, host: Host) -> Undo:
    host.order = "step-down"

    def undo() -> None:
        host.order = ""

    return undo


def takeover_ordered(_: World, host: Host) -> Undo:
    host.order = "takeover"

    def undo() -> None:
        host.order = ""

    return undo


def resumed_by_hand(_: World, host: Host) -> None:
    """A person uses curl past keeper."""
    if host.node.answers:
        host.node.resume("resumed by hand")


ALL = (
    cut_off,
    cut_off,
    cut_off_from_the_store,
    cut_off_from_the_store,
    slow_links,
    lossy_links,
    store_down,
    chain_stands_still,
    keeper_killed,
    keeper_killed,
    keeper_frozen,
    keeper_frozen,
    keeper_frozen_before_it_resumes,
    keeper_starved,
    guard_killed,
    guard_frozen,
    node_killed,
    node_killed,
    node_frozen,
    node_frozen,
    api_hangs,
    host_loses_power,
    host_loses_power,
    host_suspended,
    kill_command_hangs,
    script_hangs,
    script_fails,
    disk_full,
    log_cannot_be_seen,
    clock_jumps,
    automation_paused,
    switch_wanted,
    switch_wanted,
    step_down_ordered,
    takeover_ordered,
    resumed_by_hand,
)
STORM = (
    cut_off,
    cut_off_from_the_store,
    slow_links,
    lossy_links,
    keeper_killed,
    keeper_frozen,
    keeper_starved,
    node_frozen,
    api_hangs,
    kill_command_hangs,
    script_hangs,
    disk_full,
    switch_wanted,
    step_down_ordered,
)
