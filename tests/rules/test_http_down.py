"""http_down: the API gives no valid answer."""

from __future__ import annotations

from keeper.core.event import AnswerFailed
from keeper.rules.http_down import HttpDown
from tests.rules.build import T0, Scene, info, said

RULE = HttpDown()


def failed(time: float, reason: str, question: str = "info") -> AnswerFailed:
    return AnswerFailed(T0 + time, question, "http://127.0.0.1:8888", reason)


def scene(*times: float) -> Scene:
    return Scene(sources={"api"}).sees("api", *times)


def test_an_answer_holds_for_the_window() -> None:
    """And says how long it took."""
    verdict = scene(0, 3).take(info(3, 7, took=0.012)).verdict(RULE, 7.9)
    assert said(verdict) == ("ok", "get_info answered in 12 ms")
    assert verdict.until == 8


def test_no_answer_for_the_window_is_a_failure_with_the_last_reason() -> None:
    """Only get_info counts, and only what went wrong since."""
    told = scene(0).take(failed(0.5, "old trouble"), info(3, 7), failed(4, "connection refused"))
    told.take(failed(7, "not found", "paused")).sees("api", 8)
    verdict = told.verdict(RULE, 8)
    assert said(verdict) == ("failing", "get_info has given no valid answer for 5 s: connection refused")
    assert (verdict.number, verdict.until) == (5, 9)
    quiet = scene(0).take(failed(0.5, "old trouble"), info(3, 7)).sees("api", 8)
    assert said(quiet.verdict(RULE, 8)) == ("failing", "get_info has given no valid answer for 5 s")


def test_before_the_first_answer_nothing_is_known() -> None:
    """For the window; then it is a failure."""
    told = scene(0)
    verdict = told.verdict(RULE, 4.5)
    assert said(verdict) == ("unknown", "no answer yet")
    assert verdict.until == 5
    told.sees("api", 5)
    assert said(told.verdict(RULE, 5)) == ("failing", "get_info has given no valid answer for 5 s")


def test_an_api_nobody_asks_is_not_down() -> None:
    """keeper's own thread hangs: that proves nothing about the node."""
    verdict = scene(0, 1).take(info(1, 7)).verdict(RULE, 7)
    assert said(verdict) == (
        "unknown",
        "the api is not being asked: nothing has been heard from the source for 6 s",
    )


def test_time_in_which_nobody_asked_does_not_count() -> None:
    """The source was blind from 2 to 20."""
    told = scene(0, 1).take(info(1, 7)).blinded("api", 2).sees("api", 20, 24)
    assert said(told.verdict(RULE, 24.9))[0] == "ok"
    told.sees("api", 25)
    assert said(told.verdict(RULE, 25))[0] == "failing"


def test_an_answer_ends_the_failure() -> None:
    """At once."""
    told = scene(0, 9)
    assert said(told.verdict(RULE, 9))[0] == "failing"
    assert said(told.take(info(9.5, 7)).verdict(RULE, 9.5))[0] == "ok"


def test_without_an_api_nothing_is_known() -> None:
    """For ever."""
    verdict = Scene().sees("log", 0).verdict(RULE, 1)
    assert (said(verdict), verdict.until) == (("unknown", "no api is configured"), float("inf"))
