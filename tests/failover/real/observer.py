"""An observer that is no part of keeper: asks every node 20 times a second, reads every log, counts on the chain."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from keeper.core.slots import scheduled, slot_of, window_of
from keeper.runtime.clock import since_boot
from tests.failover.real.looking import Told, ask_paused, enter
from tests.peers.ground import Ground
from tests.peers.network import OURS
from tests.peers.nodeos import Nodeos

EVERY = 0.05  # seconds between two looks at a node
# nodeos says `#173 @ ... signed by`; the one of the tests says `#173 0 @ ... singer:`, with the place in the window.
PRODUCED = re.compile(rb"Produced block \S+ #\d+ (?:\d+ )?@ (\S+) (?:signed by|singer:) " + OURS.encode() + rb"\b")


class Signed(NamedTuple):
    slot: int
    host: str


class Observer:
    """`told` is what each node told. On a `ground` it asks each from its own host, which no cut concerns."""

    def __init__(self, nodes: Iterable[Nodeos], ground: Ground | None = None) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._ground = ground
        self.told = {name: Told() for name in self._nodes}
        self._first = 0  # slot: what the logs hold of the time before is another story
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._look, args=(node,), daemon=True) for node in self._nodes.values()
        ]

    def __enter__(self) -> Self:
        self._first = slot_of(time.time())
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(5)

    def _look(self, node: Nodeos) -> None:
        if self._ground is not None:
            enter(self._ground.namespace(node.name))
        while not self._over.wait(EVERY):
            asked, process = since_boot(), node.pid
            paused = ask_paused(node.http_port)
            alive = node.running() and node.pid == process
            self.told[node.name].hear(asked, since_boot(), paused, process if alive else 0)

    @property
    def looks(self) -> dict[str, int]:
        """How often each node was asked."""
        return {name: told.looks for name, told in self.told.items()}

    def awake(self) -> bool:
        """Whether it still looks at every node."""
        return all(thread.is_alive() for thread in self._threads)

    def unpaused(self, name: str) -> bool:
        """Whether it says so now."""
        return since_boot() - self.told[name].heard_unpaused < 3 * EVERY + 0.1

    def who(self) -> list[str]:
        return [name for name in self.told if self.unpaused(name)]

    def overlaps(self) -> list[tuple[str, str, float, float]]:
        """Each time two nodes were un-paused at once: who, when and for how long, seconds since boot."""
        found = []
        for one, other in combinations(self.told, 2):
            for a in tuple(self.told[one].spans):
                for b in tuple(self.told[other].spans):
                    begin, end = max(a.begin, b.begin), min(a.end, b.end)
                    if begin < end:
                        found.append((one, other, begin, end - begin))
        return found

    def story(self) -> str:
        spans = sorted((span.begin, span.end, name) for name, told in self.told.items() for span in told.spans)
        return "\n".join(f"{begin:10.2f} to {end:10.2f} {name} un-paused" for begin, end, name in spans)

    def signed(self) -> list[Signed]:
        """What each node says in its log that it signed as our producer since the observer began to look."""
        found = []
        for name, node in self._nodes.items():
            for path in (node.log, node.directory / "before.log"):
                found += [Signed(slot, name) for slot in _slots(path) if slot >= self._first]
        return sorted(found)

    def signed_twice(self) -> dict[int, list[str]]:
        """Slots that two nodes signed, with both. Two empty blocks of one slot would look alike on the chain."""
        hosts: dict[int, list[str]] = {}
        for one in self.signed():
            hosts.setdefault(one.slot, []).append(one.host)
        return {slot: names for slot, names in hosts.items() if len(set(names)) > 1}


def _slots(path: Path) -> list[int]:
    if not path.exists():
        return []
    return [_slot(match[1].decode()) for match in PRODUCED.finditer(path.read_bytes())]


def _slot(text: str) -> int:
    return slot_of(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def due(schedule: Sequence[str], first: int, last: int) -> set[int]:
    """The slots of our producer from `first` to before `last`."""
    return {slot for slot in range(first, last) if scheduled(window_of(slot), tuple(schedule)) == OURS}


def lost(node: Nodeos, schedule: Sequence[str], first: int, last: int) -> list[int]:
    """Those of them that hold no block on the chain of this node."""
    head = node.head()
    number, seen = head, set()
    while number > 1:
        block = node.block(number)
        slot = _slot(block["timestamp"])
        if slot < first:
            break
        seen.add(slot)
        number -= 1
    return sorted(due(schedule, first, last) - seen)
