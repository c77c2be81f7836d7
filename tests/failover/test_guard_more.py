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
        environment = {
            **os.environ, "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "3000000", "PYTHONPATH": str(TOP)
        }  # fmt: skip
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


def test_its_manager_has_patience_while_it_acts(place: Path, node: StandIn, tmp_path: Path) -> None:
    """A script of the site and the ladder may take longer than the watchdog waits: it says so, and when it is over."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = place / "notify"
        manager.bind(str(address))
        argv = [sys.executable, "-m", "keeper.guard", str(place), "--stay"]
        environment = {
            **os.environ, "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "2000000", "PYTHONPATH": str(TOP)
        }  # fmt: skip
        guard = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment)
        assert guard.stdout is not None and guard.stdout.read(len(READY)) == READY
        keeper = GuardProcess(place)
        keeper.start()
        keeper.arm(since_boot() + 5, duty(node, script(tmp_path, "true")))
        heard(manager, 0)
        keeper.resume()
        first, then = (float(said[14:].split("\n")[0]) / 1e6 for said in asked(manager))
        assert 5 < first < 7 and then == 2
        keeper.arm(since_boot(), duty(node))
        eventually(lambda: (place / "guard.json").read_text().strip(), "the guard to have fenced")
        assert [said.split("\n")[0] for said in asked(manager)] == ["WATCHDOG_USEC=4000000", "WATCHDOG_USEC=2000000"]
        guard.kill()
        guard.wait()


def asked(manager: socket.socket) -> list[str]:
    """The two that are about the watchdog's time, as they came."""
    said: list[str] = []
    while len(said) < 2:
        manager.settimeout(5)
        word = manager.recv(100).decode()
        if word.startswith("WATCHDOG_USEC="):
            said.append(word)
    return said


def test_one_that_keeper_starts_speaks_to_no_manager(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would feed keeper's watchdog, or fill the log of who listens only to keeper."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(place / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        guard = GuardProcess(place)
        guard.start()
        assert heard(manager, 0.8) == set()
        [pid] = guards(place)
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes()
        guard.close()


def test_keeper_waits_for_a_service_to_come_again(place: Path) -> None:
    """It starts none in the place of one that its manager starts again; where there is no manager any more it does."""
    argv = [sys.executable, "-m", "keeper.guard", str(place), "--stay"]
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    first = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment)
    assert first.stdout is not None and first.stdout.read(len(READY)) == READY
    keeper = GuardProcess(place)
    keeper.start()
    first.kill()
    first.wait()
    second = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment)
    keeper.start()
    assert keeper.armed_until() is None and second.poll() is None
    assert second.stdout is not None and second.stdout.read(len(READY)) == READY
    second.kill()
    second.wait()
    began = since_boot()
    keeper.start()
    assert 2.5 < since_boot() - began < 6
    assert len(guards(place)) == 1
    third = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert third.stderr is not None
    assert b"another guard runs" in third.stderr.readline()
    assert third.poll() is None, "it waits, and is not started over and over"
    keeper.close()
    assert third.stdout is not None and third.stdout.read(len(READY)) == READY
    third.kill()
    third.wait()


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
    for code in ("75", "137"):  # it says that it does not know; what it ran was killed
        with pytest.raises(KeeperError, match=f"not known whether the node was resumed.*ended with {code}") as caught:
            guard.resume({"CODE": code})
        assert not isinstance(caught.value, ResumeRefused)
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


def test_a_script_that_is_killed_tells_nothing(place: Path, node: StandIn, tmp_path: Path) -> None:
    """Killed by somebody else in the middle, it may have resumed the node."""
    guard = GuardProcess(place)
    guard.start()
    guard.arm(since_boot() + 30, duty(node, script(tmp_path, "kill -9 $$")))
    with pytest.raises(KeeperError, match="ended with -9") as caught:
        guard.resume()
    assert not isinstance(caught.value, ResumeRefused)
    guard.disarm()
    guard.close()


def test_what_it_starts_has_not_its_place_when_memory_runs_out(place: Path, node: StandIn, tmp_path: Path) -> None:
    """The guard is to be killed last; a script has a place of its own, whatever the guard's is."""
    notes = tmp_path / "notes"
    guard = GuardProcess(place)
    guard.start()
    guard.arm(since_boot() + 30, duty(node, script(tmp_path, f"sleep 0.2\ncat /proc/self/oom_score_adj > {notes}")))
    [pid] = guards(place)
    Path(f"/proc/{pid}/oom_score_adj").write_text("500")  # up is always allowed, down is not
    guard.resume()
    assert int(notes.read_text()) == 0
    guard.disarm()
    guard.close()
