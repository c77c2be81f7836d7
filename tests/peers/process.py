"""One program run for a test: output in a file, its own process group, gone when the test process is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.ask import eventually


class Program:
    """A program that can be started, stopped, hung and killed, any number of times.

    `log` gets stdout and stderr, appended over restarts. Start it from a thread that lives as long as the
    program shall: the kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG), so that even
    a killed test run leaves nothing behind.
    """

    def __init__(self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.argv = list(argv)
        self.log = log
        self.env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise AssertionError(f"{self.name} was not started")
        return self._process.pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, ready: Callable[[], object], deadline: float = 20.0) -> None:
        """Start and wait until `ready()` is truthy; raises AssertionError with the end of the log otherwise."""
        if self.running():
            raise AssertionError(f"{self.name} is running already, pid {self.pid}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = None if self.env is None else {**os.environ, **self.env}
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        try:
            eventually(lambda: not self.running() or ready(), f"{self.name} to be ready", deadline)
            if not self.running():
                raise AssertionError(f"{self.name} ended with code {self._process.returncode} before it was ready")
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{' '.join(self.argv)}\n{self.tail()}") from None

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self, deadline: float = 20.0) -> int:
        """SIGTERM, wait, and return the exit code; a program that does not obey is killed and reported."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)  # a hung one must wake up to end
        try:
            return process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} ignored SIGTERM for {deadline:g} s\n{self.tail()}") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the program and everything it started in its group."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # ended, and its children too
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def tail(self, lines: int = 40) -> str:
        """The end of the log, for messages."""
        if not self.log.exists():
            return f"{self.log}: no log"
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"--- the end of {self.log}", *text])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def run(
    argv: Sequence[str], stdin: str = "", deadline: float = 60.0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; the caller judges `returncode`, `stdout` and `stderr`. `env` is added to ours."""
    environment = None if env is None else {**os.environ, **env}
    return subprocess.run(
        argv, input=stdin, text=True, capture_output=True, timeout=deadline, check=False, env=environment
    )
