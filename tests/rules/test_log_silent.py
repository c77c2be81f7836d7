"""log_silent: the log says nothing any more."""

from __future__ import annotations

import pytest

from keeper.core.event import AnswerFailed, LinesSeen, PeerCount
from keeper.rules.log_silent import LogSilent
from tests.rules.build import T0, Scene, info, received, said

RULE = LogSilent()


def test_lines_are_good_for_the_window() -> None:
    """Twenty seconds after the last."""
    scene = Scene().sees("log", -60).take(received(0, 1000, "a")).sees("log", float("inf"))
    verdict = scene.verdict(RULE, 20)
    assert said(verdict) == ("ok", "lines arrive")
    assert verdict.until == pytest.approx(20.25)
    assert scene.verdict(RULE, 3).until == pytest.approx(20.1)
    verdict = scene.verdict(RULE, 20.1)
    assert said(verdict) == ("failing", "the log has had no line for 20 s")


def test_any_line_counts_understood_or_not() -> None:
    """Also lines that say nothing to keeper."""
    scene = Scene().sees("log", -60).take(LinesSeen(T0 + 5, 1, 0)).sees("log", 25)
    assert said(scene.verdict(RULE, 24.9))[0] == "ok"
    assert said(scene.verdict(RULE, 25))[0] == "failing"


def test_what_does_not_come_from_the_log_is_no_line() -> None:
    """Answers of the API, and peer counts which may be such."""
    scene = Scene(sources={"log", "api"}).sees("log", 0)
    scene.take(info(5, 7), AnswerFailed(T0 + 6, "info", "x", "y"), PeerCount(T0 + 7, 0, 3)).sees("log", 20)
    assert said(scene.verdict(RULE, 20)) == ("failing", "the log has had no line since keeper looks, for 20 s")


def test_only_what_has_been_handed_over_counts() -> None:
    """At 24 the log is known to 19: a line may be on its way."""
    scene = Scene().sees("log", -60).take(received(0, 1000, "a")).sees("log", 19.5)
    verdict = scene.verdict(RULE, 24)
    assert (said(verdict), verdict.until) == (("ok", "lines arrive"), 24.25)


def test_a_log_out_of_sight_is_not_silent() -> None:
    """source_down tells of it."""
    scene = Scene().sees("log", -60).take(received(0, 1000, "a")).blinded("log", 10, "it is gone")
    verdict = scene.verdict(RULE, 40)
    assert (said(verdict), verdict.until) == (("unknown", "the log cannot be seen: it is gone"), 41)


def test_other_logs_may_be_silent_unless_told_otherwise() -> None:
    """Most logs of other programs are silent most of the time."""
    scene = Scene(kind="log").sees("log", 0).sees("log", 1000)
    assert said(scene.verdict(RULE, 1000)) == ("ok", "this log may be silent")
    assert said(scene.verdict(LogSilent(window_log=60.0), 1000))[0] == "failing"


def test_without_a_log_nothing_is_known() -> None:
    """For ever."""
    assert said(Scene(sources={"api"}).verdict(RULE, 1)) == ("unknown", "no log is configured")
