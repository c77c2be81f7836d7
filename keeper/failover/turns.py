"""Which changes of the role were planned. What was not counts for the fuse, and is a reason to rest.

A switch that a person wants and one that a standby asks for by itself (our windows stay empty although somebody holds
the lease, or A wants its role back) look the same in the store. The one who asked knows; who is asked sees its own
empty windows.
"""

from __future__ import annotations

from collections.abc import Iterable

from keeper.failover.actions import Action, Want
from keeper.failover.facts import Facts
from keeper.failover.terms import Terms


def asked_for_itself(before: bool, facts: Facts, actions: Iterable[Action], terms: Terms) -> bool:
    """Whether the wish for this host, where there is one, is its own; `before` is the answer of the look before."""
    for action in actions:
        if isinstance(action, Want):
            return action.host == terms.host
    return before and facts.cluster.wanted in (None, "", terms.host)


def planned_takeover(asked: bool, facts: Facts, terms: Terms) -> bool:  # what the function above says
    """A person ordered it, or wants the switch to this host."""
    return facts.keeper.order == "takeover" or (facts.cluster.wanted == terms.host and not asked)


def planned_step_down(facts: Facts, terms: Terms) -> bool:
    """A switch to another host while ours signed all its windows, as far as that is known."""
    return facts.cluster.wanted not in (None, "", terms.host) and facts.chain.missed == 0
