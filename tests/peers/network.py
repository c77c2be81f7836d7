"""A real Antelope network on one machine: five nodes on one chain, and ours among them.

    net    produces as bpa, bpb, bpc and bpd: everybody else
    A      produces as eosstore: ours
    B, C   the same producer, started paused: the standbys
    F      follows, without a producer

Five producers make a round of 30 s (12 blocks of half a second each). Without ours the other four are enough
for irreversibility; without `net` nobody is. Each node has all others as peers. A node that cannot reach a peer
at its own start tries again every 30 s.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers import free_ports
from tests.peers.antelope import Wallet
from tests.peers.ask import eventually
from tests.peers.chain import Chain
from tests.peers.ground import Ground
from tests.peers.nodeos import PAUSED, STALE, Nodeos

OURS = "eosstore"
PRODUCERS = ("bpa", "bpb", "bpc", "bpd", OURS)


# Seconds: a node whose connection failed (on a busy machine its peer may not listen yet) tries again after 30.
PATIENCE = 100.0


class Network:
    """The five nodes, by name in `nodes`. Faults are the nodes' own methods; `reset()` undoes all of them.

    On a `ground` each node has a host of its own; else all are on loopback. `paused` are those that start paused."""

    def __init__(
        self,
        directory: Path,
        chain: Chain,
        producers: Sequence[str] = PRODUCERS,
        ground: Ground | None = None,
        paused: str = "BC",
        names: Sequence[str] = ("net", "A", "B", "C", "F"),
    ) -> None:
        self._directory = directory
        self._chain = chain
        self._wallet = Wallet(directory / "wallet")
        self._touched = 0
        self.producers = tuple(producers)
        others = [producer for producer in producers if producer != OURS]
        ours = (OURS,)
        layout: dict[str, tuple[Sequence[str], Sequence[str]]] = {
            "net": (others, ()),
            **{name: (ours, (PAUSED,) if name in paused else ()) for name in "ABC"},
            "F": ((), ()),
        }
        layout = {name: layout[name] for name in names}
        p2p = dict(zip(layout, free_ports(len(layout)), strict=True))
        http = dict(zip(layout, free_ports(len(layout)), strict=True))
        self.nodes = {
            name: Nodeos(
                name,
                directory / name,
                http[name],
                p2p[name],
                [f"{ground.address(peer) if ground else '127.0.0.1'}:{p2p[peer]}" for peer in p2p if peer != name],
                producing,
                options,
                *((ground.address(name), ground.inside(name)) if ground else ()),
            )
            for name, (producing, options) in layout.items()
        }

    def __getitem__(self, name: str) -> Nodeos:
        return self.nodes[name]

    @property
    def round_seconds(self) -> float:
        return len(self.producers) * 12 * 0.5

    def start(self) -> None:
        """Start all nodes from the prepared chain and wait until all follow its new blocks: about 4 s.

        The logs begin there: a healthy network's lines, without the catching up and its unlinkable blocks.
        """
        follower, leader = self.nodes["F"], self.nodes["net"]
        for node in self.nodes.values():
            node.take_chain(self._chain.ripe if node is follower else self._chain.young)
        follower.start()
        old = follower.head()
        leader.start(STALE, PAUSED)
        for name, node in self.nodes.items():
            if name in "ABC":
                node.start()
        self._sync(old)
        leader.resume()
        eventually(lambda: self.together(old), "all nodes to follow new blocks", PATIENCE)
        for node in self.nodes.values():
            node.begin_log()

    def _sync(self, old: int) -> None:
        """Wait until all have the old chain. Now and then two nodes that connect to each other at once both wait for
        the other to send: who has not got it in a while is started again."""

        def behind() -> list[Nodeos]:
            return [node for node in self.nodes.values() if node.head() != old]

        for _ in range(3):
            with contextlib.suppress(AssertionError):
                eventually(lambda: not behind(), "all nodes to have the old chain", PATIENCE / 3)
                return
            for node in behind():
                node.stop()
                node.start(*((STALE, PAUSED) if node.name == "net" else ()))
        eventually(lambda: not behind(), "all nodes to have the old chain", PATIENCE / 3)

    def together(self, above: int = 0) -> bool:
        """True when every node's head is younger than 3 s and its number higher than `above`."""
        return all(node.head() > above and node.head_age(time.time()) < 3 for node in self.nodes.values())

    def reset(self) -> None:
        """Back to the prepared chain, all nodes running, B and C paused, and empty logs in the same files."""
        self.close()
        self.start()

    def await_producers(self, names: Iterable[str], through: str = "F", deadline: float | None = None) -> None:
        """Wait until each of `names` has made a block from now on, as the node `through` sees it.

        The default deadline is two rounds and 10 s.
        """
        node = self.nodes[through]
        missing = set(names)
        seen = node.head()

        def complete() -> bool:
            nonlocal seen
            head = node.head()
            missing.difference_update(node.producers_between(seen + 1, head))
            seen = head
            return not missing

        eventually(complete, f"blocks of {sorted(missing)}", deadline or 2 * self.round_seconds + 10, every=0.5)

    def touch(self, name: str) -> None:
        """Push one harmless transaction, different from all others, to one node; only blocks of that node have it."""
        if not self._wallet.is_open():
            self._wallet.open()
        self._touched += 1
        # The expiration alone makes each of them unique.
        expiration = str(60 + self._touched % 3000)
        url = self.nodes[name].http_url
        self._wallet.push_action(url, "eosio", "reqauth", ["bpa"], "bpa", "--expiration", expiration)

    def close(self) -> None:
        """End everything at once."""
        self._wallet.close()
        for node in self.nodes.values():
            node.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
