"""The chain: slots, a schedule of `size` producers of whom one is ours, and everybody else, who always signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.node import Node
    from tests.simulation.world import World

SLOT = 0.5
SLOTS = 12
GRACE = 1.0


class Chain:
    """`dead`: nobody signs. `last`: the last slot in which a block of ours got into the chain."""

    def __init__(self, world: World, size: int) -> None:
        self.world = world
        self.round = size * SLOT * SLOTS
        self.first = SLOT * SLOTS * world.chance.randrange(size)
        self.dead = False
        self.last = float("-inf")
        self.judged = self.started = float("-inf")
        self.lost = 0  # slots of ours that hold no block
        self.signed_by = ""
        world.after(self.first, self._window, self.first)

    def gap(self, now: float) -> float:
        place = (now - self.first) % self.round
        return 0.0 if place < SLOT * SLOTS else self.round - place

    def _window(self, start: float) -> None:
        self.started = start
        for slot in range(SLOTS):
            self.world.after(slot * SLOT, self._slot, start + slot * SLOT)
        self.world.after(SLOT * SLOTS + GRACE, self._close, start)
        self.world.after(self.round, self._window, start + self.round)

    def _slot(self, slot: float) -> None:
        signers = [host.node for host in self.world.hosts.values() if host.node.signs()]
        for node in signers:
            self._sign(node, slot)
        self.lost += self.last < slot
        counted = [node.name for node in signers if not node.has_excuse]
        if len(counted) > 1 and self.world.lease:
            self.world.violated(f"two nodes sign in one slot: {' and '.join(counted)}")

    def _sign(self, node: Node, slot: float) -> None:
        node.own_block = slot
        if node.stale_since is None:
            node.missed = 0
        network = self.world.network
        public = network.reaches(node.name, "net") and not self.dead
        if public:
            self.last, self.signed_by = slot, node.name
        for host in self.world.hosts.values():
            if host.node is node:
                continue
            if network.reaches(node.name, host.name):
                network.send(node.name, host.name, host.node.hears, slot)
            elif public:
                network.send("net", host.name, host.node.hears, slot)

    def _close(self, start: float) -> None:
        """The window is over: whoever saw all of it and no block of ours counts it as missed."""
        self.judged = start
        for host in self.world.hosts.values():
            node = host.node
            if node.stale_since is not None or node.seen_from > start:
                node.missed = None
            elif max(node.own_block, node.elsewhere) < start:
                node.missed = (node.missed or 0) + 1
            else:
                node.missed = 0
