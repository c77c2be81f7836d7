"""What a benchmark found out, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the table. `target` and `met` are empty and None where nothing was promised."""

    what: str
    value: str
    target: str = ""
    met: bool | None = None


def at_least(what: str, value: float, target: float, unit: str) -> Figure:
    return Figure(what, f"{value:.2f} {unit}", f">= {target:g} {unit}", value >= target)


def below(what: str, value: float, target: float, unit: str) -> Figure:
    return Figure(what, f"{value:.2f} {unit}", f"< {target:g} {unit}", value < target)


def table(figures: Iterable[Figure]) -> str:
    """Markdown, so that it can go into RESULTS.md as it is."""
    verdicts = {True: "met", False: "MISSED", None: ""}
    rows = [("figure", "value", "target", "")] + [(f.what, f.value, f.target, verdicts[f.met]) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
