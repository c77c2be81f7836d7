"""Which silence holds an alert back."""

from __future__ import annotations

import pytest

from keeper.core.silence import Silence, silencing

ALL = Silence(1, 100.0, 200.0, "new disks", "anna")
RULE = Silence(2, 100.0, 150.0, "upgrade", "anna", rule="head_stalled")
BOTH = Silence(3, 100.0, 300.0, "move", "ben", rule="head_stalled", subject="bp1")


@pytest.mark.parametrize(
    ("rule", "subject", "now", "found"),
    [
        ("head_stalled", "bp1", 99.9, None),
        ("head_stalled", "bp1", 100.0, BOTH),
        ("head_stalled", "bp2", 120.0, ALL),
        ("http_down", "bp1", 199.9, ALL),
        ("http_down", "bp1", 200.0, None),
        ("head_stalled", "bp1", 299.9, BOTH),
        ("head_stalled", "bp1", 300.0, None),
    ],
)
def test_the_longest_that_matches(rule: str, subject: str, now: float, found: Silence | None) -> None:
    """A silence counts from its beginning up to its end, for what it names or for everything; the last to end wins."""
    assert silencing([ALL, RULE, BOTH], rule, subject, now) is found
