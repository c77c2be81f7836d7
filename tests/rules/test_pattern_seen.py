"""pattern_seen: a configured pattern was found in the log."""

from __future__ import annotations

import pytest

from keeper.core.event import PatternMatched
from keeper.rules.pattern_seen import PatternSeen
from tests.rules.build import T0, Scene, said


def log(*matched: tuple[float, str]) -> Scene:
    scene = Scene(kind="log").sees("log", -600)
    scene.take(PatternMatched(T0 + at, name, f"line  of\t{name}") for at, name in matched)
    return scene.sees("log", float("inf"))


def test_one_match_counts_for_five_minutes() -> None:
    """With the line, in one line."""
    scene = log((0, "oom"))
    assert said(scene.verdict(PatternSeen(), 300)) == (
        "failing",
        "pattern oom matched 1 line in 5 min, last at 20:36:00: line of oom",
    )
    verdict = scene.verdict(PatternSeen(), 300.1)
    assert (said(verdict)[0], verdict.until) == ("ok", float("inf"))


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        (PatternSeen(count=2), "failing"),
        (PatternSeen(count=3), "ok"),
        (PatternSeen(patterns=("oom",)), "failing"),
        (PatternSeen(patterns=("disk",)), "failing"),
        (PatternSeen(patterns=("disk",), count=2), "ok"),
        (PatternSeen(patterns=("other",)), "ok"),
    ],
)
def test_each_pattern_is_counted_for_itself(rule: PatternSeen, state: str) -> None:
    """And only those that are named."""
    assert said(log((0, "oom"), (1, "disk"), (2, "oom")).verdict(rule, 3))[0] == state


def test_long_lines_are_cut() -> None:
    """An alert is no place for a megabyte."""
    scene = log().take(PatternMatched(T0, "oom", "x" * 5000))
    assert len(scene.verdict(PatternSeen(), 1).reason) < 300


def test_nothing_is_known_without_the_log() -> None:
    """Not configured, or out of sight; what was seen stays seen."""
    assert said(Scene(sources={"api"}).verdict(PatternSeen(), 1)) == ("unknown", "no log is configured")
    assert said(Scene().sees("log", 0).verdict(PatternSeen(), 6))[0] == "unknown"
    assert said(log((0, "oom")).blinded("log", 1).verdict(PatternSeen(), 9))[0] == "failing"
