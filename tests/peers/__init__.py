"""The real programs keeper is tested against: started by the tests on free loopback ports, stopped by them too."""

from __future__ import annotations

import os
import socket

import pytest


def require(condition: object, reason: str) -> None:
    """Skip the test visibly when a peer is missing; on a machine that forbids skips, fail."""
    if condition:
        return
    if os.environ.get("KEEPER_FORBID_SKIPS"):
        pytest.fail(f"a peer is missing and skips are forbidden: {reason}", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """A loopback TCP port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
