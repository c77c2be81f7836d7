"""What was heard becomes facts, and grows old: too old is unknown, never yes."""

from __future__ import annotations

from keeper.failover.facts import OfChain, OfCluster
from keeper.failover.lease import Seen
from keeper.failover.observed import ChainLook, NodeSample, Observed, Stands, aged, fuse_trouble
from tests.failover.build import CHAIN, LEASE, NO_LEASE

STANDS = Stands(gone=False, journal=True, cooled=0.0, takeovers=0, order="", paused_here="")
OWN = "0123456789abcdef"
LOOK = ChainLook(100.0, CHAIN, "", 0.2, keyless=False, started=None, round_seconds=30.0)


def seen(holder: str = "", *, hashes: dict[str, str] | None = None, **fields: object) -> Seen:
    hashes = {"bp1": OWN, "bp2": OWN} if hashes is None else hashes
    return Seen(holder, 7 if holder else 0, "", "", hashes, dict.fromkeys(hashes, "B"))._replace(**fields)  # type: ignore[arg-type]


def observed(now: float = 100.0) -> Observed:
    one = Observed(LEASE, OWN, now)
    one.heard_node(NodeSample(100.0, True, api=True))
    one.heard_chain(LOOK)
    one.heard_store(seen("bp1"), 100.0)
    return one


def test_everything_is_known_at_first_and_unknown_in_the_end() -> None:
    one = observed()
    facts = one.facts(STANDS, (), 100.5)
    assert (facts.node.paused, facts.cluster.holder, facts.keeper.distrust) == (True, "bp1", "")
    assert facts.chain == aged(CHAIN, 0.5)
    later = one.facts(STANDS, (), 106.0)
    assert later.chain == OfChain()
    assert later.cluster == OfCluster()
    assert (later.node.paused, later.keeper.distrust) == (None, None)
    assert later.node.silent == 6.0


def test_the_chain_grows_older_between_two_looks() -> None:
    """Ages rise, the gap shrinks, and what is not known stays so."""
    chain = aged(CHAIN._replace(flat=None), 2.0)
    assert (chain.behind, chain.flat, chain.gap) == (2.4, None, 88.0)
    assert aged(CHAIN._replace(gap=1.0), 2.0).gap == 0.0


def test_how_long_it_has_been_paused_counts_from_an_unbroken_row_of_answers() -> None:
    one = observed()
    one.heard_node(NodeSample(101.0, True))
    assert one.facts(STANDS, (), 101.0).node.paused_since == 100.0
    one.heard_node(NodeSample(102.0, False))
    assert one.facts(STANDS, (), 102.0).node.paused_since == float("inf")
    one.heard_node(NodeSample(103.0, True))
    one.heard_node(NodeSample(101.5, False))  # an answer that comes late is no news
    assert one.facts(STANDS, (), 103.0).node.paused_since == 103.0
    one.heard_node(NodeSample(110.0, True))  # a break: it may have been resumed and paused unseen
    assert one.facts(STANDS, (), 110.0).node.paused_since == 110.0


def test_nobody_holds_the_lease_since_it_was_seen_to_be_free() -> None:
    """Never where nobody was seen to hold it, and anew after a time in which nothing was seen."""
    one = observed()
    one.heard_store(seen(), 101.0)
    one.heard_store(seen(), 103.0)
    assert one.facts(STANDS, (), 103.0).cluster.vacant == 2.0
    one.heard_store(seen(), 120.0)
    assert one.facts(STANDS, (), 120.0).cluster.vacant == 0.0
    one.heard_store(seen("bp1"), 121.0)
    assert one.facts(STANDS, (), 121.0).cluster.vacant == 0.0
    fresh = Observed(LEASE, OWN, 100.0)
    fresh.heard_store(seen(), 100.0)
    fresh.heard_store(seen(), 104.0)
    assert fresh.facts(STANDS, (), 104.0).cluster.vacant == 0.0


def test_a_host_with_another_configuration_stops_takeovers_and_is_named() -> None:
    one = observed()
    one.heard_store(seen("bp1", hashes={"bp1": "f" * 16, "bp2": OWN}), 101.0)
    assert one.facts(STANDS, (), 101.0).cluster.equal is False
    [trouble] = one.troubles(101.0)
    assert f"this host's configuration has the fingerprint {OWN}, but bp1 has ffffffffffffffff" in trouble


def test_what_people_must_know_has_a_sentence() -> None:
    """Two As, two of one name, a store that is silent, a node without API or key, a lease nobody holds."""
    one = observed()
    one.heard_store(seen("bp1", roles={"bp1": "A", "bp3": "A"}, twins=("bp2",)), 140.0)
    said = one.troubles(140.0)
    assert any("two keepers are called bp2" in trouble for trouble in said)
    assert any("bp1 and bp3 are both configured as A" in trouble for trouble in said)
    one.store_failed("no answer from etcd: http://10.0.0.1:2379: refused the connection")
    assert any("the lease store does not answer: no answer from etcd" in trouble for trouble in one.troubles(151.0))
    one.heard_node(NodeSample(151.0, None, api=False, why="the node does not offer the producer API"))
    one.heard_chain(LOOK._replace(at=151.0, keyless=True))
    one.heard_store(seen(), 151.0)
    one.heard_store(seen(), 155.0)
    for tick in range(156, 216, 4):
        one.heard_store(seen(), float(tick))
    said = one.troubles(213.0)
    assert any("cannot be paused: the node does not offer the producer API" in trouble for trouble in said)
    assert any("does not have our key" in trouble for trouble in said)
    assert any("nobody has held the lease for 62 s" in trouble for trouble in said)
    facts = one.facts(STANDS, (), 151.0)
    assert (facts.node.api, facts.node.key) == (False, False)


def test_rounds_in_which_the_node_was_fit() -> None:
    one = observed()
    one.heard_chain(LOOK._replace(at=165.0))
    assert one.facts(STANDS, (), 165.0).keeper.healthy == 2
    one.heard_chain(LOOK._replace(at=166.0, chain=CHAIN._replace(behind=30.0)))
    assert one.facts(STANDS, (), 166.0).keeper.healthy == 0


def test_without_a_lease_nothing_of_a_cluster_is_unknown() -> None:
    one = Observed(NO_LEASE, OWN, 100.0)
    facts = one.facts(STANDS._replace(paused_here="new kernel"), (), 100.0)
    assert facts.cluster == OfCluster("new kernel", "", True, frozenset(), None)
    assert one.troubles(500.0) == []


def test_a_blown_fuse_says_what_to_do() -> None:
    assert fuse_trouble(2, LEASE) == ""
    assert fuse_trouble(3, LEASE) == (
        "the fuse is blown: 3 takeovers by itself; look why, then `keeper failover resume` on this host"
    )
