"""The roles a host can be in, as a table: from a state, when a condition holds, to a state, doing something.

`step` interprets it: the first row of the present state whose condition holds is taken, one a look; then the duties of
the state are done. It is asked every `tick` and whenever an answer has come. Wanted and observed are compared at every
look, so a step that was lost is taken again, and one that was taken is not repeated.

No row that leads to producing has a condition that holds on what is unknown. No row that leads away from it waits for
anything optional.
"""

from __future__ import annotations

from typing import NamedTuple

from keeper.failover import conditions as when
from keeper.failover.actions import WORLD, Action, Deed, Journal, Said
from keeper.failover.conditions import Moment, When
from keeper.failover.deeds import DEEDS, DUTIES
from keeper.failover.facts import Facts
from keeper.failover.state import NEVER, Resumed, State, learn
from keeper.failover.terms import Terms


class Row(NamedTuple):
    """`does` are names of DEEDS; `sentence` says for the docs what the row is for."""

    state: str
    when: When
    then: str
    does: tuple[str, ...]
    sentence: str


STOP = ("pause", "read back", "pre_step_down")
REST = ("release", "disarm", "post_step_down")

ASK_SITE = ("next epoch", "pre_takeover", "read back")

ROWS: tuple[Row, ...] = (
    # What keeper finds when it starts.
    Row("watching", when.left_unsure, "stepping_down", STOP, "A takeover was cut short: end it before anything else."),
    Row("watching", when.runs_with_its_lease, "producing", (), "keeper was restarted and its lease is still its own."),
    Row("watching", when.runs_as_before, "producing", (), "Without a lease A is right until it hears another."),
    Row("watching", when.runs_without_right, "stepping_down", STOP, "Paused at once: it has no right to run."),
    Row("watching", when.rests, "standby", REST[:2], "A paused node is where everything begins."),
    # A standby, and the way to producing.
    Row("standby", when.runs_without_right, "stepping_down", STOP, "It was resumed or restarted past keeper."),
    Row("standby", when.automation_paused, "suspended", (), "Nothing is taken over while a person says so."),
    Row("standby", when.with_lease, "claiming", ("acquire",), "All the evidence is there: ask for the lease."),
    Row("standby", when.without_lease, "verifying", ASK_SITE, "There is no lease to ask."),
    Row("suspended", when.runs_in_a_pause, "stepping_down", STOP, "The promise holds while automation is paused, too."),
    Row("suspended", when.automation_goes_on, "standby", (), "A person said so."),
    Row("claiming", when.granted, "verifying", ("pre_takeover", "read back"), "The right to produce is ours."),
    Row("claiming", when.refused, "standby", ("call",), "Somebody holds it, or the store did not answer."),
    Row("verifying", when.lease_ends, "standby", REST[:1], "There is no time left to do it."),
    Row("verifying", when.spoken_against, "standby", REST[:1], "The evidence is gone."),
    Row("verifying", when.vetoed, "standby", ("rest", "release"), "The site's own script said no, or said nothing."),
    Row("verifying", when.approved_without_lease, "taking_over", ("resume",), "Listened long enough: resume."),
    Row("verifying", when.approved, "arming", ("arm",), "Before the node runs, somebody must be able to stop it."),
    Row("arming", when.lease_ends, "standby", REST[:2], "There is no time left to do it."),
    Row("arming", when.spoken_against, "standby", REST[:2], "The evidence is gone."),
    Row("arming", when.guarded, "taking_over", ("resume",), "The guard will fence if keeper cannot: resume."),
    Row("arming", when.not_guarded, "standby", REST[:2], "Without a guard nothing is resumed."),
    Row("taking_over", when.lease_ends, "stepping_down", STOP, "The right ended before the node ran."),
    Row("taking_over", when.must_stop, "stepping_down", STOP, "Somebody else was quicker."),
    Row("taking_over", when.resumed, "producing", ("arm", "post_takeover", "thank"), "Seen, not believed."),
    Row("taking_over", when.not_resumed, "stepping_down", STOP, "Failed, or not known: never tried again blindly."),
    # A producer, and the way back.
    Row("producing", when.lease_ends, "stepping_down", STOP, "Stop before another can begin."),
    Row("producing", when.unguarded, "stepping_down", STOP, "The promise needs the guard as much as the lease."),
    Row("producing", when.must_stop, "stepping_down", STOP, "Two signers, an ill node, an order or a switch."),
    Row("producing", when.paused_by_somebody, "stepping_down", STOP, "What a person paused stays paused."),
    Row("stepping_down", when.calm, "standby", REST, "Paused, read back, quiet: another may begin."),
    Row("stepping_down", when.gone, "standby", REST, "A process that is gone signs nothing."),
    Row("stepping_down", when.still_runs, "fencing", ("kill", "verify gone"), "The producer API did not do it."),
    Row("stepping_down", when.not_paused, "fence_failed", ("pause", "read back"), "There is no kill command."),
    Row("fencing", when.gone, "standby", REST, "A process that is gone signs nothing."),
    Row("fencing", when.calm, "standby", REST, "The pause took effect after all."),
    Row("fencing", when.not_fenced, "fence_failed", (), "Keep the lease as long as possible, and call people."),
    Row("fence_failed", when.gone, "standby", REST, "A process that is gone signs nothing."),
    Row("fence_failed", when.calm, "standby", REST, "The pause took effect after all."),
)
STATES = tuple(dict.fromkeys(row.state for row in ROWS))
_OF_STATE = {state: tuple(row for row in ROWS if row.state == state) for state in STATES}


def step(state: State, facts: Facts, now: float, terms: Terms) -> tuple[State, tuple[Action, ...]]:
    """Look once: learn from the answers, take the first row that applies, do the duties of the state."""
    if facts.answers:
        state = learn(state, facts.answers, now)
    if terms.role not in "ABC":
        return state, ()
    actions: list[Action] = []
    moment = Moment(state, facts, now, terms)
    for row in _OF_STATE[state.name]:
        if (why := row.when(moment)) is not None:
            moment = _take(row, why, moment, actions)
            break
    for duty in DUTIES[moment.state.name]:
        moment = _do(duty, moment, actions)
    return moment.state, tuple(actions)


def _take(row: Row, why: str, moment: Moment, actions: list[Action]) -> Moment:
    state, _, now, _ = moment
    state = _entered(state, row.then)._replace(name=row.then, since=now, why=why)
    actions.append(Journal(Said(row.then, why)))
    moment = moment._replace(state=state)
    for name in row.does:
        moment = _do(name, moment, actions)
    return moment


def _entered(state: State, then: str) -> State:
    """Without what is of no use in the next state."""
    if then == "standby":
        return state._replace(resume=Resumed.NOT, hook=None, attempt=0, killed_at=NEVER, called_at=NEVER)
    if then == "producing" and state.name == "watching":
        return state._replace(resume=Resumed.DONE, resumed_at=state.since)
    return state._replace(refused="") if then == "claiming" else state


def _do(name: str, moment: Moment, actions: list[Action]) -> Moment:
    state, deeds = DEEDS[name](moment)
    for deed in deeds:
        actions.extend(_journaled(deed))
    return moment._replace(state=state)


def _journaled(deed: Deed) -> tuple[Action, ...]:
    return (Journal(deed), deed) if isinstance(deed, WORLD) else (deed,)
