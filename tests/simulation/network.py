"""Who reaches whom, how fast, and what gets lost, in each direction. Ends: hosts, `store`, `net` (the chain)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.clockwork import Clockwork


class Network:
    """`cut` and `slow` are by (from, to); `loss` is the share of messages lost on a pair."""

    def __init__(self, world: Clockwork) -> None:
        self.world = world
        self.cut: set[tuple[str, str]] = set()
        self.slow: dict[tuple[str, str], float] = {}
        self.loss: dict[tuple[str, str], float] = {}

    def reaches(self, source: str, target: str) -> bool:
        return (source, target) not in self.cut

    def send(self, source: str, target: str, call: Callable[..., object], *args: Any) -> None:
        pair = (source, target)
        chance = self.world.chance
        if pair in self.cut or (pair in self.loss and chance.random() < self.loss[pair]):
            return
        delay = 0.002 + 0.05 * chance.random() + self.slow.get(pair, 0.0) * chance.random()
        self.world.after(delay, call, *args)

    def heal(self) -> None:
        self.cut.clear()
        self.slow.clear()
        self.loss.clear()
