"""Colours for a person at a terminal; plain text for everything else."""

from __future__ import annotations

import os
import sys

_COLOURS = {"ok": "32", "failing": "31;1", "unknown": "33"}


def painted(text: str, state: str) -> str:
    """The text in the colour of the state, when standard output is a terminal and NO_COLOR is not set."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_COLOURS[state]}m{text}\x1b[0m"
