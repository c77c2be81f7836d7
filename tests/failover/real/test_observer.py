"""The observer of the failover tests finds what must never be, when it is made to happen on a real chain by hand."""

from __future__ import annotations

import time

import pytest

from keeper.core.slots import SLOTS_PER_WINDOW, slot_of
from tests.failover.real.observer import Observer, lost
from tests.peers.ask import eventually
from tests.peers.network import OURS, Network


@pytest.mark.timeout(240)
def test_two_that_sign_at_once_are_found(fresh_testnet: Network) -> None:
    """B is resumed beside A: the observer tells who was un-paused when, and which slots both signed."""
    a, b = fresh_testnet["A"], fresh_testnet["B"]
    with Observer([a, b]) as observer:
        eventually(lambda: observer.who() == ["A"], "the observer to see A alone")
        fresh_testnet.await_producers([OURS])
        assert not observer.overlaps()
        assert not observer.signed_twice()
        b.resume()
        eventually(observer.overlaps, "two un-paused at once to be seen", 5)
        eventually(observer.signed_twice, "slots signed by both", 3 * fresh_testnet.round_seconds, every=0.5)
        # Both may sign one slot at once after B was resumed: A is not paused before the overlap has lasted.
        eventually(lambda: observer.overlaps()[0][3] > 1, "the overlap to last a second", 5)
        a.pause()
        eventually(lambda: observer.who() == ["B"], "the observer to see B alone", 5)
        assert observer.awake()
    [(one, other, _, seconds)] = observer.overlaps()
    assert (one, other) == ("A", "B")
    assert seconds > 1
    assert all(names == ["A", "B"] for names in observer.signed_twice().values())


@pytest.mark.timeout(240)
def test_a_frozen_node_is_not_taken_for_a_paused_one(fresh_testnet: Network) -> None:
    """A is frozen un-paused and B resumed while A's process lives: that is two at once. A killed one is none."""
    a, b = fresh_testnet["A"], fresh_testnet["B"]
    with Observer([a, b]) as observer:
        eventually(lambda: observer.who() == ["A"], "the observer to see A alone")
        a.sigstop()
        eventually(lambda: not observer.who(), "A to answer no more", 5)
        b.resume()
        eventually(observer.overlaps, "the frozen node to be counted", 10)
        a.kill()
        eventually(lambda: observer.who() == ["B"], "B alone", 5)
        [(_, _, begin, seconds)] = observer.overlaps()
        looks = observer.looks["B"]
        eventually(lambda: observer.looks["B"] > looks + 20, "twenty more looks", 10)
        assert observer.overlaps() == [("A", "B", begin, seconds)]


@pytest.mark.soak
def test_lost_blocks_are_counted_on_the_chain(fresh_testnet: Network) -> None:
    """A is paused for a whole round, which has one window of ours wherever it begins; then it signs again."""
    net, a = fresh_testnet["net"], fresh_testnet["A"]
    a.pause()
    first = slot_of(time.time()) + 2
    last = first + len(fresh_testnet.producers) * SLOTS_PER_WINDOW
    eventually(lambda: slot_of(time.time()) > last, "a whole round", fresh_testnet.round_seconds + 10)
    a.resume()
    fresh_testnet.await_producers([OURS])
    found = lost(net, fresh_testnet.producers, first, last)
    assert len(found) == SLOTS_PER_WINDOW
    assert lost(net, fresh_testnet.producers, last, slot_of(time.time()) - 2) == []
