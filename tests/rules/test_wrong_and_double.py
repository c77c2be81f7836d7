"""wrong_producer and double_production: a key is where it should not be."""

from __future__ import annotations

from keeper.core.event import BlockProduced, DoubleProduced
from keeper.rules.double_production import DoubleProduction
from keeper.rules.wrong_producer import WrongProducer
from tests.rules.build import T0, Scene, produced, received, said

WRONG = WrongProducer()
DOUBLE = DoubleProduction()
ALWAYS = float("inf")


def test_signing_as_ours_is_fine() -> None:
    """Whatever others sign elsewhere."""
    scene = Scene().sees("log", 0).take(produced(1, 1000, "a"), received(6, 1010, "b")).sees("log", ALWAYS)
    verdict = scene.verdict(WRONG, 7)
    assert (said(verdict), verdict.until) == (("ok", "this node signs only as our producer"), ALWAYS)
    assert BlockProduced in WrongProducer.wakes


def test_signing_as_somebody_else_fails_for_ten_minutes() -> None:
    """The configuration names other accounts than the node's own."""
    scene = Scene().sees("log", 0).take(produced(1, 1000, "a"), produced(6, 1010, "b"), produced(12, 1022, "c"))
    scene.sees("log", ALWAYS)
    assert said(scene.verdict(WRONG, 13)) == (
        "failing",
        "this node signed block #1,022 at 20:36:11 as b and c; only a is configured as ours",
    )
    assert said(scene.verdict(WRONG, 611))[1].startswith("this node signed block #1,022 at 20:36:11 as c;")
    assert said(scene.verdict(WRONG, 612))[0] == "ok"


def test_two_blocks_of_ours_in_one_slot_fail_for_ten_minutes() -> None:
    """This node signed one of them."""
    scene = Scene(role="A").sees("log", 0).take(produced(1, 1000, "a"), received(1, 1000, "a", branch="f"))
    scene.sees("log", ALWAYS)
    verdict = scene.verdict(DOUBLE, 2)
    assert said(verdict) == (
        "failing",
        "a was signed for twice, last at 20:36:01: block #1000 of a exists twice, as 00000000 and as f0000000: "
        "somebody else signs with our key beside this node",
    )
    assert said(scene.verdict(DOUBLE, 601))[0] == "failing"
    verdict = scene.verdict(DOUBLE, 601.2)
    assert (said(verdict), verdict.until) == (("ok", "every slot of ours has one block"), ALWAYS)


def test_several_slots_are_counted() -> None:
    """The whole window, perhaps."""
    scene = Scene().sees("log", 0)
    for slot in (1, 1.5, 2):
        scene.take(received(slot, 1000, "a"), received(slot, 1000, "a", branch="f"))
    verdict = scene.verdict(DOUBLE, 3)
    assert said(verdict)[1].startswith("a was signed for twice in 3 slots, last at 20:36:02: ")
    assert verdict.number == 3


def test_nodeos_own_word_counts_only_for_ours() -> None:
    """Since Spring 1.1.1 it names whoever does it."""
    others = Scene().sees("log", 0).take(DoubleProduced(T0, "b", 7, "b double produced block 7")).sees("log", 1)
    assert said(others.verdict(DOUBLE, 1))[0] == "ok"
    ours = Scene().sees("log", 0).take(DoubleProduced(T0, "a", 7, "a double produced block 7")).sees("log", 1)
    assert said(ours.verdict(DOUBLE, 1)) == (
        "failing",
        "a was signed for twice, last at 20:36:00: a double produced block 7",
    )


def test_without_producer_or_log_nothing_is_known() -> None:
    """What was seen stays seen."""
    for rule in (WRONG, DOUBLE):
        verdict = Scene(producers=()).sees("log", 0).verdict(rule, 1)
        assert (said(verdict), verdict.until) == (("unknown", "no producer is configured"), ALWAYS)
        assert said(Scene(sources={"api"}).verdict(rule, 1)) == ("unknown", "no log is configured")
        assert said(Scene().sees("log", 0).verdict(rule, 6))[0] == "unknown"
    blind = Scene().sees("log", 0).take(produced(1, 1000, "b")).blinded("log", 2)
    assert said(blind.verdict(WRONG, 9))[0] == "failing"
