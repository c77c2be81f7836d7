"""Programs the tests start are waited for, explained when they fail, and never left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import free_ports
from tests.peers.ask import eventually, listens
from tests.peers.process import Program


def test_a_program_that_fails_to_start_is_reported_with_its_log(tmp_path: Path) -> None:
    """The error has the exit code and the end of the log, not only a deadline."""
    program = Program("sad", ["sh", "-c", "echo cannot open the thing; exit 3"], tmp_path / "log")
    with pytest.raises(AssertionError, match=r"(?s)code 3 .*cannot open the thing"):
        program.start(lambda: False)


def test_start_stop_and_start_again_on_one_port(tmp_path: Path) -> None:
    """A stopped program gives its exit code, can be started again, and its log goes on."""
    [port] = free_ports(1)
    with Program("web", [sys.executable, "-m", "http.server", str(port)], tmp_path / "log") as program:
        for _ in range(2):
            program.start(lambda: listens(port))
            assert program.stop() == -signal.SIGTERM
            assert not listens(port)


def test_a_stop_wakes_a_hung_program(tmp_path: Path) -> None:
    """SIGTERM reaches a program that was stopped with SIGSTOP."""
    program = Program("hung", ["sleep", "1000"], tmp_path / "log")
    program.start(program.running)
    program.signal(signal.SIGSTOP)
    assert program.stop(5) == -signal.SIGTERM


def test_a_program_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Even when the test process is killed without a chance to clean up."""
    pid_file = tmp_path / "pid"
    script = (
        "import os, pathlib, signal\n"
        "from tests.peers.process import Program\n"
        f"program = Program('child', ['sleep', '1000'], pathlib.Path({str(tmp_path / 'log')!r}))\n"
        # Before that the program is not itself yet, but the one that arranges its end.
        "program.start(lambda: pathlib.Path(f'/proc/{program.pid}/cmdline').read_bytes().startswith(b'sleep'))\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(program.pid))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    child = Path("/proc") / pid_file.read_text() / "cmdline"
    eventually(lambda: not child.exists() or not child.read_bytes(), "the child to be gone")
