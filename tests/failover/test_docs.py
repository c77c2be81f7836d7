"""docs/failover.md shows the table the code runs."""

from __future__ import annotations

from pathlib import Path

from keeper.failover.lease import Timing
from keeper.failover.table import diagram, table

PAGE = (Path(__file__).parents[2] / "docs" / "failover.md").read_text()


def test_the_page_shows_the_table_and_the_diagram() -> None:
    """`python -m keeper.failover.table` prints both."""
    assert diagram() in PAGE
    assert table() in PAGE


def test_the_page_shows_the_inequality_with_its_defaults() -> None:
    """As it is checked."""
    t = Timing()
    figures = f"{t.renew:<5g} + 2 * {t.request_timeout:<15g} + {t.act_within:<10g} + {t.margin:<7g} <=  {t.ttl:g}"
    assert figures in PAGE
