"""What a handing over of the role would have done in a recorded log, and what spoke against it until then.

Only the log is known: that the node answers, has its key and starts paused, and that no person and no other host spoke,
is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from keeper.core.memory import View
from keeper.failover.evidence import speaking_against, why_step_down
from keeper.failover.facts import Facts, of_chain
from keeper.failover.terms import WINDOWS_WITH_LEASE, WINDOWS_WITHOUT, Terms
from keeper.rules.phrases import counted, whose
from keeper.rules.takeover_due import GRANTED, paused_by_log


class Told(NamedTuple):
    at: float
    text: str


class Rehearsal:
    """One host in one mode. It produces at first if it is A. It ends with the takeover: what would have become of the
    chain then is in no log."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._mode = "with a lease" if terms.lease else "without a lease"
        self._since: float | None = None
        self._produces = terms.role == "A"
        self._said = ""
        self._over = False
        self._rests_until = float("-inf")

    def look(self, view: View) -> Iterator[Told]:
        """What is new at this moment."""
        if self._over:
            return
        rest = max(0.0, self._rests_until - view.now)
        facts = GRANTED._replace(chain=of_chain(view), keeper=GRANTED.keeper._replace(cooled=rest))
        if self._since is None:
            self._since = view.now
        if not self._produces:
            yield from self._standing_by(view, facts)
        elif why := self._why_stop(view, facts):
            self._produces, self._since, self._said = False, view.now, ""
            self._rests_until = view.now + self._terms.cool_down
            yield Told(view.now, f"{self._mode}, {self._terms.role} would step down: {why}")

    def _why_stop(self, view: View, facts: Facts) -> str | None:
        if paused_by_log(view):
            return "the node was paused by somebody else"
        return why_step_down(facts, self._terms, view.now - (self._since or view.now))

    def _standing_by(self, view: View, facts: Facts) -> Iterator[Told]:
        against = speaking_against(facts, self._terms)
        code, why = against[0] if against else ("", "")
        if code == self._said and code:
            return
        self._said = code
        role = self._terms.role
        if code:
            yield Told(view.now, f"{self._mode}, {role} would not take over: {why}")
            return
        self._over = True
        missed = f"{whose(view.subject.producers)} missed {counted(facts.chain.missed or 0, 'window')} in a row"
        yield Told(view.now, f"{self._mode}, {role} would TAKE OVER: {missed}, and nothing speaks against it")


def rehearsals(role: str, own: Terms | None) -> list[Rehearsal]:
    """In the configured mode, or in both; none for a host that only watches."""
    if role not in WINDOWS_WITHOUT:
        return []
    if own is not None:
        return [Rehearsal(own)]
    return [
        Rehearsal(Terms("host", role, lease=True, windows=WINDOWS_WITH_LEASE[role])),
        Rehearsal(Terms("host", role, lease=False, windows=WINDOWS_WITHOUT[role])),
    ]
