"""Why a host does not take over, why it steps down, why it does not return: every condition has its sentence."""

from __future__ import annotations

import pytest

from keeper.failover.evidence import why_not_go_on, why_not_take_over, why_return, why_step_down
from keeper.failover.facts import Facts
from tests.failover.build import CHAIN, GOOD, LEASE, NO_LEASE, RUNNING, chain, cluster, keeper, node

PRODUCING = GOOD._replace(node=RUNNING, chain=CHAIN._replace(missed=0))


def test_nothing_speaks_against_a_host_that_is_fit() -> None:
    """With a lease and without."""
    assert why_not_take_over(GOOD, LEASE) is None
    assert why_not_take_over(GOOD, NO_LEASE) is None


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (cluster(paused="new disk"), "automation is paused: new disk"),
        (keeper(distrust="the clock jumped by +3.0 s"), "the clock jumped by +3.0 s"),
        (keeper(journal=False), "the journal cannot be written"),
        (node(api=False), "this node has no producer API"),
        (node(key=False), "this node does not have the signing key"),
        (node(paused=False), "this node is not paused"),
        (chain(scheduled=False), "our producer is not in the active schedule"),
        (chain(behind=75.0), "the head of this node is 1 min 15 s old"),
        (chain(flat=21.0), "the LIB of this node has not moved for 21 s"),
        (chain(others=2), "only 2 of 5 other producers sign: it is the network, or this node is cut off"),
        (chain(agree=1), "only 1 of 2 reference nodes agree about the head"),
        (cluster(equal=False), "the hosts differ in their configuration"),
        (chain(missed=0), "our producer missed 0 of 1 window"),
        (cluster(wanted="bp1"), "a switch to bp1 is under way"),
        (keeper(cooled=12.5), "it rests for 12 s more"),
        (keeper(takeovers=3), "the fuse is blown: 3 takeovers of 3, a person must look"),
    ],
)
def test_each_thing_that_speaks_against_it_has_its_sentence(facts: Facts, sentence: str) -> None:
    """One at a time, everything else being fine."""
    assert why_not_take_over(facts, LEASE) == sentence


UNKNOWN = [
    cluster(paused=None),
    keeper(distrust=None),
    keeper(journal=None),
    node(api=None),
    node(key=None),
    node(paused=None),
    chain(scheduled=None),
    chain(behind=None),
    chain(flat=None),
    chain(others=None),
    chain(due=None),
    chain(agree=None),
    cluster(equal=None),
    chain(missed=None),
    cluster(wanted=None),
]


@pytest.mark.parametrize("facts", UNKNOWN)
def test_what_is_unknown_never_speaks_for_it(facts: Facts) -> None:
    """Also where a person or a switch calls, for all that is asked then."""
    assert why_not_take_over(facts, LEASE)
    if facts.chain.missed is not None and facts.cluster.wanted is not None:
        assert why_not_go_on(facts, LEASE)
        called = facts._replace(keeper=facts.keeper._replace(order="takeover"))
        assert why_not_take_over(called, LEASE)


def test_how_many_windows_must_be_missed_depends_on_the_lease_and_the_role() -> None:
    """One with a lease, two rounds for B without, six for C; a window that broke off counts with a lease only."""
    assert why_not_take_over(chain(missed=1), LEASE) is None
    assert why_not_take_over(chain(missed=1), NO_LEASE) == "our producer missed 1 of 2 windows"
    assert why_not_take_over(chain(missed=5), NO_LEASE._replace(windows=6)) == "our producer missed 5 of 6 windows"
    assert why_not_take_over(chain(missed=0, broken_off=True), LEASE) is None
    assert why_not_take_over(chain(missed=0, broken_off=True), NO_LEASE._replace(windows=1)) is not None


def test_a_lease_that_nobody_holds_any_more_is_proof() -> None:
    """Whoever held it has stopped. Not while it is held or was never, nor for somebody who signs and never asks."""
    idle = chain(missed=0, judged=90.0)
    free = idle._replace(cluster=GOOD.cluster._replace(vacant=2.0))
    assert why_not_take_over(free, LEASE) is None
    assert why_not_take_over(idle, LEASE) == "our producer missed 0 of 1 window"
    assert why_not_take_over(free._replace(cluster=GOOD.cluster._replace(vacant=1.9)), LEASE)
    assert why_not_take_over(free, NO_LEASE) == "our producer missed 0 of 2 windows"
    assert why_not_take_over(free._replace(chain=idle.chain._replace(elsewhere=1.5)), LEASE)
    assert why_not_take_over(free._replace(chain=idle.chain._replace(elsewhere=None)), LEASE)
    assert why_not_take_over(free._replace(chain=idle.chain._replace(judged=1.0)), LEASE)


def test_role_f_only_watches() -> None:
    """Whatever else is true."""
    assert why_not_take_over(GOOD, LEASE._replace(role="F")) == "role F only watches"


def test_who_is_called_needs_no_missed_window() -> None:
    """By an operator or by a switch; only where a lease says whether the other has stopped."""
    ordered = chain(missed=0)._replace(keeper=GOOD.keeper._replace(order="takeover", cooled=30.0))
    assert why_not_take_over(ordered, LEASE) is None
    assert why_not_take_over(ordered, NO_LEASE) == "our producer missed 0 of 2 windows"
    assert why_not_take_over(cluster(wanted="bp2")._replace(chain=CHAIN._replace(missed=0)), LEASE) is None


def test_a_switch_to_a_host_that_is_gone_keeps_nobody_waiting() -> None:
    """It has not said for a while that it is there."""
    assert why_not_take_over(cluster(wanted="bp9"), LEASE) is None


# -- stepping down -------------------------------------------------------------------------------------------------


def test_a_producer_goes_on_while_all_is_well() -> None:
    """And also while nothing can be seen: that is no reason to stop."""
    assert why_step_down(PRODUCING, LEASE, 60.0) is None
    assert why_step_down(Facts(), LEASE, 60.0) is None


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (chain(elsewhere=0.4), "somebody else signs as us: a block of 0.4 s ago is not of this node"),
        (keeper(order="step-down"), "an operator said so"),
        (cluster(wanted="bp1"), "a switch to bp1 is wanted and our next window is 90 s away"),
        (node(gone=True), "the node is gone"),
        (chain(behind=30.0, agree=0), "the head of this node is 30 s old, and the reference nodes go on"),
        (chain(missed=1), "this node missed 1 window of ours while others signed"),
    ],
)
def test_each_reason_to_step_down_has_its_sentence(facts: Facts, sentence: str) -> None:
    """Of a host that has produced for a minute."""
    assert why_step_down(facts, LEASE, 60.0) == sentence


def test_a_node_that_shows_no_life_is_let_go() -> None:
    """Neither its API nor its log; either of them is enough to stay."""
    dead = node(silent=12.0)._replace(chain=CHAIN._replace(missed=0, behind=13.0))
    assert why_step_down(dead, LEASE, 60.0) == "the node has not answered for 12 s, and its log shows no block"
    assert why_step_down(dead._replace(chain=CHAIN._replace(missed=0)), LEASE, 60.0) is None


def test_where_the_whole_chain_stands_still_every_producer_stays() -> None:
    """Else nobody could begin again."""
    assert why_step_down(chain(behind=600.0, missed=0, others=0), LEASE, 60.0) is None


def test_what_was_before_this_host_produced_is_not_held_against_it() -> None:
    """The other's last block, and the window because of which it took over."""
    assert why_step_down(chain(missed=0, elsewhere=20.0), LEASE, 10.0) is None
    assert why_step_down(chain(missed=1, judged=20.0), LEASE, 15.0) is None


def test_a_switch_waits_for_the_gap_between_our_windows() -> None:
    """And for a host that is there."""
    near = cluster(wanted="bp1")._replace(chain=CHAIN._replace(missed=0, gap=3.0))
    assert why_step_down(near, LEASE, 60.0) is None
    assert why_step_down(cluster(wanted="bp9")._replace(chain=CHAIN._replace(missed=0)), LEASE, 60.0) is None


def test_while_automation_is_paused_only_safety_counts() -> None:
    """Whoever paused it works on the node; a second signer is another matter."""
    assert why_step_down(node(gone=True)._replace(cluster=GOOD.cluster._replace(paused="x")), LEASE, 60.0) is None
    assert why_step_down(chain(elsewhere=0.1)._replace(cluster=GOOD.cluster._replace(paused="x")), LEASE, 60.0)


# -- returning -----------------------------------------------------------------------------------------------------


def test_the_policy_of_return() -> None:
    """stay, return, ask; only A, fit for some rounds."""
    terms = LEASE._replace(role="A", host="bp1")
    assert why_return(GOOD, terms) == "returns = stay: whoever produces goes on"
    assert why_return(GOOD, terms._replace(returns="return")) is None
    asks = why_return(GOOD, terms._replace(returns="ask"))
    assert asks == "returns = ask: it could, `keeper failover switch --to bp1` does it"
    assert why_return(GOOD, LEASE._replace(returns="return")) == "role B: only A returns"
    ill = why_return(keeper(healthy=1), terms._replace(returns="return"))
    assert ill == "this node is fit for 1 of 3 rounds"
    assert why_return(chain(flat=None), terms._replace(returns="return")) == "the LIB of this node cannot be seen"
