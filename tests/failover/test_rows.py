"""Each row of the table is taken in a situation of its own, and no row is left that nothing takes."""

from __future__ import annotations

from keeper.failover.actions import Answer, Outcome, Renew, Resume, RunHook
from keeper.failover.conditions import Moment
from keeper.failover.facts import Facts
from keeper.failover.lease import Denied
from keeper.failover.roles import ROWS, Row, step
from keeper.failover.state import Resumed, State, fence_at, learn
from keeper.failover.terms import Terms
from tests.failover.build import CLUSTER, GOOD, GRANT, LEASE, NO_LEASE, NOW, RUNNING, chain, cluster, keeper, node

RUNS = GOOD._replace(node=RUNNING, chain=GOOD.chain._replace(missed=0))
BLIND = node(paused=None)
HELD = State("any", NOW - 1.2, epoch=7, grant=GRANT, renewed=True, resume=Resumed.DONE, resumed_at=NOW - 1.2)
FREE = State("any", NOW - 1.2)
LATE = fence_at(GRANT, LEASE)
ARMED = HELD._replace(guard=LATE, guard_asked=LATE, resume=Resumed.NOT)
NO_KILL = NO_LEASE._replace(killer=False)
SEEN = RUNS._replace(node=RUNNING._replace(asked_at=NOW))

SITUATIONS: tuple[tuple[str, str, State, Facts, float, Terms], ...] = (
    ("watching", "left_unsure", FREE._replace(resume=Resumed.UNSURE), GOOD, NOW, LEASE),
    ("watching", "runs_with_its_lease", HELD, RUNS, NOW, LEASE),
    ("watching", "runs_as_before", FREE, RUNS, NOW, NO_LEASE._replace(role="A")),
    ("watching", "runs_without_right", FREE, RUNS, NOW, LEASE),
    ("watching", "rests", FREE, GOOD, NOW, LEASE),
    ("standby", "runs_without_right", FREE, RUNS, NOW, LEASE),
    ("standby", "automation_paused", FREE, cluster(paused="x"), NOW, LEASE),
    ("standby", "with_lease", FREE, GOOD, NOW, LEASE),
    ("standby", "without_lease", FREE, GOOD, NOW, NO_LEASE),
    ("suspended", "runs_in_a_pause", FREE, RUNS._replace(cluster=CLUSTER._replace(paused="x")), NOW, LEASE),
    ("suspended", "automation_goes_on", FREE, GOOD, NOW, LEASE),
    ("claiming", "granted", ARMED, GOOD, NOW, LEASE),
    ("claiming", "refused", FREE._replace(refused="bp1 has the lease: it is taken"), GOOD, NOW, LEASE),
    ("verifying", "lease_ends", ARMED, GOOD, LATE, LEASE),
    ("verifying", "spoken_against", ARMED, keeper(journal=False), NOW, LEASE),
    ("verifying", "vetoed", ARMED._replace(hook=Outcome.UNKNOWN), GOOD, NOW, LEASE._replace(hook=True)),
    ("verifying", "approved_without_lease", FREE, GOOD, NOW, NO_LEASE),
    ("verifying", "approved", ARMED, GOOD, NOW, LEASE),
    ("arming", "lease_ends", ARMED, GOOD, LATE, LEASE),
    ("arming", "spoken_against", ARMED, chain(behind=60.0), NOW, LEASE),
    ("arming", "guarded", ARMED, GOOD, NOW, LEASE),
    ("arming", "not_guarded", ARMED._replace(guard=None, since=NOW - 3.0), GOOD, NOW, LEASE),
    ("taking_over", "lease_ends", HELD, RUNS, LATE, LEASE),
    ("taking_over", "must_stop", HELD, keeper(order="step-down"), NOW, LEASE),
    ("taking_over", "resumed", HELD, SEEN, NOW, LEASE),
    ("taking_over", "not_resumed", HELD._replace(resume=Resumed.UNSURE), GOOD, NOW, LEASE),
    ("producing", "lease_ends", HELD._replace(grant=None, refused="the lease is lost: it ended"), SEEN, NOW, LEASE),
    ("producing", "unguarded", HELD._replace(guard=NOW), SEEN, NOW, LEASE),
    ("producing", "must_stop", HELD, chain(missed=0, elsewhere=0.3), NOW, LEASE),
    ("producing", "paused_by_somebody", HELD, chain(missed=0), NOW, LEASE),
    ("stepping_down", "calm", HELD, GOOD, NOW, LEASE),
    ("stepping_down", "gone", HELD, node(paused=None, gone=True), NOW, LEASE),
    ("stepping_down", "still_runs", HELD, BLIND, NOW + 0.5, LEASE),
    ("stepping_down", "not_paused", HELD, BLIND, NOW + 0.5, NO_KILL),
    ("fencing", "gone", HELD._replace(killed_at=NOW - 1.0), node(paused=None, started=NOW), NOW, LEASE),
    ("fencing", "calm", HELD, GOOD, NOW, LEASE),
    ("fencing", "not_fenced", HELD, BLIND, NOW + 1.5, LEASE),
    ("fence_failed", "gone", HELD, node(paused=None, gone=True), NOW, LEASE),
    ("fence_failed", "calm", HELD, GOOD, NOW, LEASE),
)


def taken(state: State, facts: Facts, now: float, terms: Terms) -> Row | None:
    moment = Moment(state, facts, now, terms)
    return next((row for row in ROWS if row.state == state.name and row.when(moment) is not None), None)


def test_each_row_has_a_situation_and_each_situation_its_row() -> None:
    """Nothing in the table is dead, and `step` goes where the row says, with a sentence."""
    rows = []
    for name, when, of_any_name, facts, now, terms in SITUATIONS:
        state = of_any_name._replace(name=name)
        row = taken(state, facts, now, terms)
        assert row is not None, (name, when)
        assert (row.state, row.when.__name__) == (name, when)
        after, _ = step(state, facts, now, terms)
        assert after.name == row.then
        assert len(after.why) > 10
        rows.append(row)
    assert rows == list(ROWS)


def test_where_nothing_is_known_and_nothing_asked_nothing_is_done() -> None:
    """A keeper that cannot see looks, and does nothing else."""
    for name in ("watching", "standby", "suspended"):
        state, actions = step(FREE._replace(name=name), Facts(), NOW, LEASE)
        assert (state.name, [type(action).__name__ for action in actions]) == (
            name,
            ["ReadBack"] if name == "watching" else [],
        )


def test_an_answer_of_another_epoch_or_lease_changes_nothing() -> None:
    """It was late."""

    other = GRANT._replace(epoch=6, token="older")
    late = (
        Answer(Renew(other), Denied("bp1", "it ended")),
        Answer(Resume(6, NOW), Outcome.UNKNOWN),
        Answer(RunHook("pre_takeover", 6), Outcome.FAILED),
    )
    assert learn(HELD, late, NOW) == HELD
