"""delivery_outage: the server accepts nothing of a statistics agent any more."""

from __future__ import annotations

import pytest

from keeper.core.event import Event
from keeper.rules.delivery_outage import DeliveryOutage
from tests.rules.agent import REFUSED, TIMEOUT, accepted, agent, failed, sent, unanswered
from tests.rules.build import T0, Scene, said

RULE = DeliveryOutage()
DOWN = [failed(n, why=REFUSED) for n in range(1, 5)]


def test_packets_are_accepted() -> None:
    """However long ago the last was."""
    verdict = agent().take(accepted(0)).verdict(RULE, 5000)
    assert (said(verdict), verdict.until) == (("ok", "packets are accepted"), float("inf"))


def test_none_is_accepted_for_the_window() -> None:
    """From the first failure on, to the millisecond."""
    scene = agent().take(accepted(0), DOWN)
    verdict = scene.verdict(RULE, 60.5)
    assert (said(verdict), verdict.until) == (("ok", "4 packets failed since one was last accepted"), 61)
    verdict = scene.verdict(RULE, 61)
    assert said(verdict) == (
        "failing",
        "no packet was accepted for 1 min: 4 failed, 4 times 599 (HTTP 599: Connection refused)",
    )
    assert (verdict.number, verdict.until, verdict.quiet) == (60, 62, float("inf"))


@pytest.mark.parametrize(
    ("events", "since"),
    [
        ([failed(50, took=30.0)] * 3, 20),  # since it was sent
        ([failed(25), *[failed(50, took=30.0)] * 3], 20),  # a refusal is known sooner than a timeout
        ([failed(50, took=60.0)] * 3, None),  # sent before the last acceptance
        ([failed(50, took=60.0), *[failed(55)] * 3], 55),
        ([unanswered(50, 20)] * 3, 20),
        ([unanswered(50, 9)] * 3, None),
        ([unanswered(50, 20), failed(40, None, ""), failed(41, 500, "")], 20),
    ],
)
def test_it_begins_when_the_first_of_them_was_sent(events: list[Event], since: float | None) -> None:
    """After the last acceptance; what was sent before says nothing about the time since."""
    verdict = agent().take(accepted(10), events).verdict(RULE, 200)
    assert verdict.number == (None if since is None else 200 - since)
    assert verdict.state.value == ("ok" if since is None else "failing")


def test_it_takes_three_packets() -> None:
    """However long ago the two were; the third is news."""
    scene = agent().take(accepted(0), failed(1), failed(2))
    verdict = scene.verdict(RULE, 500)
    assert (said(verdict), verdict.until) == (
        ("ok", "2 packets failed since one was last accepted"),
        float("inf"),
    )
    assert RULE.heeds(failed(501), failed(2), scene.memory.subject)
    assert said(scene.take(failed(501)).verdict(RULE, 501))[0] == "failing"


def test_it_ends_with_the_first_packet_that_is_accepted() -> None:
    """And the next begins from nothing."""
    scene = agent().take(accepted(0), DOWN, accepted(300), failed(301))
    assert said(scene.verdict(RULE, 900)) == ("ok", "1 packet failed since one was last accepted")


def test_it_does_not_end_by_silence() -> None:
    """The agent sends nothing any more: nothing proves that the server is back."""
    scene = agent().take(accepted(0), DOWN)
    reason = "no packet was accepted for 9 h 59 min: 4 failed, 4 times 599 (HTTP 599: Connection refused)"
    assert said(scene.verdict(RULE, 36000)) == ("failing", reason)


def test_the_reason_counts_all_answers_of_hours() -> None:
    """100 a second: more than a ring remembers, and every one is counted."""
    scene = agent().take(accepted(0))
    for second in range(1, 121):
        answers = [failed(second + n / 100, 599, TIMEOUT if n % 4 else REFUSED, 0.0) for n in range(100)]
        scene.memory.take(answers, 0, 100)
    assert said(scene.verdict(RULE, 121)) == (
        "failing",
        "no packet was accepted for 2 min: 12,000 failed, 9,000 times 599 (HTTP 599: Timeout), "
        "3,000 times 599 (HTTP 599: Connection refused)",
    )


def test_a_server_that_never_repeats_itself_fills_no_memory() -> None:
    """32 different answers are told apart."""
    scene = agent().take(failed(n / 10, 500, str(n)) for n in range(1000))
    outage = scene.memory.acceptance.outage
    assert outage is not None
    assert (outage.packets, len(outage.said)) == (1000, 33)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([], ("unknown", "no packet has been answered since keeper looks")),
        ([sent(1)], ("unknown", "no packet has been answered since keeper looks")),
        (
            DOWN[:2],
            (
                "unknown",
                "no packet has been accepted since keeper looks: 2 failed, 2 times 599 (HTTP 599: Connection refused)",
            ),
        ),
        (
            DOWN,
            ("failing", "no packet was accepted for 1 min 39 s: 4 failed, 4 times 599 (HTTP 599: Connection refused)"),
        ),
    ],
)
def test_before_one_was_accepted(events: list[Event], told: tuple[str, str]) -> None:
    """keeper has just begun to look: an alert of before is neither confirmed nor resolved by that."""
    assert said(agent(since=0).take(events).verdict(RULE, 100)) == told


def test_the_time_before_keeper_looked_does_not_count() -> None:
    """The packets were sent long before."""
    scene = agent(since=0).take([failed(1, took=300.0)] * 5)
    assert said(scene.verdict(RULE, 59.9))[0] == "unknown"
    assert said(scene.verdict(RULE, 60))[0] == "failing"


def test_what_was_lost_of_the_log_may_have_been_an_acceptance() -> None:
    """It begins anew."""
    scene = Scene(kind="agent").sees("log", -60).take(accepted(0), DOWN).sees("log", 100)
    assert said(scene.verdict(RULE, 100))[0] == "failing"
    scene.memory.forgot("log", T0 + 101)
    assert said(scene.verdict(RULE, 101)) == ("unknown", "no packet has been answered since keeper looks")
    scene.take(failed(n) for n in (102, 103, 104)).sees("log", 161)
    assert said(scene.verdict(RULE, 161))[0] == "unknown"
    assert said(scene.sees("log", 162).verdict(RULE, 162))[0] == "failing"


def test_only_what_was_handed_over_proves_it() -> None:
    """At 62 the log is known to 60: an acceptance may be on its way."""
    scene = Scene(kind="agent").sees("log", -60).take(accepted(0), DOWN).sees("log", 60)
    verdict = scene.verdict(RULE, 62)
    assert (said(verdict)[0], verdict.until) == ("ok", 62.25)


def test_nothing_is_known_without_the_log() -> None:
    """Not configured, or out of sight; when it comes back, the outage goes on."""
    assert said(Scene(kind="agent", sources=()).verdict(RULE, 1)) == ("unknown", "no log is configured")
    scene = Scene(kind="agent").sees("log", -60).take(accepted(0), DOWN).sees("log", 100).blinded("log", 101)
    assert said(scene.verdict(RULE, 102)) == ("unknown", "the log cannot be seen: it is gone")
    assert said(scene.sees("log", 200).verdict(RULE, 200))[0] == "failing"
