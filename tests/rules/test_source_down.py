"""source_down: keeper cannot see the log."""

from __future__ import annotations

from keeper.rules.source_down import SourceDown
from tests.rules.build import Scene, said

RULE = SourceDown()


def test_a_readable_log_is_ok_until_its_source_is_silent_for_five_seconds() -> None:
    """The source says about once a second that it sees everything."""
    verdict = Scene().sees("log", 0, 1).verdict(RULE, 2)
    assert said(verdict) == ("ok", "the log can be read")
    assert verdict.until == 6


def test_a_source_that_says_nothing_any_more_is_down() -> None:
    """Its thread hangs: nobody knows what the log holds."""
    scene = Scene().sees("log", 0, 1)
    assert said(scene.verdict(RULE, 5.9)) == ("ok", "the log can be read")
    verdict = scene.verdict(RULE, 6)
    assert said(verdict) == (
        "failing",
        "the log has been out of sight for 5 s: nothing has been heard from the source for 5 s",
    )
    assert (verdict.number, verdict.until) == (5, 7)


def test_a_lost_log_fails_after_the_window() -> None:
    """With the words of its source, which name the cure."""
    scene = Scene().sees("log", 0, 10).blinded("log", 10, "/var/log/nodeos.log does not exist")
    verdict = scene.verdict(RULE, 14.9)
    assert said(verdict) == ("ok", "the log is out of sight: /var/log/nodeos.log does not exist")
    assert verdict.until == 15
    assert said(scene.verdict(RULE, 15)) == (
        "failing",
        "the log has been out of sight for 5 s: /var/log/nodeos.log does not exist",
    )


def test_a_repeated_reason_does_not_start_the_clock_again() -> None:
    """The source tries again and again and says so each time."""
    scene = Scene().sees("log", 0).blinded("log", 1).blinded("log", 4, "permission denied")
    assert said(scene.verdict(RULE, 6)) == ("failing", "the log has been out of sight for 5 s: permission denied")


def test_a_log_that_was_never_seen_fails_after_the_window_too() -> None:
    """Until then it is not known."""
    scene = Scene()
    assert said(scene.verdict(RULE, 4.9)) == ("unknown", "the log has not been seen yet: not opened yet")
    assert said(scene.verdict(RULE, 5)) == ("failing", "the log has been out of sight for 5 s: not opened yet")


def test_a_log_that_comes_back_is_ok() -> None:
    """At once."""
    scene = Scene().sees("log", 0).blinded("log", 1).sees("log", 20)
    assert said(scene.verdict(RULE, 20)) == ("ok", "the log can be read")


def test_without_a_log_nothing_is_known() -> None:
    """For ever."""
    verdict = Scene(sources={"api"}).verdict(RULE, 100)
    assert said(verdict) == ("unknown", "no log is configured")
    assert verdict.until == float("inf")


def test_the_window_is_configurable() -> None:
    """Longer than the five seconds after which a source counts as blind."""
    scene = Scene().sees("log", 0)
    assert said(scene.verdict(SourceDown(window=20.0), 19.9))[0] == "ok"
    assert said(scene.verdict(SourceDown(window=20.0), 20))[0] == "failing"


def test_it_judges_an_agents_log_too() -> None:
    """The same way."""
    scene = Scene(kind="agent").sees("log", 0).blinded("log", 1)
    assert "agent" in SourceDown.kinds
    assert said(scene.verdict(RULE, 6))[0] == "failing"
