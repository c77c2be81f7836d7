"""The guard as a service of its own, and one that resumes by a script of the site."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.errors import KeeperError
from keeper.guard import READY, SOCKET
from keeper.runtime.clock import since_boot
from keeper.runtime.guard_process import Duty, GuardProcess, ResumeRefused
from tests.failover.node import COMM, StandIn
from tests.failover.test_guard import TOP, guards
from tests.peers.ask import eventually


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: a socket's may have 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="keeper-guard-"))
    yield path
    for pid in guards(path):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path, "paused") as node:
        yield node


def duty(node: StandIn, takeover: str = "") -> Duty:
    return Duty(node.url, f"pidfile:{node.pid_file}:{COMM}", 3.0, "", takeover)


def script(directory: Path, text: str) -> str:
    path = directory / "takeover"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def heard(manager: socket.socket, seconds: float) -> set[str]:
    """What a service manager hears in so many seconds."""
    said: set[str] = set()
    end = since_boot() + seconds
    while (left := end - since_boot()) > 0:
        if select.select([manager], [], [], left)[0]:
            said.add(manager.recv(100).decode())
    return said


def test_as_a_service_it_says_that_it_lives_and_stays(place: Path) -> None:
    """Ready, alive every half a second, there without a keeper; frozen it says nothing, so that it can be missed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = place / "notify"
        manager.bind(str(address))
        argv = [sys.executable, "-m", "keeper.guard", str(place), "--stay"]
        environment = {**os.environ, "NOTIFY_SOCKET": str(address), "PYTHONPATH": str(TOP)}
        guard = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment)
        assert guard.stdout is not None
        assert guard.stdout.read(len(READY)) == READY
        assert {"READY=1", "WATCHDOG=1"} <= heard(manager, 1.5)
        keeper = GuardProcess(place)
        keeper.start()
        assert keeper.why_gone() == ""
        keeper.close()
        assert "WATCHDOG=1" in heard(manager, 1.5)
        assert guard.poll() is None
        guard.send_signal(signal.SIGSTOP)
        heard(manager, 0.2)
        assert heard(manager, 1.2) == set()
        guard.kill()
        guard.wait()
        assert (place / SOCKET).exists()


def test_a_refused_resume_is_told_from_one_that_is_not_known(place: Path, node: StandIn) -> None:
    """Not armed, too late, or nobody there: certainly not. Without an answer: it may have been."""
    guard = GuardProcess(place)
    guard.start()
    with pytest.raises(ResumeRefused, match="it is not armed"):
        guard.resume()
    guard.arm(since_boot() + 30, duty(node))
    node.program.signal(signal.SIGSTOP)
    with pytest.raises(KeeperError, match="it is not known whether the node was resumed") as caught:
        guard.resume()
    assert not isinstance(caught.value, ResumeRefused)
    node.program.kill()
    with pytest.raises(ResumeRefused, match="nobody listens"):
        guard.resume()
    guard.disarm()
    guard.close()


def test_a_script_of_the_site_resumes(place: Path, node: StandIn, tmp_path: Path) -> None:
    """With its environment; what it ends with says whether it did."""
    notes = tmp_path / "notes"
    path = script(tmp_path, f'echo "$KEEPER_ACTION $KEEPER_REASON" > {notes}\nexit ${{CODE:-0}}')
    guard = GuardProcess(place)
    guard.start()
    guard.arm(since_boot() + 30, duty(node, path))
    guard.resume({"KEEPER_ACTION": "takeover", "KEEPER_REASON": "two\nlines"})
    assert notes.read_text() == "takeover two lines\n"
    with pytest.raises(ResumeRefused, match="ended with 3"):
        guard.resume({"CODE": "3"})
    Path(path).chmod(0o777)
    with pytest.raises(ResumeRefused, match="can be written by others"):
        guard.resume()
    guard.disarm()
    guard.close()


def test_a_script_that_hangs_does_not_hold_up_the_fence(place: Path, node: StandIn, tmp_path: Path) -> None:
    """It is killed when the time to fence has come, and the node is fenced."""
    guard = GuardProcess(place)
    guard.start()
    node.program.signal(0)
    fence_at = since_boot() + 1.5
    guard.arm(fence_at, duty(node, script(tmp_path, "sleep 60")))
    with pytest.raises(KeeperError):
        guard.resume({}, 5.0)
    assert since_boot() - fence_at < 0.7
    eventually(lambda: (place / "guard.json").read_text().strip(), "the guard to have fenced")
    assert "guard.json" in {file.name for file in place.iterdir()}
    guard.close()
