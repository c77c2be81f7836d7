"""The real Antelope network of the tests does what the tests rely on."""

from __future__ import annotations

import re
import time

import pytest
import requests

from tests.peers.ask import eventually
from tests.peers.network import OURS, PRODUCERS, Network
from tests.peers.nodeos import Nodeos

PRODUCED = re.compile(r"Produced block (\w+)\.\.\. #(\d+)")


def produced(node: Nodeos, name: str) -> dict[int, str]:
    """Block number and id of each block the node's log says it signed for a producer."""
    lines = node.log.read_text().splitlines()
    return {
        int(found[2]): found[1]
        for line in lines
        if f": {name} [" in line and (found := PRODUCED.search(line)) is not None
    }


@pytest.mark.timeout(240)
def test_five_producers_take_turns_and_a_paused_one_is_missing(fresh_testnet: Network) -> None:
    """All five produce; paused, ours does not and nobody does it for us; resumed, it does again. LIB goes on."""
    network = fresh_testnet
    ours, follower = network["A"], network["F"]
    assert follower.schedule() == list(PRODUCERS)
    assert [network[name].paused() for name in "ABC"] == [False, True, True]
    ours.pause()
    assert ours.paused()
    before = follower.info()
    paused_from = follower.head() + 3  # one block may be on its way
    slots = network.round_seconds + 6  # a round, and the rest of a window that had begun
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > slots, "a round", slots + 10, every=1)
    names = follower.producers_between(paused_from, follower.head())
    assert set(names) == set(PRODUCERS) - {OURS}
    assert follower.info()["last_irreversible_block_num"] > before["last_irreversible_block_num"]

    ours.resume()
    network.await_producers(PRODUCERS)


@pytest.mark.timeout(180)
def test_a_node_can_hang_die_and_come_back(fresh_testnet: Network) -> None:
    """A hung node answers nothing and catches up when woken; a killed one replays, syncs and goes on in its log."""
    network = fresh_testnet
    node = network["A"]
    node.sigstop()
    with pytest.raises(requests.Timeout):
        node.info()
    node.sigcont()
    eventually(network.together, "the woken node to catch up")

    node.kill()
    with pytest.raises(requests.ConnectionError):
        node.info()
    size = node.log.stat().st_size
    assert size > 0
    node.start()
    assert node.log.stat().st_size > size
    eventually(network.together, "the killed node to catch up")


@pytest.mark.timeout(240)
def test_two_nodes_with_different_transactions_sign_different_blocks(fresh_testnet: Network) -> None:
    """With a transaction on one side only, two nodes that produce in one slot produce two blocks."""
    network = fresh_testnet
    ours, standby = network["A"], network["B"]
    standby.resume()

    def differ() -> bool:
        network.touch("A")
        first, second = produced(ours, OURS), produced(standby, OURS)
        return any(first[number] != second[number] for number in first.keys() & second.keys())

    eventually(differ, "two different blocks of one number", 2 * network.round_seconds, every=0.3)
