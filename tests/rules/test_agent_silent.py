"""agent_silent: a statistics agent sends nothing any more."""

from __future__ import annotations

import pytest

from keeper.core.event import Event, LinesSeen
from keeper.rules.agent_silent import AgentSilent
from tests.rules.agent import accepted, agent, backlog, sent, unanswered
from tests.rules.build import T0, Scene, said

RULE = AgentSilent()


def test_a_packet_is_good_for_the_window() -> None:
    """Ten minutes."""
    scene = agent().take(sent(0))
    verdict = scene.verdict(RULE, 5)
    assert (said(verdict), verdict.until) == (("ok", "the agent sends packets"), 600)
    assert said(scene.verdict(RULE, 599.9))[0] == "ok"
    verdict = scene.verdict(RULE, 600)
    assert (said(verdict), verdict.number) == (("failing", "the agent has logged nothing for 10 min"), 600)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([accepted(30)], "the agent has logged nothing for 10 min 20 s, and has sent no packet for 10 min 50 s"),
        ([LinesSeen(T0 + 400, 3, 0)], "the agent logs other lines, but has sent no packet for 10 min 50 s"),
        ([unanswered(400, 0), backlog(500, 1, 0)], "the agent has logged nothing for 10 min 50 s"),
    ],
)
def test_the_reason_says_whether_it_logs_other_lines(events: list[Event], reason: str) -> None:
    """The answer to the last packet is none; what keeper itself finds out is no line."""
    assert said(agent().take(sent(0), events).verdict(RULE, 650)) == ("failing", reason)


def test_before_the_window_has_been_seen_nothing_is_known() -> None:
    """Unless it sends."""
    scene = agent(since=0)
    verdict = scene.verdict(RULE, 90)
    assert said(verdict) == ("unknown", "the agent has sent no packet in the 1 min 30 s since keeper looks")
    assert (verdict.until, verdict.quiet) == (91, T0 + 600)
    assert said(scene.verdict(RULE, 600)) == ("failing", "the agent has logged nothing for 10 min")
    assert said(scene.take(sent(601)).verdict(RULE, 601))[0] == "ok"


def test_only_what_was_handed_over_proves_it() -> None:
    """A packet may be on its way."""
    scene = Scene(kind="agent").sees("log", -60).take(sent(0)).sees("log", 599)
    assert said(scene.verdict(RULE, 601))[0] == "ok"


def test_nothing_is_known_without_the_log() -> None:
    """Not configured, or out of sight."""
    assert said(Scene(kind="agent", sources=()).verdict(RULE, 1)) == ("unknown", "no log is configured")
    assert said(agent().take(sent(0)).blinded("log", 20).verdict(RULE, 700))[0] == "unknown"
