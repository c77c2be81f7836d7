"""endpoint_failing: a watched HTTP endpoint does not answer as it should."""

from __future__ import annotations

import pytest

from keeper.core.event import AnswerFailed, EndpointAnswer
from keeper.core.memory import Expected
from keeper.rules.endpoint_failing import EndpointFailing
from tests.rules.build import T0, Scene, said

RULE = EndpointFailing()
URL = "https://api.example/health"


def answer(time: float, value: str | None = None, status: int = 200) -> EndpointAnswer:
    return EndpointAnswer(T0 + time, URL, status, value, 0.02)


def failed(time: float, reason: str) -> AnswerFailed:
    return AnswerFailed(T0 + time, "endpoint", URL, reason)


def scene(until: float, *events: object, **expected: object) -> Scene:
    made = Scene(kind="endpoint", sources={"endpoint"}, expected=Expected(**expected)).sees("endpoint", 0)  # type: ignore[arg-type]  # fields of Expected
    return made.take(events).sees("endpoint", until)  # type: ignore[arg-type]  # events


def test_a_good_answer_holds_for_the_window() -> None:
    """And says how long it took."""
    verdict = scene(4, answer(1)).verdict(RULE, 4)
    assert (said(verdict), verdict.until) == (("ok", "answered in 20 ms"), 6)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([answer(1), failed(3, "connection refused")], "no good answer for 5 s: connection refused"),
        ([answer(1), answer(3, status=503)], "no good answer for 5 s: it answers with status 503, not 200"),
        ([answer(1), answer(3, status=503), failed(4, "timed out")], "no good answer for 5 s: timed out"),
        ([failed(0.5, "long ago"), answer(1)], "no good answer for 5 s"),
    ],
)
def test_no_good_answer_for_the_window_fails(events: list[object], reason: str) -> None:
    """With the last thing that went wrong."""
    told = scene(6, *events)
    assert said(told.verdict(RULE, 5.9))[0] == "ok"
    verdict = told.verdict(RULE, 6)
    assert (said(verdict), verdict.number, verdict.until) == (("failing", reason), 5, 7)


def test_another_status_may_be_the_good_one() -> None:
    """A health check that must refuse strangers."""
    assert said(scene(2, answer(1, status=401), status=401).verdict(RULE, 2))[0] == "ok"


@pytest.mark.parametrize(
    ("value", "expected", "said_of_it"),
    [
        ("5", {"least": 5.0, "most": 9.0}, ("ok", "answered in 20 ms, the value is 5")),
        ("4.9", {"least": 5.0}, ("failing", "the value 4.9 is below 5")),
        ("9.1", {"most": 9.0}, ("failing", "the value 9.1 is above 9")),
        ("many", {"most": 9.0}, ("failing", "the value 'many' is not a number")),
        ("nan", {"most": 9.0}, ("failing", "the value 'nan' is not a number")),
        ("many", {}, ("ok", "answered in 20 ms, the value is many")),
    ],
)
def test_a_value_has_its_range(value: str, expected: dict[str, float], said_of_it: tuple[str, str]) -> None:
    """Each answer wakes the rule."""
    assert said(scene(2, answer(1, value), **expected).verdict(RULE, 2)) == said_of_it
    assert EndpointAnswer in EndpointFailing.wakes


def test_a_value_must_change_if_wanted() -> None:
    """A height that stands still for ten seconds."""
    answers = [answer(time, "7" if time else "6") for time in range(12)]
    told = scene(11, *answers[:11], changes_within=10.0)
    verdict = told.verdict(RULE, 10.5)
    assert (said(verdict), verdict.until) == (("ok", "answered in 20 ms, the value is 7"), 11)
    told.take(answers[11])
    assert said(told.verdict(RULE, 11)) == ("failing", "the value 7 has not changed for 10 s")
    told.take(answer(12, "8"))
    assert said(told.verdict(RULE, 12))[0] == "ok"


def test_the_last_change_is_known_however_long_ago_it_was() -> None:
    """Longer than the ring remembers."""
    told = scene(9000, *(answer(float(time), "7") for time in range(9001)), changes_within=9000.0)
    assert len(told.memory.ring(EndpointAnswer)) < 9000
    assert said(told.verdict(RULE, 9000)) == ("failing", "the value 7 has not changed for 2 h 30 min")


def test_before_the_first_answer_nothing_is_known() -> None:
    """For the window."""
    verdict = scene(1).verdict(RULE, 1)
    assert (said(verdict), verdict.until) == (("unknown", "no answer yet"), 2)
    assert said(scene(5).verdict(RULE, 5)) == ("failing", "no good answer for 5 s")


def test_an_endpoint_nobody_asks_has_not_failed() -> None:
    """keeper's own thread hangs."""
    assert said(scene(1, answer(1)).verdict(RULE, 7)) == (
        "unknown",
        "the endpoint is not being asked: nothing has been heard from the source for 6 s",
    )
    assert said(Scene().verdict(RULE, 1)) == ("unknown", "no endpoint is configured")
