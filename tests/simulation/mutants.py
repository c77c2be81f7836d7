"""The code broken on purpose: the simulation is worth something if it finds each of these."""

from __future__ import annotations

from keeper.failover.actions import Action, Journal, Outcome, Pause, RunHook
from keeper.failover.facts import Facts
from keeper.failover.roles import step
from keeper.failover.state import State
from keeper.failover.terms import Terms
from tests.simulation.world import Kind


def asks_a_hook_first(state: State, facts: Facts, now: float, terms: Terms) -> tuple[State, tuple[Action, ...]]:
    """Steps down when pre_step_down has said yes, and not before (as solana-validator-ha does)."""
    after, actions = step(state, facts, now, terms)
    if after.name != "stepping_down" or state.name != "producing":
        return after, actions
    hook = RunHook("pre_step_down", after.epoch)
    if any(answer.action == hook and answer.result is Outcome.DONE for answer in facts.answers):
        return after._replace(hooks=after.hooks | {"pre_step_down"}), actions
    if "pre_step_down" in state.hooks:
        return state, ()
    return state._replace(hooks=state.hooks | {"pre_step_down"}), (Journal(hook), hook)


def believes_the_pause(state: State, facts: Facts, now: float, terms: Terms) -> tuple[State, tuple[Action, ...]]:
    """Takes a pause that was asked for one that was done, and reads nothing back."""
    after, actions = step(state, facts, now, terms)
    if after.name == "stepping_down" and any(isinstance(answer.action, Pause) for answer in facts.answers):
        node = facts.node._replace(paused=True, asked_at=now, paused_since=now - 9.0, quiet=True)
        return step(after, facts._replace(node=node, answers=()), now + 9.0, terms)
    return after, actions


def takes_unknown_for_good(state: State, facts: Facts, now: float, terms: Terms) -> tuple[State, tuple[Action, ...]]:
    """A window nobody could see counts as missed."""
    if facts.chain.missed is None and facts.chain.behind is not None:
        facts = facts._replace(chain=facts.chain._replace(missed=terms.windows))
    return step(state, facts, now, terms)


MUTANTS: dict[str, Kind] = {
    "margin removed": Kind(margin=0.0, besieged=1.0),
    "guard removed": Kind(unguarded=True),
    "check, then act": Kind(careless=True),
    "no look at the clock right before": Kind(hasty=True, besieged=1.0),
    "counted from the answer": Kind(late_count=True, margin=0.1, drift=0.001, besieged=1.0),
    "a hook may hold up stepping down": Kind(step=asks_a_hook_first),
    "a pause that is not read back": Kind(step=believes_the_pause),
    "unknown taken for missed": Kind(step=takes_unknown_for_good),
}
# What the third last of them has of its own is no mistake.
CONTROL = Kind(margin=0.1, drift=0.001, besieged=1.0)
