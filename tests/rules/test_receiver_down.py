"""receiver_down: the receiver does not say how it stands. And that nothing else is judged while it does not."""

from __future__ import annotations

import pytest

from keeper.core.event import AnswerFailed
from keeper.core.receiver_event import Quiet
from keeper.rules.packets_set_aside import PacketsSetAside
from keeper.rules.queue_behind import QueueBehind
from keeper.rules.queue_spoiled import QueueSpoiled
from keeper.rules.receiver_down import ReceiverDown
from keeper.rules.receiver_refusing import ReceiverRefusing
from keeper.rules.rule import Rule
from keeper.rules.sender_silent import SenderSilent
from keeper.rules.store_failing import StoreFailing
from keeper.rules.table import RULES
from keeper.rules.worker_failing import WorkerFailing
from tests.rules.build import T0, Scene, said
from tests.rules.receiver import answer, receiver

RULE = ReceiverDown()
OTHERS = (
    ReceiverRefusing(),
    StoreFailing(),
    WorkerFailing(),
    SenderSilent(),
    QueueBehind(),
    PacketsSetAside(),
    QueueSpoiled(),
)


def failed(time: float, reason: str) -> AnswerFailed:
    return AnswerFailed(T0 + time, "status", "http://127.0.0.1:9878/api/v1/status", reason)


def test_an_answer_is_good_for_the_window() -> None:
    """And says since when it runs."""
    verdict = receiver(answer(1)).verdict(RULE, 3)
    assert (said(verdict), verdict.until) == (("ok", "it answered in 3 ms, and runs for 2 h"), 6)


def test_no_answer_for_the_window_fails() -> None:
    """With the last reason, if there is one that is not older."""
    scene = receiver(answer(1)).take(failed(0.5, "long ago"), failed(4, "connection refused")).sees("status", 5)
    assert said(scene.verdict(RULE, 5.9))[0] == "ok"
    verdict = scene.verdict(RULE, 6)
    assert said(verdict) == ("failing", "the receiver has not answered for 5 s: connection refused")
    assert (verdict.number, verdict.until) == (5, 7)
    assert said(receiver(answer(1)).take(failed(0.5, "long ago")).sees("status", 6).verdict(RULE, 6)) == (
        "failing",
        "the receiver has not answered for 5 s",
    )


def test_it_is_well_at_its_next_answer() -> None:
    """Each wakes the rule."""
    scene = receiver(answer(1)).sees("status", 20)
    assert said(scene.verdict(RULE, 20))[0] == "failing"
    assert said(scene.take(answer(20.5, started=5000.0, up=0.4)).verdict(RULE, 20.5)) == (
        "ok",
        "it answered in 3 ms, and runs for 0 s",
    )


def test_before_the_first_answer_nothing_is_known() -> None:
    """For the window."""
    scene = Scene(kind="receiver", sources={"status"}).sees("status", 0, 4)
    verdict = scene.verdict(RULE, 1)
    assert (said(verdict), verdict.until) == (("unknown", "no answer yet"), 2)
    assert said(scene.verdict(RULE, 5)) == ("failing", "the receiver has not answered for 5 s")


def test_one_that_nobody_asks_is_not_down() -> None:
    """keeper's own thread hangs."""
    assert said(receiver(answer(1)).verdict(RULE, 8)) == (
        "unknown",
        "the receiver is not being asked: nothing has been heard from the source for 7 s",
    )
    assert said(Scene(kind="endpoint", sources={"endpoint"}).verdict(RULE, 1)) == (
        "unknown",
        "no receiver is configured",
    )


@pytest.mark.parametrize("rule", OTHERS, ids=lambda rule: rule.name)
def test_of_one_that_does_not_answer_nothing_else_is_known(rule: Rule) -> None:
    """Whatever it said last: that alert neither begins nor ends."""
    ill = {"trouble": "the disk is full", "hindered": 4, "looping": 1, "running": 3, "refused": 9, "set_aside": 2}
    ill |= {"watched": 1, "silent": 1, "quiet": (Quiet("shop", 90.0),)}
    scene = receiver(
        answer(0), answer(60, **ill, lost=4, oldest=-300, records=9), answer(120, **ill, lost=4, oldest=-300)
    )
    assert said(scene.verdict(rule, 124.9))[0] == "failing"
    assert said(scene.sees("status", 130).verdict(rule, 130)) == ("unknown", "the receiver has not answered for 10 s")
    assert said(receiver().verdict(rule, 1)) == ("unknown", "the receiver has not answered yet")
    assert said(receiver(answer(0)).verdict(rule, 1))[0] == "ok"


def test_these_are_all_rules_about_receivers() -> None:
    """No other has its kind."""
    about = {name for name, rule in RULES.items() if "receiver" in rule.kinds}
    assert about == {RULE.name, *(rule.name for rule in OTHERS)}
