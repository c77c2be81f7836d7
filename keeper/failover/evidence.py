"""Why this host does not take over, why it must step down, why it does not return: facts in, one sentence or None out.

What is unknown never speaks for producing. It may speak against it: a node that cannot be seen is let go.
"""

from __future__ import annotations

from collections.abc import Callable

from keeper.failover.facts import Facts
from keeper.failover.terms import Terms
from keeper.rules.phrases import counted, span

Condition = Callable[[Facts, Terms], str | None]


def why_not_take_over(facts: Facts, terms: Terms) -> str | None:
    """Why nothing is taken over now; None when it may be.

    An operator's `takeover` and a planned switch to this host need no evidence that the producer is gone, and no rest
    before: the lease says whether it is. Everything else holds for them, too.
    """
    return _first(_ALWAYS, facts, terms) or (None if _called(facts, terms) else _first(_BY_ITSELF, facts, terms))


def speaking_against(facts: Facts, terms: Terms) -> list[tuple[str, str]]:
    """Everything that speaks against a takeover now: each condition's name and its sentence."""
    conditions = _ALWAYS if _called(facts, terms) else (*_ALWAYS, *_BY_ITSELF)
    found = ((condition.__name__.strip("_"), condition(facts, terms)) for condition in conditions)
    return [(name, why) for name, why in found if why]


def why_not_go_on(facts: Facts, terms: Terms) -> str | None:
    """Why a takeover that has begun is broken off; None while it may go on."""
    return _first(_ALWAYS, facts, terms)


def why_step_down(facts: Facts, terms: Terms, produced_for: float) -> str | None:
    """Why a host that has produced for so many seconds must stop; None while it may go on. The lease is not asked."""
    if (elsewhere := facts.chain.elsewhere) is not None and elsewhere < produced_for:
        return f"somebody else signs as us: a block of {elsewhere:.1f} s ago is not of this node"
    if facts.keeper.order == "step-down":
        return "an operator said so"
    if facts.cluster.paused:
        return None  # whoever paused automation works on the node
    return _why_switch(facts, terms) or _why_ill(facts, terms, produced_for)


def why_return(facts: Facts, terms: Terms) -> str | None:
    """Why this host does not ask for the role back; None when it does (policy `return`)."""
    if terms.returns == "stay":
        return "returns = stay: whoever produces goes on"
    trouble = _why_not_fit(facts, terms) or _first((*_ALWAYS, _cooled, _fuse), facts, terms)
    if not trouble and terms.returns == "ask":
        return f"returns = ask: it could, `keeper failover switch --to {terms.host}` does it"
    return trouble


def _why_not_fit(facts: Facts, terms: Terms) -> str | None:
    if terms.role != "A":
        return f"role {terms.role}: only A returns"
    if facts.cluster.wanted:
        return f"a switch to {facts.cluster.wanted} is under way"
    if facts.keeper.healthy is None:
        return "whether this node is fit is not known"
    if facts.keeper.healthy < terms.healthy:
        return f"this node is fit for {facts.keeper.healthy} of {counted(terms.healthy, 'round')}"
    return None


def _first(conditions: tuple[Condition, ...], facts: Facts, terms: Terms) -> str | None:
    for condition in conditions:
        if why := condition(facts, terms):
            return why
    return None


def _called(facts: Facts, terms: Terms) -> bool:
    return terms.lease and (facts.keeper.order == "takeover" or facts.cluster.wanted == terms.host)


# -- what must hold for every takeover -----------------------------------------------------------------------------


def _role(_: Facts, terms: Terms) -> str | None:
    return None if terms.role in "ABC" else f"role {terms.role} only watches"


def _automation(facts: Facts, _: Terms) -> str | None:
    if facts.cluster.paused is None:
        return "whether automation is paused is not known"
    return f"automation is paused: {facts.cluster.paused}" if facts.cluster.paused else None


def _trusted(facts: Facts, _: Terms) -> str | None:
    if facts.keeper.distrust is None:
        return "whether keeper's own clock runs is not known"
    return facts.keeper.distrust or None


def _journal(facts: Facts, _: Terms) -> str | None:
    return None if facts.keeper.journal else "the journal cannot be written"


def _api(facts: Facts, _: Terms) -> str | None:
    if facts.node.api is None:
        return "whether this node has a producer API is not known"
    return None if facts.node.api else "this node has no producer API"


def _key(facts: Facts, _: Terms) -> str | None:
    if facts.node.key is None:
        return "whether this node has the signing key is not known"
    return None if facts.node.key else "this node does not have the signing key"


def _paused(facts: Facts, _: Terms) -> str | None:
    if facts.node.paused is None:
        return "whether this node is paused is not known"
    return None if facts.node.paused else "this node is not paused"


def _synced(facts: Facts, terms: Terms) -> str | None:
    behind = facts.chain.behind
    if behind is None:
        return "the head of this node cannot be seen"
    return None if behind <= terms.behind else f"the head of this node is {span(behind)} old"


def _lib(facts: Facts, terms: Terms) -> str | None:
    flat = facts.chain.flat
    if flat is None:
        return "the LIB of this node cannot be seen"
    return None if flat <= terms.flat else f"the LIB of this node has not moved for {span(flat)}"


def _others_live(facts: Facts, _: Terms) -> str | None:
    others, due = facts.chain.others, facts.chain.due
    if others is None or due is None:
        return "whether other producers sign is not known"
    if others >= due:
        return None
    return f"only {others} of {counted(due, 'other producer')} sign: it is the network, or this node is cut off"


def _references(facts: Facts, _: Terms) -> str | None:
    asked, agree = facts.chain.asked, facts.chain.agree
    if not asked:
        return None
    if agree is None:
        return "whether the reference nodes agree is not known"
    return None if 2 * agree > asked else f"only {agree} of {counted(asked, 'reference node')} agree about the head"


def _scheduled(facts: Facts, _: Terms) -> str | None:
    if facts.chain.scheduled is None:
        return "the active schedule is not known"
    return None if facts.chain.scheduled else "our producer is not in the active schedule"


def _equal(facts: Facts, terms: Terms) -> str | None:
    if not terms.lease:
        return None
    if facts.cluster.equal is None:
        return "whether all hosts have one configuration is not known"
    return None if facts.cluster.equal else "the hosts differ in their configuration"


_ALWAYS: tuple[Condition, ...] = (
    _role,
    _automation,
    _trusted,
    _journal,
    _api,
    _key,
    _paused,
    _scheduled,
    _synced,
    _lib,
    _others_live,
    _references,
    _equal,
)


# -- what must hold, too, when keeper acts by itself ---------------------------------------------------------------


def vacant(facts: Facts, terms: Terms) -> bool:
    """Whoever held the lease has stopped, or it would hold it still; and nobody who never asks for it signs as us."""
    free, chain = facts.cluster.vacant, facts.chain
    if not terms.lease or free is None or free < terms.vacant or chain.elsewhere is None:
        return False
    signed_since = chain.missed == 0 and chain.judged is not None and chain.judged < free
    return chain.elsewhere > free and not signed_since


def _missed(facts: Facts, terms: Terms) -> str | None:
    """Our windows stay empty; or, with a lease, whoever filled them is known to have stopped."""
    if vacant(facts, terms):
        return None
    missed = facts.chain.missed
    if missed is None:
        return "whether our producer signs is not known: its last window was not seen without a break"
    if missed >= terms.windows or (terms.lease and terms.windows == 1 and facts.chain.broken_off):
        return None
    return f"our producer missed {missed} of {counted(terms.windows, 'window')}"


def _nobody_called(facts: Facts, terms: Terms) -> str | None:
    wanted = facts.cluster.wanted
    if wanted is None:
        return "whether a switch is under way is not known"
    if wanted and wanted != terms.host and wanted in facts.cluster.there:
        return f"a switch to {wanted} is under way"
    return None


def _cooled(facts: Facts, _: Terms) -> str | None:
    return f"it rests for {span(facts.keeper.cooled)} more" if facts.keeper.cooled > 0 else None


def _fuse(facts: Facts, terms: Terms) -> str | None:
    if facts.keeper.takeovers < terms.fuse:
        return None
    return f"the fuse is blown: {counted(facts.keeper.takeovers, 'takeover')} of {terms.fuse}, a person must look"


_BY_ITSELF: tuple[Condition, ...] = (_missed, _nobody_called, _cooled, _fuse)
CONDITIONS = tuple(condition.__name__.strip("_") for condition in (*_ALWAYS, *_BY_ITSELF))


# -- what speaks against going on ----------------------------------------------------------------------------------


def _why_switch(facts: Facts, terms: Terms) -> str | None:
    """A planned switch begins where no window of ours is near, to a host that is there."""
    wanted, gap = facts.cluster.wanted, facts.chain.gap
    if not wanted or wanted == terms.host or wanted not in facts.cluster.there or facts.cluster.paused != "":
        return None
    if gap is None or gap < terms.clear:
        return None
    return f"a switch to {wanted} is wanted and our next window is {gap:.0f} s away"


def _why_ill(facts: Facts, terms: Terms, produced_for: float) -> str | None:
    """What another host would do better. A head that merely stands still is not enough: where the whole chain stands,
    every producer must stay, or it could never go on."""
    node, chain = facts.node, facts.chain
    if node.gone:
        return "the node is gone"
    if node.silent > terms.ill and (chain.behind is None or chain.behind > terms.ill):
        return f"the node has not answered for {span(node.silent)}, and its log shows no block"
    if produced_for <= terms.ill:
        return None
    if chain.behind is not None and chain.behind > terms.ill and _others_are_ahead(facts):
        return f"the head of this node is {span(chain.behind)} old, and the reference nodes go on"
    begun = chain.judged is not None and chain.judged < produced_for
    if chain.missed and begun and _others_live(facts, terms) is None:
        return f"this node missed {counted(chain.missed, 'window')} of ours while others signed"
    return None


def _others_are_ahead(facts: Facts) -> bool:
    return facts.chain.agree is not None and 2 * facts.chain.agree < facts.chain.asked
