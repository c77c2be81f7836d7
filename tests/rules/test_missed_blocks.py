"""missed_blocks: slots stay empty in the network."""

from __future__ import annotations

import pytest

from keeper.core.event import BlocksMissed
from keeper.rules.missed_blocks import MissedBlocks
from tests.rules.build import T0, Scene, blocks, said

RULE = MissedBlocks()


def gaps(*at_and_slots: tuple[float, int], until: float = 100) -> Scene:
    scene = Scene().sees("log", -600)
    return scene.take(BlocksMissed(T0 + at, slots) for at, slots in at_and_slots).sees("log", until)


@pytest.mark.parametrize(
    ("reported", "reason"),
    [
        ([], None),
        ([47], None),
        ([48], "48 slots in a row stayed empty"),
        ([24, 24, 24], None),
        ([24, 24, 24, 24], "4 gaps of 24 empty slots in 5 min"),
        ([24, 24, 24, 23], None),
        ([23] * 20, None),
        ([24, 108], "2 gaps of 24 to 108 empty slots in 5 min"),
    ],
)
def test_four_small_gaps_or_a_large_one(reported: list[int], reason: str | None) -> None:
    """24 slots are two producers in a row, 48 four."""
    verdict = gaps(*((10.0 * n, slots) for n, slots in enumerate(reported))).verdict(RULE, 100)
    assert said(verdict) == (("failing", reason) if reason else ("ok", "no large gaps in 5 min"))


def test_gaps_leave_the_window() -> None:
    """Five minutes after the first of four."""
    scene = gaps((0, 24), (10, 24), (20, 24), (30, 24)).sees("log", float("inf"))
    assert said(scene.verdict(RULE, 300))[0] == "failing"
    verdict = scene.verdict(RULE, 300.1)
    assert (said(verdict)[0], verdict.until) == ("ok", float("inf"))


def test_the_same_gap_told_twice_is_one() -> None:
    """Dawn 3 reports it in a line, and the times of the blocks show it."""
    scene = gaps(*((10.0 * n + extra, 30) for n in range(3) for extra in (0.0, 0.2)))
    assert said(scene.verdict(RULE, 100))[0] == "ok"


def test_the_reason_names_whose_windows_were_empty() -> None:
    """As far as the schedule tells."""
    scene = Scene().sees("log", -60).knows().take(blocks(0, 40, without="bcde")).sees("log", 40)
    verdict = scene.verdict(RULE, 40)
    assert said(verdict) == ("failing", "48 slots in a row stayed empty: b, c, d and e signed nothing")
    assert (verdict.number, verdict.until) == (48, 41)
    assert verdict.happened == pytest.approx(T0 + 30.1)


def test_what_is_known_stays_known_while_the_log_is_out_of_sight() -> None:
    """A gap was seen; that there was none cannot be."""
    assert said(gaps((0, 60)).blinded("log", 100).verdict(RULE, 110))[0] == "failing"
    assert said(gaps((0, 6)).blinded("log", 100).verdict(RULE, 110)) == (
        "unknown",
        "the log cannot be seen: it is gone",
    )
    assert said(Scene(sources={"api"}).verdict(RULE, 1)) == ("unknown", "no log is configured")
