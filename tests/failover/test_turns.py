"""What was planned neither counts for the fuse nor is a reason to rest; what a standby asked for itself does."""

from __future__ import annotations

from keeper.failover.actions import Acquire, Want
from keeper.failover.evidence import why_return
from keeper.failover.turns import asked_for_itself, planned_step_down, planned_takeover
from tests.failover.build import CHAIN, CLUSTER, GOOD, KEEPER, LEASE, cluster, keeper

OWN = LEASE.host
WANTED = cluster(wanted=OWN)


def test_a_host_knows_its_own_wish_until_another_stands_there() -> None:
    """Also before the store shows it."""
    asked = asked_for_itself(False, GOOD, (Acquire(), Want(OWN)), LEASE)
    assert asked
    assert asked_for_itself(asked, GOOD, (), LEASE)
    assert asked_for_itself(asked, WANTED, (), LEASE)
    assert not asked_for_itself(asked, WANTED, (Want(""),), LEASE)
    assert not asked_for_itself(asked, cluster(wanted="bp1"), (), LEASE)
    assert not asked_for_itself(False, WANTED, (), LEASE)


def test_only_a_person_plans_a_takeover() -> None:
    """By an order, or a wish that is not the host's own."""
    assert planned_takeover(True, keeper(order="takeover"), LEASE)
    assert planned_takeover(False, WANTED, LEASE)
    assert not planned_takeover(True, WANTED, LEASE)
    assert not planned_takeover(False, GOOD, LEASE)


def test_a_host_that_left_its_windows_empty_was_not_switched_as_planned() -> None:
    """Nor one that does not know whether it did, nor one that nobody switched."""
    switched = GOOD._replace(cluster=CLUSTER._replace(wanted="bp1"))
    assert planned_step_down(switched._replace(chain=CHAIN._replace(missed=0)), LEASE)
    assert not planned_step_down(switched._replace(chain=CHAIN._replace(missed=1)), LEASE)
    assert not planned_step_down(switched._replace(chain=CHAIN._replace(missed=None)), LEASE)
    assert not planned_step_down(GOOD._replace(chain=CHAIN._replace(missed=0)), LEASE)


def test_a_blown_fuse_and_a_rest_keep_a_from_returning() -> None:
    """Its own wish waives both for the takeover, so they are asked before."""
    a = LEASE._replace(role="A", returns="return")
    assert why_return(GOOD, a) is None
    assert "the fuse is blown" in (why_return(GOOD._replace(keeper=KEEPER._replace(takeovers=3)), a) or "")
    assert "it rests" in (why_return(GOOD._replace(keeper=KEEPER._replace(cooled=9.0)), a) or "")
