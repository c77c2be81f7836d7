"""parser_blind: lines arrive, but keeper does not understand them."""

from __future__ import annotations

import pytest

from keeper.core.event import LinesSeen
from keeper.rules.parser_blind import ParserBlind
from tests.rules.build import T0, Scene, said

RULE = ParserBlind()


def seen(*lines: tuple[float, int, int], until: float = 60, since: float = -60) -> Scene:
    scene = Scene().sees("log", since)
    return scene.take(LinesSeen(T0 + time, every, known) for time, every, known in lines).sees("log", until)


def test_understood_lines_are_ok() -> None:
    """While all are, time changes nothing."""
    scene = seen((0, 10, 10), (30, 10, 10)).sees("log", float("inf"))
    verdict = scene.verdict(RULE, 60)
    assert (said(verdict), verdict.until) == (("ok", "100% of the lines are understood"), float("inf"))


def test_a_mixed_share_is_looked_at_again_when_lines_leave_the_window() -> None:
    """Those that were understood may leave first."""
    scene = seen((0, 10, 10), (30, 10, 1)).sees("log", float("inf"))
    verdict = scene.verdict(RULE, 60)
    assert (said(verdict), verdict.until) == (("ok", "55% of the lines are understood"), 60)
    assert said(scene.verdict(RULE, 60.1)) == ("ok", "10% of the lines are understood")  # ten lines are too few


@pytest.mark.parametrize(("known", "state"), [(10, "ok"), (9, "failing")])
def test_below_half_of_twenty_lines_fails(known: int, state: str) -> None:
    """And says how to see which."""
    verdict = seen((30, 20, known)).verdict(RULE, 60)
    assert said(verdict)[0] == state
    if state == "failing":
        assert said(verdict)[1] == (
            "only 9 of the 20 lines of the last 1 min were understood; `keeper parse nodeos` shows which"
        )
        assert verdict.number == 0.45


def test_none_at_all_fails_once_lines_have_come_for_half_the_window() -> None:
    """One strange line after a silence proves nothing yet."""
    scene = seen((0, 2, 0), (29, 1, 0)).sees("log", float("inf"))
    verdict = scene.verdict(RULE, 29.9)
    assert (said(verdict), verdict.until) == (("ok", "too few lines to tell whether they are understood"), 30)
    assert said(scene.verdict(RULE, 30)) == (
        "failing",
        "none of the 3 lines of the last 1 min was understood; `keeper parse nodeos` shows which",
    )


def test_before_the_window_has_been_seen_nothing_is_known() -> None:
    """Half a start of a node has strange lines."""
    scene = seen((0, 50, 0), until=59, since=0)
    assert said(scene.verdict(RULE, 59)) == ("unknown", "lines have not been seen for 1 min yet")
    assert said(scene.sees("log", 60).verdict(RULE, 60))[0] == "failing"


def test_understood_lines_end_it() -> None:
    """Woken by the lines themselves."""
    scene = seen((30, 20, 0))
    assert said(scene.verdict(RULE, 60))[0] == "failing"
    scene.take(LinesSeen(T0 + 60.5, 25, 25))
    assert said(scene.verdict(RULE, 60.5))[0] == "ok"
    assert LinesSeen in ParserBlind.wakes


def test_no_lines_are_log_silents_affair() -> None:
    """Nothing is there to understand."""
    assert said(seen().verdict(RULE, 60)) == ("ok", "no lines to understand")


def test_nothing_is_known_without_the_log() -> None:
    """Not configured, or out of sight."""
    assert said(Scene(sources={"api"}).verdict(RULE, 1)) == ("unknown", "no log is configured")
    assert said(seen(until=0).verdict(RULE, 6))[0] == "unknown"
