"""keeper's end of the line to its guard (keeper/guard.py): start it or take over the one that is there, and arm it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from keeper.errors import KeeperError
from keeper.guard import LOCK, MESSAGE, READY, REPORT, RESUMING, SOCKET, STAYS
from keeper.runtime.clock import since_boot

TOP = Path(__file__).parents[2]
# Isolated and without `site`: half the time to start, and nobody's sitecustomize in it.
START = "import sys; sys.path.insert(0, sys.argv[1]); from keeper.guard import main; sys.exit(main(sys.argv[2:]))"
STARTING = 10.0  # seconds
ANSWER = 0.5  # seconds; it has nothing else to do
PATIENCE = 10.0  # seconds for one that may be fencing
RESTARTING = 3.0  # seconds for one that is a service to be started again
AGAIN = 0.05  # seconds between two looks for it
OF_KEEPER = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")  # keeper's line to systemd, in its environment


class GuardLost(KeeperError):  # noqa: N818  # it is an answer, and reads as one where it is caught
    """There is no guard that can be relied on: the node must not produce. The message says why."""


class GuardFired(KeeperError):  # noqa: N818  # as above
    """The guard has fenced, or tries to. `report` is what it says; `disarm()` takes notice of it."""

    def __init__(self, report: dict[str, Any]) -> None:
        super().__init__(f"the guard acted, as {report.get('cause')}: {report.get('words')}")
        self.report = report


class ResumeRefused(KeeperError):  # noqa: N818  # as above
    """The node was not resumed by this, and will not be. The message says why."""


class Duty(NamedTuple):
    """What the guard does: the addresses of the node's API and of the Docker engine, how to kill, as configured, and
    within how many seconds; `takeover` is the site's script that resumes the node. `kill`, `engine` and `takeover` may
    be empty."""

    api: str
    kill: str
    within: float
    engine: str = ""
    takeover: str = ""


class GuardProcess:
    """For one thread. `directory` is keeper's own (state_dir); the report is there, see `last_report`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0

    def start(self, patience: float = PATIENCE) -> None:
        """Take over the guard that is there, as it is, or start one; that loses the report of the one before.

        One that fences at this moment is waited for, up to `patience` seconds, which must be more than a fence takes;
        one that does not answer even then is killed, as it is frozen. One that is a service is started again by its
        manager: another in its place would only keep that one out. Raises GuardLost.
        """
        if self._connect():
            if self._answers(patience):
                return
            self._kill()
        if self._comes_again():
            return
        self._spawn()
        if not self._connect():
            raise GuardLost(f"the guard does not listen at {self._directory / SOCKET}")

    def arm(self, fence_at: float, duty: Duty) -> None:
        """Have the node fenced at that time (CLOCK_BOOTTIME), unless it is called again. Returning means it will be.

        Raises GuardFired when it was too late, and GuardLost.
        """
        words = ("arm", repr(fence_at), repr(duty.within), duty.api, duty.kill, duty.engine, duty.takeover)
        state, said = self._ask("\n".join(words))
        if state == "bad":
            raise GuardLost(f"the guard cannot do that: {said}")
        if state != "armed" or float(said) != fence_at:
            raise GuardLost(f"the guard is {state} after it was armed")

    def resume(self, environment: Mapping[str, str] | None = None, within: float = RESUMING) -> None:
        """Have it resume the node, if the time is not over: keeper must not do that itself. `environment` and `within`
        (seconds) are for the site's script, where one is configured.

        Returning means that the node said ok and reads as not paused, or that the script ended with 0. Raises
        ResumeRefused when it was certainly not done, GuardFired, GuardLost, and KeeperError when it may have been.
        """
        pairs = [f"{name}={_in_one_line(value)}" for name, value in (environment or {}).items()]
        state, said = self._ask("\n".join(["resume", repr(within), *pairs]), within + ANSWER)
        if state == "no":
            raise ResumeRefused(f"the node was not resumed: {said}")
        if state != "armed":
            raise KeeperError(f"it is not known whether the node was resumed: {said or f'the guard is {state}'}")

    def disarm(self) -> None:
        """For a node that is known to be paused. Raises GuardLost."""
        state, _ = self._ask("disarm")
        if state != "idle":
            raise GuardLost(f"the guard is {state} after it was disarmed")

    def armed_until(self) -> float | None:
        """When it will fence; None when it is not armed. Raises GuardFired and GuardLost."""
        state, said = self._ask("look")
        return float(said) if state == "armed" else None

    def why_gone(self) -> str:
        """Empty as long as the guard is there; costs a microsecond. `fileno()` becomes readable when it ends."""
        if self._line is None:
            return "no guard was started"
        waiting = select.poll()
        waiting.register(self._line, select.POLLIN)
        if not waiting.poll(0):
            return ""
        with suppress(BlockingIOError):
            try:
                if self._line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    return ""  # an answer that came late
            except ConnectionError:
                pass
        if self._process is not None and self._process.poll() is not None:
            return f"the guard ended with {self._process.returncode}"
        return "the guard ended"

    def fileno(self) -> int:
        return -1 if self._line is None else self._line.fileno()

    def close(self) -> None:
        """Hang up. A guard that is armed stays and acts at its time; else it ends."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _connect(self) -> bool:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # With Python's own timeout it would fail at once when others wait to be accepted, instead of waiting, too.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, round(ANSWER * 1e6)))
        try:
            line.connect(str(self._directory / SOCKET))
        except (FileNotFoundError, ConnectionRefusedError):
            line.close()
            return False
        except OSError as error:
            line.close()
            raise GuardLost(f"the guard cannot be reached at {self._directory / SOCKET}: {error}") from error
        self._line = line
        return True

    def _comes_again(self) -> bool:
        try:
            if (self._directory / LOCK).read_bytes() != STAYS:
                return False
        except OSError:
            return False
        until = since_boot() + RESTARTING
        while since_boot() < until:
            if self._connect():
                return True
            select.poll().poll(1000 * AGAIN)
        return False

    def _answers(self, within: float) -> bool:
        try:
            self._ask("look", within)
        except GuardFired:
            return True
        except GuardLost:
            return False
        return True

    def _kill(self) -> None:
        """Kill the process at the other end, and wait until it is gone: it holds the directory's lock."""
        if self._line is None:
            return
        pid, _, _ = struct.unpack("3i", self._line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        with suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                waiting = select.poll()
                waiting.register(process, select.POLLIN)
                waiting.poll(1000 * ANSWER)
            finally:
                os.close(process)
        self.close()

    def _spawn(self) -> None:
        argv = [sys.executable, "-I", "-S", "-c", START, str(TOP), str(self._directory)]
        environment = {name: value for name, value in os.environ.items() if name not in OF_KEEPER}
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and file
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=True,
                cwd="/",
                env=environment,
            )
        except OSError as error:
            raise GuardLost(f"the guard cannot be started: {error.strerror}") from error
        reading, said = self._process.stdout, b""
        if reading is not None:
            waiting = select.poll()
            waiting.register(reading, select.POLLIN)
            if waiting.poll(STARTING * 1000):
                said = reading.read(len(READY))
            reading.close()
        if said != READY:
            self._process.kill()
            raise GuardLost(f"the guard did not get ready (it ended with {self._process.wait()})")

    def _ask(self, message: str, within: float = ANSWER) -> tuple[str, str]:
        """Raises GuardFired and GuardLost."""
        if self._line is None:
            raise GuardLost("no guard was started")
        self._number += 1
        number = ""
        self._line.settimeout(within)
        try:
            self._line.send(f"{self._number}\n{message}".encode())
            while number != str(self._number):  # an answer before may have come too late to be waited for
                number, state, *said = [*self._line.recv(MESSAGE).decode().split("\n"), ""]
                if not number:
                    raise GuardLost(self.why_gone() or "the guard hung up")
        except TimeoutError:
            raise GuardLost(f"the guard does not answer within {within:g}s") from None
        except OSError as error:
            raise GuardLost(self.why_gone() or f"the line to the guard is broken: {error.strerror}") from error
        if state == "fired":
            raise GuardFired(json.loads(said[0]))
        return state, said[0]


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def last_report(directory: Path) -> dict[str, Any] | None:
    """What the last guard did in this directory, None when it did not have to do anything. Raises KeeperError."""
    path = directory / REPORT
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise KeeperError(f"the guard's report {path} cannot be read: {error}") from error
    if not text:
        return None
    try:
        report = json.loads(text)
    except ValueError:
        report = None
    if not isinstance(report, dict):
        raise KeeperError(f"{path} is no report of a guard: look what the node does, and delete it")
    return report
