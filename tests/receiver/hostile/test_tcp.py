"""Nonsense by TCP."""

from __future__ import annotations

import contextlib

import pytest

from tests.receiver.hostile.target import Target
from tests.receiver.wire import Wire


@pytest.mark.parametrize("piece", [b"x" * 100_000, b"\0" * 100_000, b"\n" * 100_000, b"a b c\n" * 20_000])
def test_lines_without_end(target: Target, piece: bytes) -> None:
    """By TCP: what never becomes a line is thrown away or cut, and its answers need not be read."""
    before = target.memory()
    with Wire(target.lines_address) as wire:
        wire.socket.settimeout(0.5)
        with contextlib.suppress(OSError):
            for _ in range(15):
                wire.socket.sendall(piece)
        target.good()
        assert target.memory() - before < 32.0
