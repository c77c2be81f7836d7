"""An observer that is no part of keeper: asks every node 20 times a second, reads every log, counts on the chain."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import requests

from keeper.core.slots import SLOTS_PER_WINDOW, scheduled, slot_of, window_of
from keeper.runtime.clock import since_boot
from tests.peers.network import OURS
from tests.peers.nodeos import Nodeos

EVERY = 0.05  # seconds between two looks at a node
# This nodeos prints the block's place in the window behind its number, and means "signer".
PRODUCED = re.compile(rb"Produced block \S+ #(\d+)(?: \d+)? @ (\S+) (?:signed by|singer:) " + OURS.encode())


class Span(NamedTuple):
    """From the question that a node first answered with `not paused` to the answer with which it last did."""

    begin: float
    end: float


class Signed(NamedTuple):
    slot: int
    host: str


class Observer:
    def __init__(self, nodes: Iterable[Nodeos]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self.spans: dict[str, list[Span]] = {name: [] for name in self._nodes}
        self.looks = dict.fromkeys(self._nodes, 0)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._look, args=(node,), daemon=True) for node in self._nodes.values()
        ]

    def __enter__(self) -> Self:
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
        session = requests.Session()
        session.trust_env = False
        running = False
        while not self._over.wait(EVERY):
            asked, paused = since_boot(), None
            with contextlib.suppress(requests.RequestException, ValueError):
                paused = session.post(f"{node.http_url}/v1/producer/paused", timeout=1).json()
            self.looks[node.name] += 1
            spans = self.spans[node.name]
            if paused is False:
                if running:
                    spans[-1] = Span(spans[-1].begin, since_boot())
                else:
                    spans.append(Span(asked, since_boot()))
            running = paused is False

    def unpaused(self, name: str) -> bool:
        """Whether it says so now."""
        return bool(self.spans[name]) and since_boot() - self.spans[name][-1].end < 3 * EVERY + 0.1

    def who(self) -> list[str]:
        return [name for name in self.spans if self.unpaused(name)]

    def overlaps(self) -> list[tuple[str, str, float, float]]:
        """Each time two nodes were un-paused at once: who, when and for how long, seconds since boot."""
        found = []
        for one, other in combinations(self.spans, 2):
            for a in self.spans[one]:
                for b in self.spans[other]:
                    begin, end = max(a.begin, b.begin), min(a.end, b.end)
                    if begin < end:
                        found.append((one, other, begin, end - begin))
        return found

    def story(self) -> str:
        spans = sorted((span.begin, span.end, name) for name, spans in self.spans.items() for span in spans)
        return "\n".join(f"{begin:10.2f} to {end:10.2f} {name} un-paused" for begin, end, name in spans)

    def signed(self) -> list[Signed]:
        """What each node says in its log that it signed as our producer."""
        found = []
        for name, node in self._nodes.items():
            for path in (node.log, node.directory / "before.log"):
                found += [Signed(slot, name) for slot in _slots(path)]
        return sorted(found)

    def signed_twice(self) -> dict[int, list[str]]:
        """Slots that two nodes signed, with both. Two empty blocks of one slot would look alike on the chain."""
        hosts: dict[int, list[str]] = {}
        signed = self.signed()
        assert signed or not any(self.spans.values()), "nobody's log shows a block of ours: it is not understood"
        for one in signed:
            hosts.setdefault(one.slot, []).append(one.host)
        return {slot: names for slot, names in hosts.items() if len(set(names)) > 1}


def _slots(path: Path) -> list[int]:
    if not path.exists():
        return []
    return [_slot(match[2].decode()) for match in PRODUCED.finditer(path.read_bytes())]


def _slot(text: str) -> int:
    return slot_of(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def lost(node: Nodeos, schedule: Sequence[str], first: int, last: int) -> list[int]:
    """The slots of our producer, from `first` to before `last`, that hold no block on the chain of this node."""
    due = {slot for slot in range(first, last) if scheduled(window_of(slot), tuple(schedule)) == OURS}
    head = node.head()
    number, seen = head, set()
    while number > 1:
        block = node.block(number)
        slot = _slot(block["timestamp"])
        if slot < first:
            break
        seen.add(slot)
        number -= 1
    return sorted(due - seen)


def windows(slots: Sequence[int]) -> int:
    """In how many windows these slots are."""
    return len({slot // SLOTS_PER_WINDOW for slot in slots})
