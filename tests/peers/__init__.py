"""The real programs keeper is tested against: started by the tests on free loopback ports, stopped by them too."""

from __future__ import annotations

import os
import random
import shutil
import socket

import pytest


def require(condition: object, reason: str) -> None:
    """Skip the test visibly when a peer is missing; on a machine that forbids skips, fail."""
    if condition:
        return
    if os.environ.get("KEEPER_FORBID_SKIPS"):
        pytest.fail(f"a peer is missing and skips are forbidden: {reason}", pytrace=False)
    pytest.skip(reason)


def installed(program: str) -> str:
    """The path of an installed program; skip the test when it is not there."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    require(path, f"{program} is not installed; `make peers` installs it")
    return str(path)


def free_ports(count: int) -> list[int]:
    """Different loopback TCP ports nobody listens on right now.

    They lie below the ports Linux gives to outgoing connections (32768 and up): a peer that is stopped for a
    minute finds its port free again, and a client that knocks meanwhile cannot connect to itself.
    """
    chosen: list[int] = []
    while len(chosen) < count:
        port = random.SystemRandom().randrange(16_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in chosen:
            chosen.append(port)
    return chosen


def free_port() -> int:
    """A loopback TCP port nobody listens on right now."""
    return free_ports(1)[0]
