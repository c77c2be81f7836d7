"""answer_slow: the server takes long to accept what a statistics agent sends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keeper.core.memory import Bounds
from keeper.rules.answer_slow import AnswerSlow
from tests.rules.agent import accepted, agent, failed
from tests.rules.build import T0, Scene, said

RULE = AnswerSlow()


def answers(*times: float | None) -> Scene:
    """One a second from 0 on."""
    return agent().take(accepted(second, took) for second, took in enumerate(times))


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([7.25] * 10, ("failing", "the median answer took 7.2 s, of 10 packets accepted in 5 min")),
        ([7.25] * 9, ("ok", "9 packets accepted in 5 min: too few to call them slow")),
        ([7.25] * 9 + [None] * 5, ("ok", "9 packets accepted in 5 min: too few to call them slow")),
        ([5.0] * 10, ("ok", "the median answer took 5.0 s, of 10 packets accepted in 5 min")),
        ([0.1] * 5 + [9.0] * 5, ("ok", "the median answer took 0.1 s, of 10 packets accepted in 5 min")),
        ([0.1] * 5 + [9.0] * 6, ("failing", "the median answer took 9.0 s, of 11 packets accepted in 5 min")),
    ],
)
def test_more_than_half_of_the_answers_are_slow(times: Sequence[float | None], told: tuple[str, str]) -> None:
    """Of ten at least, and only of those that accepted a packet and say how long they took."""
    scene = answers(*times).take([failed(20, took=60.0)] * 50)
    assert said(scene.verdict(RULE, 30)) == told


def test_time_alone_makes_them_slow() -> None:
    """The quick ones leave the window."""
    scene = answers(*[0.1] * 12, *[9.0] * 11)
    verdict = scene.verdict(RULE, 30)
    assert (said(verdict)[0], verdict.until) == ("ok", 301)
    assert said(scene.verdict(RULE, 301))[0] == "ok"
    verdict = scene.verdict(RULE, 301.1)
    assert (said(verdict)[0], verdict.number, verdict.happened) == ("failing", 9.0, T0 + 22)


def test_a_quick_acceptance_is_no_news() -> None:
    """A hundred a second ask for nothing. Any other answer takes the place of one in what is remembered."""
    subject = agent().memory.subject
    events = (accepted(1), accepted(1, None), accepted(1, 5.1), failed(1, took=60.0))
    assert [RULE.heeds(event, None, subject) for event in events] == [False, True, True, True]
    assert answers(*[0.1] * 20).verdict(RULE, 30).until == float("inf")


def test_of_a_busy_agent_the_newest_answers_are_enough() -> None:
    """And the reason says of what time they are."""
    scene = agent(bounds=Bounds(events=100)).take(accepted(n / 10, 6.0) for n in range(1000))
    assert said(scene.verdict(RULE, 100)) == (
        "failing",
        "the median answer took 6.0 s, of 100 packets accepted in 10 s",
    )


def test_a_log_that_was_just_opened_tells_little() -> None:
    """Few answers prove nothing before the window has been seen."""
    scene = agent(since=0).take(accepted(1))
    verdict = scene.verdict(RULE, 30)
    assert said(verdict) == ("unknown", "1 packet accepted in 5 min: too few to tell how slow")
    assert (verdict.until, verdict.quiet) == (31, T0 + 300)
    assert said(scene.verdict(RULE, 300))[0] == "ok"


def test_nothing_is_known_without_the_log() -> None:
    """Not configured, or out of sight."""
    assert said(Scene(kind="agent", sources=()).verdict(RULE, 1)) == ("unknown", "no log is configured")
    assert said(answers(*[9.0] * 20).blinded("log", 20).verdict(RULE, 21))[0] == "unknown"
