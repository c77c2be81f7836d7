"""delivery_failing: too many packets of a statistics agent are not accepted."""

from __future__ import annotations

import pytest

from keeper.core.event import Event
from keeper.core.memory import Bounds
from keeper.rules.delivery_failing import DeliveryFailing
from tests.rules.agent import accepted, agent, failed, unanswered
from tests.rules.build import T0, Scene, said

RULE = DeliveryFailing()


def mixed(good: int, bad: int, seconds: float = 100) -> list[Event]:
    """So many of each, spread evenly over the time from 0 on."""
    every = sorted([(n / good, True) for n in range(good)] + [(n / bad, False) for n in range(bad)])
    return [accepted(share * seconds) if well else failed(share * seconds) for share, well in every]


@pytest.mark.parametrize(
    ("rule", "good", "bad", "state"),
    [
        (RULE, 80, 20, "failing"),
        (RULE, 81, 20, "ok"),
        (RULE, 28, 7, "failing"),  # 0.2 * 35 is more than 7
        (RULE, 0, 5, "failing"),
        (RULE, 0, 4, "ok"),
        (RULE, 4, 4, "ok"),
        (RULE, 200, 0, "ok"),
        (RULE, 0, 0, "ok"),
        (DeliveryFailing(share=0.5), 80, 79, "ok"),
        (DeliveryFailing(share=0.5), 80, 80, "failing"),
        (DeliveryFailing(packets=21), 80, 20, "ok"),
        (DeliveryFailing(count=3), 1000, 2, "ok"),
        (DeliveryFailing(count=3), 1000, 3, "failing"),
    ],
)
def test_a_share_or_a_number_is_too_much(rule: DeliveryFailing, good: int, bad: int, state: str) -> None:
    """A fifth, if it is five packets; a number where one is configured."""
    verdict = agent().take(mixed(good, bad)).verdict(rule, 100)
    assert (verdict.state.value, verdict.number) == (state, bad / (good + bad) if good + bad else None)


def test_the_reason_says_what_the_answers_said() -> None:
    """The most frequent first, and those beyond three together."""
    scene = agent().take(
        [accepted(n) for n in range(109)],
        [failed(110) for _ in range(25)],
        [failed(111, 500, "HTTP 500: Internal Server Error") for _ in range(6)],
    )
    assert said(scene.verdict(RULE, 120)) == (
        "failing",
        "31 of 140 packets in 5 min were not accepted: 25 times 599 (HTTP 599: Timeout), "
        "6 times 500 (HTTP 500: Internal Server Error)",
    )
    scene.take(failed(112, 502, ""), failed(112, 503, ""), failed(113, None, ""), unanswered(114, 0))
    assert said(scene.verdict(RULE, 120))[1].endswith("Error), 2 times no answer, 2 times something else")


def test_many_different_answers_stay_one_sentence() -> None:
    """A server that says something new each time, and at length."""
    scene = agent().take(
        failed(second, 500, f"{second} {number} " + "x\n" * 150) for second in (0, 1) for number in "abcdef"
    )
    reason = scene.verdict(RULE, 2).reason
    assert (len(reason) < 400, "\n" in reason) == (True, False)
    assert reason.endswith(", 9 times something else")


def test_what_came_is_counted_for_the_window() -> None:
    """By the seconds in which it came. `happened` is when a packet last failed."""
    scene = agent().take(failed(10.0 + n / 10) for n in range(5))
    verdict = scene.verdict(RULE, 310.4)
    assert (said(verdict)[0], verdict.happened) == ("failing", T0 + 10.4)
    assert said(scene.verdict(RULE, 310.5)) == ("ok", "0 of 0 packets in 5 min were not accepted")


def test_time_alone_makes_them_too_many() -> None:
    """Accepted packets leave the window, the failed ones behind them do not yet: the promise ends when a fifth is."""
    scene = agent().take([accepted(n) for n in range(30)], [failed(100 + n) for n in range(5)])
    verdict = scene.verdict(RULE, 105)
    assert (said(verdict)[0], verdict.until) == ("ok", 9 + 300)
    assert said(scene.verdict(RULE, 309))[0] == "ok"
    assert said(scene.verdict(RULE, 309.01)) == (
        "failing",
        "5 of 25 packets in 5 min were not accepted: 5 times 599 (HTTP 599: Timeout)",
    )


def test_without_failures_it_need_not_be_asked_again() -> None:
    """Only what is not accepted is news."""
    assert agent().take(mixed(100, 0)).verdict(RULE, 101).until == float("inf")
    assert [
        RULE.heeds(e, None, Scene().memory.subject) for e in (accepted(1), failed(1), failed(1, None), unanswered(9, 1))
    ] == [
        False,
        True,
        True,
        True,
    ]


def test_a_busy_agent_is_counted_over_the_whole_window() -> None:
    """100 answers a second for ten minutes: far more than a ring remembers of them."""
    scene = agent()
    for second in range(600):
        scene.memory.take(
            [accepted(second + n / 100) if n % 4 else failed(second + n / 100) for n in range(100)], 0, 100
        )
    reason = scene.verdict(RULE, 600).reason
    assert reason == "7,500 of 30,000 packets in 5 min were not accepted: 7,500 times 599 (HTTP 599: Timeout)"


def test_what_is_remembered_less_long_than_the_window_is_said_to_be() -> None:
    """A small ring holds the last seconds with answers. The next one pushes the oldest out: it looks then."""
    scene = agent(bounds=Bounds(events=10)).take(accepted(n) if n % 10 else failed(n) for n in range(100))
    verdict = scene.verdict(RULE, 100)
    assert (said(verdict), verdict.until) == (("ok", "1 of 10 packets in 10 s were not accepted"), 100.25)
    roomy = agent(bounds=Bounds(events=20)).take(accepted(n) if n else failed(n) for n in range(10))
    assert roomy.verdict(RULE, 9.5).until == 20


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([], ("unknown", "0 of 0 packets in 5 min were not accepted: too few to tell")),
        ([accepted(1)] * 4, ("unknown", "0 of 4 packets in 5 min were not accepted: too few to tell")),
        ([accepted(1)] * 5, ("ok", "0 of 5 packets in 5 min were not accepted")),
        ([failed(1)] * 5, ("failing", "5 of 5 packets in 5 min were not accepted: 5 times 599 (HTTP 599: Timeout)")),
    ],
)
def test_a_log_that_was_just_opened_tells_little(events: list[Event], told: tuple[str, str]) -> None:
    """What packets tell is believed; that there are none is not, before the window has been seen."""
    scene = agent(since=0).take(events)
    verdict = scene.verdict(RULE, 200)
    assert said(verdict) == told
    if told[0] == "unknown":
        assert (verdict.until, verdict.quiet) == (201, T0 + 300)


def test_nothing_is_known_without_the_log() -> None:
    """Not configured, or out of sight."""
    assert said(Scene(kind="agent", sources=()).verdict(RULE, 1)) == ("unknown", "no log is configured")
    scene = agent().take(mixed(0, 10)).blinded("log", 20)
    assert said(scene.verdict(RULE, 21)) == ("unknown", "the log cannot be seen: it is gone")


def test_it_is_explained_by_an_outage_and_forgets_with_its_window() -> None:
    """Failures of an outage count on when it is over: they have been told."""
    assert DeliveryFailing.after == ("source_down", "delivery_outage")
    assert RULE.remembers() == 300
