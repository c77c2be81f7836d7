"""What each reader makes of the texts of several kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shipped.golden import FOLDER, READERS, made


@pytest.mark.parametrize("text", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_a_text_becomes_these_points(text: Path) -> None:
    """Two files more are a test more."""
    assert made(text) == text.with_suffix(".expected").read_text()


def test_every_reader_has_a_text() -> None:
    """None is left untried."""
    assert {text.stem.rpartition("_")[2] for text in FOLDER.glob("*.txt")} == set(READERS)
