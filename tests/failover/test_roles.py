"""The table of roles, a look at a time."""

from __future__ import annotations

import pytest

from keeper.failover.actions import (
    TOWARDS,
    WORLD,
    Acquire,
    Action,
    ArmGuard,
    DisarmGuard,
    Journal,
    Kill,
    Outcome,
    Pause,
    Release,
    Renew,
    Resume,
    RunHook,
    Want,
)
from keeper.failover.deeds import DEEDS, DUTIES
from keeper.failover.facts import Facts
from keeper.failover.lease import Denied, Timing
from keeper.failover.roles import ROWS, STATES, step
from keeper.failover.state import Kept, Resumed, State, fence_at, kept, restored
from keeper.failover.terms import Terms
from tests.failover.build import (
    CLUSTER,
    GOOD,
    GRANT,
    LEASE,
    NO_LEASE,
    NODE,
    NOW,
    RUNNING,
    answered,
    chain,
    claimed,
    cluster,
    keeper,
    node,
)
from tests.failover.test_evidence import UNKNOWN

PRODUCING = State(
    "producing",
    NOW - 60.0,
    epoch=7,
    grant=GRANT,
    renewed=True,
    guard=fence_at(GRANT, LEASE),
    guard_asked=fence_at(GRANT, LEASE),
    resume=Resumed.DONE,
    resumed_at=NOW - 61.0,
)
HELD = Denied("bp1", "it is taken")
RUNS = GOOD._replace(node=RUNNING, chain=GOOD.chain._replace(missed=0))


def kinds(actions: tuple[Action, ...]) -> list[str]:
    return [type(action).__name__ for action in actions if not isinstance(action, Journal)]


def test_the_whole_way_to_producing() -> None:
    """Claim, ask the site, read back, arm the guard, resume, see it."""
    terms = LEASE._replace(hook=True)
    state, actions = step(State("standby", since=0.0), GOOD, NOW, terms)
    assert (state.name, kinds(actions)) == ("claiming", ["Acquire"])
    state, actions = step(state, answered(GOOD, Acquire(), GRANT), NOW, terms)
    assert (state.name, kinds(actions)) == ("verifying", ["RunHook", "ReadBack", "Renew"])
    state, actions = step(state, answered(GOOD, RunHook("pre_takeover", 7), Outcome.DONE), NOW, terms)
    armed = ArmGuard(fence_at(GRANT, terms), settled=False)
    assert (state.name, actions[1]) == ("arming", armed)
    state, actions = step(state, answered(GOOD, armed, Outcome.DONE), NOW, terms)
    resume = Resume(7, armed.deadline)
    assert (state.name, actions[1:3]) == ("taking_over", (Journal(resume), resume))
    state, actions = step(state, answered(RUNS, resume, Outcome.DONE), NOW + 0.5, terms)
    assert state.name == "taking_over", "an answer to a question put before the resume proves nothing"
    seen = RUNS._replace(node=RUNNING._replace(asked_at=NOW + 1.0))
    state, actions = step(state, seen, NOW + 1.0, terms)
    assert (state.name, kinds(actions)) == ("producing", ["ArmGuard", "RunHook"])
    assert ArmGuard(armed.deadline, settled=True) in actions


def test_without_a_lease_it_listens_and_resumes() -> None:
    """No store, no guard."""
    state, actions = step(State("standby", since=0.0), GOOD, NOW, NO_LEASE)
    assert (state.name, kinds(actions)) == ("verifying", ["ReadBack"])
    state, actions = step(state, GOOD, NOW, NO_LEASE)
    assert (state.name, kinds(actions)) == ("taking_over", ["Resume", "ReadBack"])


@pytest.mark.parametrize("facts", UNKNOWN)
@pytest.mark.parametrize("terms", [LEASE, NO_LEASE], ids=["lease", "none"])
def test_no_row_that_leads_to_producing_holds_on_what_is_unknown(facts: Facts, terms: Terms) -> None:
    """From any state on the way, with any one fact unknown, nothing is done towards it."""
    if facts.cluster.equal is None and not terms.lease:
        return  # there is no store to compare in
    _, actions = step(State("standby", since=0.0), facts, NOW, terms)
    assert not any(isinstance(action, TOWARDS) for action in actions)
    if facts.chain.missed is None or facts.cluster.wanted is None:
        return  # the lease says it from here on
    on_its_way = claimed()._replace(guard=NOW + 7.0, guard_asked=NOW + 7.0)
    for name in ("verifying", "arming"):
        state, actions = step(on_its_way._replace(name=name), facts, NOW, LEASE)
        assert not any(isinstance(action, (*TOWARDS, ArmGuard)) for action in actions)
        assert state.name == "standby"


@pytest.mark.parametrize("facts", [Facts(), cluster(paused="x"), keeper(journal=False), keeper(distrust="late")])
@pytest.mark.parametrize("name", ["producing", "taking_over"])
def test_stepping_down_waits_for_nothing_optional(name: str, facts: Facts) -> None:
    """Blind, with automation paused, a full disk and a clock that jumped: the pause is asked for in the same look."""
    late = fence_at(GRANT, LEASE) - LEASE.tick
    state, actions = step(PRODUCING._replace(name=name), facts, late, LEASE)
    assert state.name == "stepping_down"
    assert kinds(actions).index("Pause") == 0


def test_the_hook_of_stepping_down_comes_after_the_pause() -> None:
    """And nobody waits for its answer."""
    _, actions = step(PRODUCING, keeper(order="step-down"), NOW, LEASE)
    assert kinds(actions)[:3] == ["Pause", "ReadBack", "RunHook"]


def test_the_fence_ladder_begins_while_there_is_time_for_all_of_it() -> None:
    """Not a look too late: `until - margin - act_within`."""
    in_time = fence_at(GRANT, LEASE) - LEASE.tick - 0.1
    assert step(PRODUCING, RUNS, in_time, LEASE)[0].name == "producing"
    state, _ = step(PRODUCING, RUNS, in_time + 0.1, LEASE)
    assert (state.name, state.why) == ("stepping_down", "the lease was not renewed and ends in 8.5 s: ")


def test_the_ladder_climbs_from_pause_to_kill_to_people() -> None:
    """Each rung is given its time; the lease is renewed all the while."""
    facts = RUNS._replace(keeper=GOOD.keeper._replace(order="step-down"))
    state, _ = step(PRODUCING, facts, NOW, LEASE)
    names = []
    for tick in range(1, 14):
        state, actions = step(state, answered(facts, Renew(GRANT), GRANT), NOW + tick * 0.5, LEASE)
        names.append(state.name)
        if state.name == "fencing" and "fencing" not in names[:-1]:
            assert Kill(7, state.attempt) in actions
    assert list(dict.fromkeys(names)) == ["stepping_down", "fencing", "fence_failed"]
    gone = facts._replace(node=NODE._replace(paused=None, gone=True))
    state, actions = step(state, gone, NOW + 7.0, LEASE)
    assert (state.name, kinds(actions)[:2]) == ("standby", ["Release", "DisarmGuard"])


def test_the_lease_is_given_back_when_the_block_under_way_is_out() -> None:
    """Paused, asked after the pause, for a second."""
    state, _ = step(PRODUCING, keeper(order="step-down"), NOW, LEASE)
    paused = NODE._replace(paused_since=NOW + 0.2, asked_at=NOW + 0.5)
    state, actions = step(state, GOOD._replace(node=paused), NOW + 0.5, LEASE)
    assert (state.name, Release(GRANT) in actions) == ("stepping_down", False)
    state, actions = step(state, GOOD._replace(node=paused._replace(asked_at=NOW + 1.3)), NOW + 1.4, LEASE)
    assert (state.name, Release(GRANT) in actions, DisarmGuard() in actions) == ("standby", True, True)


def test_a_resume_that_was_not_answered_ends_with_the_process() -> None:
    """The node says it is paused, but the question may still be on its way."""
    asked = claimed()._replace(name="taking_over", resume=Resumed.ASKED, resumed_at=NOW)
    state, _ = step(asked, answered(GOOD, Resume(7, NOW + 7), Outcome.UNKNOWN), NOW + 1.0, LEASE)
    assert state.name == "stepping_down"
    later = GOOD._replace(node=NODE._replace(asked_at=NOW + 3.0))
    state, actions = step(state, later, NOW + 1.1, LEASE)
    assert (state.name, "Kill" in kinds(actions)) == ("fencing", True)
    assert step(state, later, NOW + 2.0, LEASE)[0].name == "fencing"
    assert step(state, later._replace(node=NODE._replace(started=NOW + 2.5)), NOW + 3.0, LEASE)[0].name == "standby"


def test_a_node_found_running_without_the_right_is_paused_at_once() -> None:
    """Restarted, or resumed by hand: in every state that has no right."""
    for name in ("watching", "standby", "suspended"):
        state, actions = step(State(name, since=0.0), RUNS, NOW, LEASE)
        assert (state.name, kinds(actions)[0]) == ("stepping_down", "Pause")


def test_a_new_keeper_goes_on_with_its_lease_when_the_store_confirms_it() -> None:
    """An upgrade of keeper interrupts nothing."""
    state = restored(kept(PRODUCING), NOW)
    state, actions = step(state, GOOD._replace(node=NODE._replace(paused=None)), NOW, LEASE)
    assert (state.name, kinds(actions)) == ("watching", ["Renew", "ReadBack"])
    longer = GRANT._replace(until=NOW + 17.0)
    state, _ = step(state, answered(RUNS, Renew(GRANT), longer), NOW + 0.1, LEASE)
    assert (state.name, state.grant) == ("producing", longer)


def test_a_new_keeper_after_a_takeover_cut_short_ends_it() -> None:
    """The journal says that a resume was asked, and not what came of it."""
    state = restored(Kept(7, GRANT, Resumed.ASKED), NOW)
    state, actions = step(state, GOOD, NOW, LEASE)
    assert (state.name, state.resume, kinds(actions)[0]) == ("stepping_down", Resumed.UNSURE, "Pause")


def test_a_lease_that_came_too_late_is_given_back() -> None:
    """The answer to a claim that was given up."""
    state, actions = step(State("standby", since=0.0), answered(chain(missed=0), Acquire(), GRANT), NOW, LEASE)
    assert (state.grant, Release(GRANT) in actions) == (None, True)


def test_a_script_that_said_no_is_not_asked_at_once_again() -> None:
    """It rests as after any step, and says so."""
    terms = LEASE._replace(hook=True)
    state = claimed(terms=terms)
    state, actions = step(state, answered(GOOD, RunHook("pre_takeover", 7), Outcome.FAILED), NOW, terms)
    assert (state.name, state.why, Release(GRANT) in actions) == ("standby", "pre_takeover vetoed", True)
    assert step(state, GOOD, NOW + 59.0, terms)[0].name == "standby"
    assert step(state, GOOD, NOW + 61.0, terms)[0].name == "claiming"


def test_who_holds_the_lease_and_does_not_sign_is_asked_to_pass_it_on() -> None:
    """After a window more, so that whoever has just taken over has had its turn."""
    state, now = State("standby", since=0.0), NOW
    wanted = []
    for missed in (1, 1, 2):
        facts = chain(missed=missed)
        state, _ = step(state, facts, now, LEASE)
        state, actions = step(state, answered(facts, Acquire(), HELD), now, LEASE)
        wanted.append(Want("bp2") in actions)
        now += 5.0
    assert wanted == [False, False, True]


def test_automation_paused_holds_a_standby() -> None:
    """Until a person lets go; not knowing it is not letting go."""
    state, actions = step(State("standby", since=0.0), cluster(paused="new disk"), NOW, LEASE)
    assert (state.name, state.why, kinds(actions)) == ("suspended", "automation is paused: new disk", [])
    assert step(state, GOOD._replace(cluster=CLUSTER._replace(paused=None)), NOW, LEASE)[0].name == "suspended"
    assert step(state, GOOD, NOW, LEASE)[0].name == "standby"


def test_role_f_does_nothing() -> None:
    """Not even to a node that runs."""
    assert step(State(), RUNS, NOW, LEASE._replace(role="F")) == (State(), ())


def test_every_change_of_the_world_is_journaled_right_before() -> None:
    """In every list of actions the table can give."""
    state, actions = step(PRODUCING, node(gone=True), NOW, LEASE)
    for index, action in enumerate(actions):
        if isinstance(action, WORLD):
            assert actions[index - 1] == Journal(action)
    assert any(isinstance(action, Pause) for action in actions)
    assert state.name == "stepping_down"


def test_the_table_is_whole() -> None:
    """Every state leads somewhere, every name means something, every state has its duties."""
    assert {row.then for row in ROWS} | {"watching"} == set(STATES) == set(DUTIES)
    assert {name for row in ROWS for name in row.does} | {name for duty in DUTIES.values() for name in duty} == set(
        DEEDS
    )


def test_terms_that_cannot_keep_the_promise_say_why() -> None:
    """The inequality, the ladder, the kill command."""
    assert LEASE.why_not() is None
    assert NO_LEASE._replace(killer=False).why_not() is None
    assert "kill command" in (LEASE._replace(killer=False).why_not() or "")
    assert "act_within" in (LEASE._replace(kill_within=9.0).why_not() or "")
    assert "more than ttl = 10s" in (LEASE._replace(timing=Timing(ttl=10.0)).why_not() or "")
