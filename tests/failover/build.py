"""A host for which everything speaks, to be spoilt by one thing at a time."""

from __future__ import annotations

from keeper.failover.actions import Acquire, Action, Answer, Outcome
from keeper.failover.facts import Facts, OfChain, OfCluster, OfKeeper, OfNode
from keeper.failover.lease import Denied, Grant
from keeper.failover.roles import step
from keeper.failover.state import State
from keeper.failover.terms import Terms

NOW = 1000.0
LEASE = Terms("bp2", "B", lease=True)
NO_LEASE = Terms("bp2", "B", lease=False, windows=2)
INF = float("inf")

CHAIN = OfChain(
    scheduled=True,
    missed=2,
    broken_off=False,
    judged=9.0,
    behind=0.4,
    flat=1.0,
    others=5,
    due=5,
    agree=2,
    asked=2,
    elsewhere=INF,
    gap=90.0,
)
NODE = OfNode(
    paused=True, asked_at=NOW, paused_since=0.0, silent=0.0, quiet=True, gone=False, started=0.0, key=True, api=True
)
CLUSTER = OfCluster(paused="", wanted="", equal=True, there=frozenset({"bp1", "bp2"}))
KEEPER = OfKeeper(distrust="", journal=True, healthy=5)
GOOD = Facts(CHAIN, NODE, CLUSTER, KEEPER)
GRANT = Grant(7, "token", NOW + 15.0)
RUNNING = NODE._replace(paused=False)


def chain(**fields: object) -> Facts:
    return GOOD._replace(chain=CHAIN._replace(**fields))  # type: ignore[arg-type]  # fields of OfChain


def node(**fields: object) -> Facts:
    return GOOD._replace(node=NODE._replace(**fields))  # type: ignore[arg-type]  # fields of OfNode


def cluster(**fields: object) -> Facts:
    return GOOD._replace(cluster=CLUSTER._replace(**fields))  # type: ignore[arg-type]  # fields of OfCluster


def keeper(**fields: object) -> Facts:
    return GOOD._replace(keeper=KEEPER._replace(**fields))  # type: ignore[arg-type]  # fields of OfKeeper


def answered(facts: Facts, action: Action, result: Outcome | Grant | Denied) -> Facts:
    return facts._replace(answers=(Answer(action, result),))


def claimed(facts: Facts = GOOD, terms: Terms = LEASE) -> State:
    """A standby that asked for the lease and was given it."""
    state, _ = step(State("standby", since=0.0), GOOD, NOW, terms)
    state, _ = step(state, answered(facts, Acquire(), GRANT), NOW, terms)
    return state
