"""fork: the node is, or was, on another branch than the others."""

from __future__ import annotations

import pytest

from keeper.core.event import BlockRejected, ForkSwitched
from keeper.rules.fork import Fork
from tests.rules.build import T0, Scene, blocks, info, reference, said

RULE = Fork()
SWITCH = "switching forks from f85d27e2 (block number 8) to a1 (block number 9)"


def test_a_switch_counts_for_the_window() -> None:
    """Two minutes."""
    scene = Scene().sees("log", -60).take(ForkSwitched(T0, 8, 9, SWITCH)).sees("log", float("inf"))
    verdict = scene.verdict(RULE, 120)
    assert said(verdict) == ("failing", f"this node switched branches 1 time in 2 min, last at 20:36:00: {SWITCH}")
    assert verdict.happened == T0
    verdict = scene.verdict(RULE, 120.1)
    assert (said(verdict), verdict.until) == (("ok", "no fork is known"), float("inf"))


def test_more_switches_may_be_asked_for() -> None:
    """Where little forks are usual."""
    scene = Scene().sees("log", -60).take(ForkSwitched(T0 + n, None, None, "cut") for n in range(3)).sees("log", 5)
    assert said(scene.verdict(Fork(switches=3), 5))[0] == "failing"
    assert said(scene.verdict(Fork(switches=4), 5))[0] == "ok"


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("unlinkable", "failing"),
        ("invalid", "failing"),
        ("wrong_producer", "failing"),
        ("double_confirm", "failing"),
        ("not_applied", "ok"),
    ],
)
def test_a_refused_block_counts(reason: str, state: str) -> None:
    """One that was only not applied is ordinary."""
    scene = Scene().sees("log", -60).take(BlockRejected(T0, reason, 9, "3030001 exception")).sees("log", 1)
    verdict = scene.verdict(RULE, 1)
    sentence = f"this node refused 1 block in 2 min, last at 20:36:00 ({reason}): 3030001 exception"
    assert said(verdict) == (state, sentence if state == "failing" else "no fork is known")


@pytest.mark.parametrize(
    ("branches", "state"),
    [("000", "ok"), ("00f", "ok"), ("0ff", "failing"), ("fff", "failing"), ("0f", "ok"), ("f", "failing"), ("", "ok")],
)
@pytest.mark.parametrize("source", ["log", "api"])
def test_the_majority_of_the_reference_nodes_has_the_true_branch(source: str, branches: str, state: str) -> None:
    """Compared at their heights, with the ids of the log or of the API."""
    scene = Scene(sources={source, "reference"}, references=3).sees(source, -60)
    scene.take(blocks(0, 6) if source == "log" else [info(t / 2, 1000 + t) for t in range(12)]).sees(source, 6)
    scene.take(reference(5, name, 1008, branch=branch) for name, branch in zip("xyz", branches, strict=False))
    if not branches and source == "api":
        assert said(scene.verdict(RULE, 6)) == ("unknown", "neither this node nor the reference nodes answer")
    else:
        assert said(scene.verdict(RULE, 6))[0] == state


def test_the_reason_shows_both_ids() -> None:
    """Of the height at which they part."""
    scene = Scene(references=2).sees("log", -60).take(blocks(0, 6)).sees("log", 6)
    scene.take(reference(5, "x", 1008, branch="f"), reference(5, "y", 1009, branch="f"))
    assert said(scene.verdict(RULE, 6)) == (
        "failing",
        "both reference nodes are on another branch: block #1,008 is f0000000 there and 00000000 here",
    )


def test_heights_this_node_has_not_seen_prove_nothing() -> None:
    """It is behind, or has forgotten; it is looked at again soon."""
    scene = Scene(references=2).sees("log", -60).take(blocks(0, 6)).sees("log", 6)
    scene.take(reference(5, "x", 1013, branch="f"), reference(5, "y", 900, branch="f"))
    verdict = scene.verdict(RULE, 6)
    assert (said(verdict), verdict.until) == (("ok", "no fork is known"), 6.25)


def test_old_answers_prove_nothing() -> None:
    """After fifteen seconds."""
    scene = Scene(references=1).sees("log", -60).take(blocks(0, 6), reference(5, "x", 1008, branch="f")).sees("log", 21)
    assert said(scene.verdict(RULE, 20))[0] == "failing"
    assert said(scene.verdict(RULE, 20.1))[0] == "ok"


def test_the_api_knows_better_than_the_log_which_block_was_kept() -> None:
    """Up to Leap 5 the log shows blocks that did not become the head."""
    scene = Scene(sources={"log", "api"}, references=1).sees("log", -60).sees("api", -60)
    scene.take(blocks(0, 6), info(4.5, 1008, branch="f"), reference(5, "x", 1008, branch="f")).sees("log", 6)
    assert said(scene.verdict(RULE, 6))[0] == "ok"


def test_nothing_is_known_without_sight() -> None:
    """Switches show in the log only; what was seen stays seen."""
    assert said(Scene().sees("log", 0).verdict(RULE, 6))[0] == "unknown"
    assert said(Scene(sources={"api"}).verdict(RULE, 6)) == ("unknown", "no log is configured")
    scene = Scene().sees("log", -60).take(ForkSwitched(T0, 8, 9, SWITCH)).blinded("log", 1)
    assert said(scene.verdict(RULE, 9))[0] == "failing"
