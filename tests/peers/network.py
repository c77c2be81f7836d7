"""A real Antelope network on one machine: a chain prepared once, copied to five nodes, and ours among them.

    net    produces as bpa, bpb, bpc and bpd: everybody else
    A      produces as eosstore: ours
    B, C   the same producer, started paused: the standbys
    F      follows, without a producer

Five producers make a round of 30 s (12 blocks of half a second each). Without ours the other four are enough
for irreversibility; without `net` nobody is.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers import free_ports, require
from tests.peers.antelope import PUBLIC_KEY, Wallet, package
from tests.peers.ask import eventually, post_json
from tests.peers.nodeos import Nodeos
from tests.peers.process import run

OURS = "eosstore"
OTHERS = ("bpa", "bpb", "bpc", "bpd")

# Digests of protocol features, as nodeos prints them at start.
PREACTIVATE_FEATURE = "0ec7e080177b2c02b278d5088611686b49d739925a92d9bfcacd7fc6b74053bd"
WTMSIG_BLOCK_SIGNATURES = "299dcb6af692324b899b39f16d5a530a33062804e41f09dc97e9f156b4476707"


def prepare_chain(directory: Path, producers: Sequence[str] = (*OTHERS, OURS)) -> Path:
    """Make a chain on which `producers` sign in turn and their blocks become irreversible; return its data directory.

    Takes about 50 s: irreversibility of the first of their blocks needs blocks by four of five, twice.
    """
    http_port, p2p_port = free_ports(2)
    node = Nodeos("first", directory, http_port, p2p_port, producers=("eosio", *producers))
    wallet = Wallet(directory / "wallet")
    try:
        node.start(stale=True)
        wallet.open()
        _install_contract(node, wallet, directory / "contract")
        _elect(node, wallet, producers)
        node.stop()
    finally:
        wallet.close()
        node.kill()
    return node.data


def _install_contract(node: Nodeos, wallet: Wallet, directory: Path) -> None:
    url = node.http_url
    post_json(
        f"{url}/v1/producer/schedule_protocol_feature_activations",
        {"protocol_features_to_activate": [PREACTIVATE_FEATURE]},
    )
    # The package's contract can activate features, which ours needs to be linked, but cannot set producers here.
    first = package() / "tests/contracts/eosio.bios"
    eventually(lambda: _try(wallet, url, "set", "contract", "eosio", str(first)), "a system contract")
    wallet.push_action(url, "eosio", "activate", [WTMSIG_BLOCK_SIGNATURES], "eosio")
    directory.mkdir(parents=True)
    (directory / "schedule.wasm").write_bytes(_compiled(Path(__file__).with_name("schedule.wat")))
    shutil.copy(first / "eosio.bios.abi", directory / "schedule.abi")
    contract = ("set", "contract", "eosio", str(directory), "schedule.wasm", "schedule.abi")
    eventually(lambda: _try(wallet, url, *contract), "the contract that sets producers")


def _elect(node: Nodeos, wallet: Wallet, producers: Sequence[str]) -> None:
    for producer in producers:
        wallet.cleos(node.http_url, "create", "account", "eosio", producer, PUBLIC_KEY)
    authority = ["block_signing_authority_v0", {"threshold": 1, "keys": [{"key": PUBLIC_KEY, "weight": 1}]}]
    schedule = [{"producer_name": producer, "authority": authority} for producer in producers]
    wallet.push_action(node.http_url, "eosio", "setprods", {"schedule": schedule}, "eosio@active")
    eventually(
        lambda: node.block(node.info()["last_irreversible_block_num"])["producer"] in producers,
        "an irreversible block by a producer of the schedule",
        24 * len(producers),
        every=0.5,
    )


def _try(wallet: Wallet, url: str, *arguments: str) -> bool:
    """One attempt of something that becomes possible a block or two later."""
    try:
        wallet.cleos(url, *arguments)
    except AssertionError as error:
        raise OSError(str(error)) from None
    return True


def _compiled(text: Path) -> bytes:
    try:
        import wasmtime  # noqa: PLC0415  only the tests with a real chain need it
    except ImportError:
        require(False, "the package wasmtime is not installed: the chain's contract cannot be compiled")
    return bytes(wasmtime.wat2wasm(text.read_text()))


class Network:
    """The five nodes, by name in `nodes`. Faults are the nodes' own methods; `reset()` undoes all of them."""

    def __init__(self, directory: Path, chain: Path, producers: Sequence[str] = (*OTHERS, OURS)) -> None:
        self._directory = directory
        self._chain = chain
        self._wallet = Wallet(directory / "wallet")
        self._touched = 0
        self.producers = tuple(producers)
        others = [producer for producer in producers if producer != OURS]
        ours = (OURS,)
        layout: dict[str, tuple[Sequence[str], Sequence[str]]] = {
            "net": (others, ()),
            "A": (ours, ()),
            "B": (ours, ("--pause-on-startup",)),
            "C": (ours, ("--pause-on-startup",)),
            "F": ((), ()),
        }
        p2p = dict(zip(layout, free_ports(len(layout)), strict=True))
        http = dict(zip(layout, free_ports(len(layout)), strict=True))
        self.nodes = {
            name: Nodeos(
                name,
                directory / name,
                http[name],
                p2p[name],
                [port for peer, port in p2p.items() if peer != name],
                producing,
                options,
            )
            for name, (producing, options) in layout.items()
        }

    def __getitem__(self, name: str) -> Nodeos:
        return self.nodes[name]

    @property
    def round_seconds(self) -> float:
        return len(self.producers) * 12 * 0.5

    def start(self) -> None:
        """Start all nodes from the prepared chain and wait until all follow its new blocks."""
        for node in self.nodes.values():
            node.directory.mkdir(parents=True, exist_ok=True)
            copied = run(["cp", "-a", "--sparse=always", str(self._chain), str(node.data)])
            assert copied.returncode == 0, copied.stderr
            node.start(stale=node.name == "net")
        old = max(node.head() for node in self.nodes.values())
        eventually(lambda: self.together(old), "all nodes to follow new blocks", 60, every=0.2)

    def together(self, above: int = 0) -> bool:
        """True when every node's head is younger than 3 s and its number higher than `above`."""
        return all(node.head() > above and node.head_age(time.time()) < 3 for node in self.nodes.values())

    def reset(self) -> None:
        """Back to the prepared chain, all nodes running, B and C paused. The logs go on in the same files."""
        self.close()
        for node in self.nodes.values():
            node.forget()
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
