"""blocks_silent: no block arrives from anybody."""

from __future__ import annotations

import pytest

from keeper.core.event import LinesSeen
from keeper.rules.blocks_silent import BlocksSilent
from tests.rules.build import SCHEDULE, T0, Scene, blocks, produced, received, said, schedule_of

RULE = BlocksSilent()


def test_a_received_block_is_good_for_the_window() -> None:
    """Thirty seconds, whatever else the log says."""
    scene = Scene().sees("log", -60).take(received(0, 1000, "b"), produced(0.5, 1001, "a"), LinesSeen(T0 + 29, 3, 3))
    scene.sees("log", float("inf"))
    verdict = scene.verdict(RULE, 29)
    assert said(verdict) == ("ok", "blocks arrive")
    assert verdict.until == pytest.approx(30.1)
    assert said(scene.verdict(RULE, 30.1)) == ("failing", "no block has arrived from a peer for 30 s")


def test_none_ever_fails_too() -> None:
    """Counted from when the log was first seen."""
    scene = Scene().sees("log", 0).sees("log", 30)
    assert said(scene.verdict(RULE, 30)) == ("failing", "no block has arrived from a peer since keeper looks, for 30 s")


def test_a_network_of_our_own_has_no_peers_to_send_blocks() -> None:
    """Only our producers are in the schedule."""
    scene = Scene(producers="ab").sees("log", -60).knows(schedule_of("ab"))
    scene.take(blocks(0, 60, schedule=schedule_of("ab"), own="ab")).sees("log", 60)
    verdict = scene.verdict(RULE, 60)
    assert (said(verdict), verdict.until) == (("ok", "only this node itself was to sign"), 65)


def test_a_node_that_signs_many_turns_in_a_row_waits_for_the_others() -> None:
    """It signs for six of seven: `g` comes every 42 seconds."""
    own = "abcdef"
    scene = Scene(producers="a").sees("log", -60).knows()
    scene.take(blocks(-6, 36, own=own, first=988)).sees("log", float("inf"))
    verdict = scene.verdict(RULE, 35)
    assert said(verdict) == ("ok", "only this node itself was to sign")
    assert verdict.until == pytest.approx(-0.4 + 42)
    scene.take(blocks(36, 42, first=1072, without="g", own=own))
    assert said(scene.verdict(RULE, 41.6)) == ("failing", "no block has arrived from a peer for 42 s")


def test_while_the_schedule_is_unknown_a_node_that_signs_may_be_alone() -> None:
    """A network that begins with one producer."""
    alone = schedule_of("a")
    scene = Scene(producers="z").sees("log", -60).take(blocks(0, 18, schedule=alone, own="a")).sees("log", 31)
    assert said(scene.verdict(RULE, 31)) == (
        "unknown",
        "this node signs, and whether anybody else should is not known yet",
    )


def test_others_are_waited_for_since_they_have_a_place() -> None:
    """This node signed alone for minutes; the new schedule has six others."""
    alone = schedule_of("z")
    scene = Scene().sees("log", -300).knows(alone, time=-299).take(blocks(-290, 0, schedule=alone, own="z", first=420))
    assert said(scene.sees("log", 0).verdict(RULE, 0)) == ("ok", "only this node itself was to sign")
    scene.knows(SCHEDULE, time=0).take(blocks(0, 6, own="a")).sees("log", float("inf"))
    assert said(scene.verdict(RULE, 29.9)) == ("ok", "blocks arrive")
    assert said(scene.verdict(RULE, 30))[0] == "failing"


def test_a_block_ends_it() -> None:
    """At once."""
    scene = Scene().sees("log", 0).sees("log", 40)
    assert said(scene.verdict(RULE, 40))[0] == "failing"
    assert said(scene.take(received(40, 1000, "b")).sees("log", 40.1).verdict(RULE, 40.1)) == ("ok", "blocks arrive")


def test_nothing_is_known_without_the_log() -> None:
    """The API shows no arrivals."""
    assert said(Scene(sources={"api"}).verdict(RULE, 1)) == ("unknown", "no log is configured")
    assert said(Scene().sees("log", 0).verdict(RULE, 6))[0] == "unknown"
