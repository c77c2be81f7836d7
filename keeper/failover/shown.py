"""How a host's role is told to people: the status as values, and what is done in words."""

from __future__ import annotations

from typing import Any

from keeper.failover.actions import Deed, Want
from keeper.failover.conditions import Moment, why_not
from keeper.failover.evidence import speaking_against
from keeper.failover.lease import Seen

PRODUCES = ("taking_over", "producing")
STANDING_BY = ("watching", "standby", "suspended", "claiming")

_FIELDS = {"epoch": "epoch ", "attempt": "attempt ", "host": "", "name": ""}  # of what is done, and how they are said
_WORDS = {
    "Acquire": "ask for the lease",
    "Release": "give the lease back",
    "Want": "ask all to make the producer:",
    "Resume": "resume the node,",
    "Pause": "pause the node,",
    "Kill": "kill the node,",
    "RunHook": "run",
}


def deed_in_words(deed: Deed) -> str:
    if deed == Want(""):
        return "take back the wish for a switch"
    fields = ", ".join(f"{_FIELDS[name]}{value}" for name, value in deed._asdict().items() if name in _FIELDS)
    return f"{_WORDS.get(type(deed).__name__, type(deed).__name__)} {fields}".strip()


def status_of(moment: Moment, seen: Seen | None) -> dict[str, Any]:
    """What is known of a host's role at a moment. Times are seconds before it, or after it where they say `ends`."""
    state, facts, now, terms = moment
    stands_by = state.name in STANDING_BY
    return {
        "at": now,
        "state": state.name,
        "since": now - state.since,
        "why": state.why,
        "why_not": (why_not(moment) or "") if stands_by else "",
        "against": speaking_against(facts, terms) if stands_by else [],
        "wanted": state.name in PRODUCES,
        "observed": None if facts.node.paused is None else not facts.node.paused,
        "gone": facts.node.gone,
        "epoch": state.epoch,
        "lease_held": state.grant is not None,
        "lease_ends_in": None if state.grant is None else state.grant.until - now,
        "holder": seen.holder if seen is not None and facts.cluster.paused is not None else None,
        "wanted_host": facts.cluster.wanted,
        "hosts": dict(seen.roles) if seen is not None else {},
        "automation_paused": facts.cluster.paused,
        "takeovers": facts.keeper.takeovers,
        "fuse": terms.fuse,
        "rests_for": facts.keeper.cooled,
        "order": facts.keeper.order,
        "healthy_rounds": facts.keeper.healthy,
        "gap": facts.chain.gap,
        "missed": facts.chain.missed,
    }
