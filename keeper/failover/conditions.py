"""The conditions of the table of roles: each looks at one moment and answers with a sentence; None if it is not so."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from keeper.failover.actions import Outcome
from keeper.failover.evidence import vacant, why_not_go_on, why_not_take_over, why_step_down
from keeper.failover.facts import Facts
from keeper.failover.state import NEVER, Resumed, State, fence_at
from keeper.failover.terms import UNDER_WAY, Terms


class Moment(NamedTuple):
    state: State
    facts: Facts
    now: float
    terms: Terms

    @property
    def spent(self) -> float:
        """Seconds in this state."""
        return self.now - self.state.since

    @property
    def read_back(self) -> bool:
        """Whether the node's last answer is to a question put in this state."""
        return self.facts.node.asked_at >= self.state.since


When = Callable[[Moment], str | None]


# -- the node ------------------------------------------------------------------------------------------------------


def runs_without_right(m: Moment) -> str | None:
    if m.facts.node.paused is not False or m.facts.node.gone:
        return None
    return "the node is not paused and has no right to produce"


def runs_with_its_lease(m: Moment) -> str | None:
    """A new keeper finds the node as the one before left it."""
    if m.facts.node.paused is False and m.terms.lease and m.state.renewed and m.state.resume is Resumed.DONE:
        return "the node produces with the lease keeper had before"
    return None


def runs_as_before(m: Moment) -> str | None:
    """Without a lease: the journal says that this host produces, or it is A, and nobody else signs."""
    if m.terms.lease or m.facts.node.paused is not False:
        return None
    ours = m.state.resume is Resumed.DONE or m.terms.role == "A"
    return "the node produces as before, without a lease" if ours else None


def runs_in_a_pause(m: Moment) -> str | None:
    """Without a lease a person may have resumed the node: only a second signer is a reason to step in."""
    if m.facts.node.paused is not False:
        return None
    if m.terms.lease:
        return runs_without_right(m)
    return why_step_down(m.facts, m.terms, m.spent)


def rests(m: Moment) -> str | None:
    if m.state.resume is Resumed.UNSURE or m.state.resume is Resumed.ASKED:
        return None
    if m.facts.node.gone:
        return "the node does not run"
    return "the node is paused" if m.facts.node.paused else None


def left_unsure(m: Moment) -> str | None:
    """After a crash in the middle of a takeover, or with a lease of before and a node that shows nothing."""
    if m.state.resume is Resumed.UNSURE:
        return "keeper ended in the middle of a resume: it may still take effect"
    if m.state.grant is None or m.facts.node.paused is not None:
        return None
    if lease_ends(m) or m.spent > m.terms.ill:
        return "the node had the right to produce and does not answer"
    return None


def calm(m: Moment) -> str | None:
    """Paused, asked after the pause and after the answer to the resume, for so long that the block that was under way
    is out of its hands."""
    if m.state.resume is Resumed.UNSURE or m.state.resume is Resumed.ASKED:
        return None
    node = m.facts.node
    if not node.paused or not m.read_back or node.quiet is False:
        return None
    if node.asked_at - max(node.paused_since, m.state.since, m.state.resumed_at) < UNDER_WAY:
        return None
    return "the node is paused and signs nothing"


def gone(m: Moment) -> str | None:
    """A process that started before the kill proves nothing: the resume may have gone to that one."""
    started = m.facts.node.started
    if m.facts.node.gone:
        return "the process of the node is gone"
    if started is not None and m.state.killed_at != NEVER and started > m.state.killed_at:
        return "the process of the node is gone, and another was started"
    return None


def paused_by_somebody(m: Moment) -> str | None:
    if m.facts.node.paused and m.read_back:
        return "the node was paused, or restarted, by somebody else"
    return None


def resumed(m: Moment) -> str | None:
    node = m.facts.node
    if m.state.resume is Resumed.DONE and node.paused is False and node.asked_at >= m.state.resumed_at:
        return "the node is resumed and says so"
    return None


def not_resumed(m: Moment) -> str | None:
    if m.state.resume is Resumed.FAILED:
        return "the node refused to resume"
    if m.state.resume is Resumed.UNSURE:
        return "the node did not answer the resume: it may still take effect"
    if m.spent > m.terms.settle:
        return f"the node is not seen to be resumed after {m.terms.settle:g} s"
    return None


def still_runs(m: Moment) -> str | None:
    if not m.terms.killer:
        return None
    if m.state.resume is Resumed.UNSURE:
        return "a resume is under way that nothing but the end of the process ends"
    settling = m.facts.node.paused and m.read_back
    if m.spent + (0.0 if settling else m.terms.tick) > m.terms.pause_within:
        return f"the pause is not verified after {m.terms.pause_within:g} s"
    return None


def not_paused(m: Moment) -> str | None:
    if m.terms.killer or m.spent + m.terms.tick <= m.terms.pause_within:
        return None
    return f"the node is not verified to be paused after {m.terms.pause_within:g} s, and there is no kill command"


def not_fenced(m: Moment) -> str | None:
    within = m.terms.kill_within
    if m.spent + m.terms.tick > within:
        return f"the node is neither verified to be paused nor gone after {within:g} s more"
    return None


# -- the lease -----------------------------------------------------------------------------------------------------


def lease_ends(m: Moment) -> str | None:
    """The look after this one would be too late to begin the fence ladder."""
    if not m.terms.lease:
        return None
    if m.state.grant is None:
        return m.state.refused or "there is no lease"
    left = fence_at(m.state.grant, m.terms) - m.now
    if left > m.terms.tick:
        return None
    return f"the lease was not renewed and ends in {m.state.grant.until - m.now:.1f} s: {m.state.refused}"


def granted(m: Moment) -> str | None:
    return f"the lease is ours, epoch {m.state.grant.epoch}" if m.state.grant is not None else None


def refused(m: Moment) -> str | None:
    if m.state.refused:
        return m.state.refused
    if m.spent > 2 * m.terms.timing.request_timeout:
        return "the lease store did not answer: whether it gave the lease is not known"
    return None


# -- evidence ------------------------------------------------------------------------------------------------------


def why_not(m: Moment) -> str | None:
    """The whole of why this host does not take over now, with what only its state tells."""
    if why := why_not_take_over(m.facts, m.terms):
        return why
    rest = m.state.vetoed_at + m.terms.cool_down - m.now
    if rest > 0 and not m.facts.keeper.order:
        return f"pre_takeover vetoed, it is asked again in {rest:.0f} s"
    return None


def nothing_speaks_against(m: Moment) -> str | None:
    """One claim in each `renew`, so that a lease that somebody holds is not asked for all the time; at once where a
    person waits for it and nobody is seen to hold it."""
    wanted, ordered = m.facts.cluster.wanted == m.terms.host, m.facts.keeper.order == "takeover"
    held = m.facts.cluster.holder not in (None, "", m.terms.host)
    pause = 0.0 if (wanted or ordered) and not held else m.terms.timing.renew
    if m.state.grant is not None or m.now - m.state.tried_at < pause:
        return None
    if why_not(m) or (wanted and held):
        return None  # who is wanted waits until it sees that the other has let go
    if ordered:
        return "an operator said so"
    if wanted:
        return "a switch to this host is wanted"
    if vacant(m.facts, m.terms):
        return f"nobody has held the lease for {m.facts.cluster.vacant:.0f} s and nothing speaks against this host"
    return f"our producer missed {m.facts.chain.missed} of its windows and nothing speaks against this host"


def with_lease(m: Moment) -> str | None:
    return nothing_speaks_against(m) if m.terms.lease else None


def without_lease(m: Moment) -> str | None:
    return None if m.terms.lease else nothing_speaks_against(m)


def spoken_against(m: Moment) -> str | None:
    """With a lease nobody else can have begun since; without one, our producer may have been heard again."""
    return why_not_go_on(m.facts, m.terms) if m.terms.lease else why_not_take_over(m.facts, m.terms)


def vetoed(m: Moment) -> str | None:
    if m.state.hook in (Outcome.FAILED, Outcome.UNKNOWN):
        return "pre_takeover vetoed"
    if m.terms.hook and m.state.hook is None and m.spent > m.terms.hook_within:
        return f"pre_takeover has not answered for {m.terms.hook_within:g} s"
    return None


def approved(m: Moment) -> str | None:
    if m.terms.hook and m.state.hook is not Outcome.DONE:
        return None
    if m.facts.node.paused and m.read_back:
        return "nothing vetoed and the node answers"
    return None


def approved_without_lease(m: Moment) -> str | None:
    return None if m.terms.lease else approved(m)


def guarded(m: Moment) -> str | None:
    if m.state.guard is not None and m.state.guard == m.state.guard_asked and m.state.guard > m.now:
        return "the guard is armed"
    return None


def not_guarded(m: Moment) -> str | None:
    return "the guard does not answer" if m.spent > m.terms.settle else None


def unguarded(m: Moment) -> str | None:
    """The deadline the guard last confirmed is over although the lease was renewed: there is no guard, or it fences."""
    guard = m.state.guard
    if not m.terms.lease or (m.now < guard if guard is not None else m.spent <= m.terms.settle):
        return None
    return "the guard does not confirm its deadline: nobody would stop the node if keeper could not"


def must_stop(m: Moment) -> str | None:
    """What is older than the resume is the other host's last, not a second signer's first."""
    return why_step_down(m.facts, m.terms, m.now - m.state.resumed_at)


def automation_paused(m: Moment) -> str | None:
    return f"automation is paused: {m.facts.cluster.paused}" if m.facts.cluster.paused else None


def automation_goes_on(m: Moment) -> str | None:
    return "automation goes on" if m.facts.cluster.paused == "" else None
