"""Ways to end a node that cannot be paused, as they are configured: systemd:UNIT, docker:CONTAINER, pidfile:/PATH and
script:/PATH. Each ends it for good, so that nothing starts it again behind our back, and can say whether it is gone.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from keeper.actions.bounded import run
from keeper.actions.brief_http import Absent, Reply, ask, read_address
from keeper.actions.producer_api import Done
from keeper.actions.site import carry_out
from keeper.errors import KeeperError

if TYPE_CHECKING:
    from keeper.core.source import Now

DOCKER = "unix:/var/run/docker.sock"
ENDED = ("exited", "created", "dead")
NODEOS = "nodeos"
NAME = r"[A-Za-z0-9][A-Za-z0-9_.@:\\-]*"
LONGEST_COMM = 15  # bytes of a process's name that Linux keeps


class Kill(Protocol):
    """Both methods are over at `until`. `repeats`: to do it again within seconds can do no harm."""

    repeats: bool

    def kill(self, until: float) -> str:
        """End it. Returns why that failed, empty when it was done as far as one can see."""

    def gone(self, until: float) -> str:
        """Empty when what this ends is certainly not running; else why that is not so, or not known."""


class SystemdUnit:
    """A stop that waits for nothing, so that systemd starts it no more, and then SIGKILL to all of it."""

    repeats = True

    def __init__(self, unit: str, now: Now, systemctl: str = "systemctl") -> None:
        self._unit = unit
        self._now = now
        self._systemctl = systemctl

    def kill(self, until: float) -> str:
        why = self._run("stop", "--no-block", "--", self._unit, until=until)[0]
        return why or self._run("kill", "--signal=KILL", "--", self._unit, until=until)[0]

    def gone(self, until: float) -> str:
        why, said = self._run("show", "--property=LoadState,ActiveState", "--", self._unit, until=until)
        if why:
            return why
        states = dict(line.partition("=")[::2] for line in said.splitlines())
        if states.get("LoadState") in (None, "not-found"):
            return f"systemd knows no unit {self._unit}"
        if states.get("ActiveState") in ("inactive", "failed"):
            return ""
        return f"unit {self._unit} is {states.get('ActiveState', 'in an unknown state')}"

    def _run(self, *arguments: str, until: float) -> tuple[str, str]:
        name = f"systemctl {arguments[0]}"
        try:
            code, said = run([self._systemctl, "--no-ask-password", *arguments], {}, until, self._now)
        except OSError as error:
            return f"{name} cannot be started: {error.strerror}", ""
        if code == 0:
            return "", said
        return (f"{name} did not end in time" if code is None else f"{name} ended with {code}: {said}"), said


class Container:
    """The engine is asked on its socket directly: what ends a node shall not need 20 MB of library for it."""

    repeats = True

    def __init__(self, container: str, engine: str, now: Now) -> None:
        self._container = container
        self._engine = read_address(engine)
        self._now = now
        self._ended = False

    def kill(self, until: float) -> str:
        # Not `kill`: that leaves a container alone that is about to be restarted.
        reply = self._ask("POST", "stop?t=0", until)
        if isinstance(reply, str):
            return reply
        if reply.status in (204, 304):
            self._ended = True
            return ""
        return self._refused(reply)

    def gone(self, until: float) -> str:
        reply = self._ask("GET", "json", until)
        if isinstance(reply, str):
            return reply
        if reply.status == 404 and self._ended:  # it was started with --rm
            return ""
        if reply.status != 200:
            return self._refused(reply)
        try:
            state = json.loads(reply.body)["State"]
            running = (
                state["Running"] or state["Restarting"] or state.get("Status") not in ("exited", "created", "dead")
            )
        except (ValueError, KeyError, TypeError):
            return f"{self._engine.shown} answers for container {self._container} what no Docker engine says"
        return f"container {self._container} is {state.get('Status', 'running')}" if running else ""

    def _ask(self, method: str, what: str, until: float) -> Reply | str:
        try:
            return ask(self._engine, method, f"/containers/{self._container}/{what}", until, self._now)
        except Absent:
            return f"no Docker engine listens at {self._engine.shown}"
        except KeeperError as error:
            return f"the Docker engine at {self._engine.shown}: {error}"

    def _refused(self, reply: Reply) -> str:
        if reply.status == 404:
            return f"there is no container {self._container}"
        return f"the Docker engine answered {reply.status}: {reply.body[:200].decode('utf-8', 'replace').strip()}"


class PidFile:
    """The process whose number stands in a file, if it has the node's name: numbers are used again."""

    repeats = True

    def __init__(self, path: Path, name: str, now: Now) -> None:
        self._path = path
        self._name = name
        self._now = now

    def kill(self, until: float) -> str:
        try:
            process = self._open()
        except (OSError, KeeperError) as error:
            return self._words(error)
        if process is None:
            return ""
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            waiting = select.poll()
            waiting.register(process, select.POLLIN)
            waiting.poll(max(0.0, until - self._now()) * 1000)
        except ProcessLookupError:
            return ""
        except OSError as error:
            return self._words(error)
        finally:
            os.close(process)
        return ""

    def gone(self, until: float) -> str:
        try:
            process = self._open()
        except (OSError, KeeperError) as error:
            return self._words(error)
        if process is None:
            return ""
        os.close(process)
        return f"the process of {self._path} is there"

    def _open(self) -> int | None:
        """A pidfd of the living process, or None. Raises OSError, and KeeperError for a process that is no node."""
        try:
            with self._path.open("rb") as file:
                text, owner, mode = file.read(64), os.fstat(file.fileno()).st_uid, os.fstat(file.fileno()).st_mode
        except FileNotFoundError:
            return None
        if not text.strip().isdigit():
            raise KeeperError("it holds no number of a process")
        pid = int(text)
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        except OverflowError:
            raise KeeperError("it holds no number of a process") from None
        try:
            if self._ended(process):
                os.close(process)
                return None
            name = Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
            runs_as = Path(f"/proc/{pid}").stat().st_uid
            if name != self._name[:LONGEST_COMM]:
                raise KeeperError(f"process {pid} is {name!r}, not {self._name!r}: write pidfile:/PATH:NAME")
            if mode & stat.S_IWOTH or owner not in (0, os.geteuid(), runs_as):
                raise KeeperError(f"others than the node's user could have written it (uid {owner})")
            # It was alive after its name was read: the name is its own.
            if not self._ended(process):
                return process
        except (FileNotFoundError, ProcessLookupError):
            if not self._ended(process):  # else it ended while it was looked at
                os.close(process)
                raise KeeperError(
                    f"process {pid} lives and /proc does not show it (ProtectProc=, hidepid): use systemd:UNIT"
                ) from None
        except BaseException:
            os.close(process)
            raise
        os.close(process)
        return None

    def _ended(self, process: int) -> bool:
        waiting = select.poll()
        waiting.register(process, select.POLLIN)
        return bool(waiting.poll(0))

    def _words(self, error: Exception) -> str:
        return f"pid file {self._path}: {error.strerror if isinstance(error, OSError) else error}"


class Script:
    """A program of the operator's. It ends with 0 when the node is down; only it and the node's port can tell."""

    repeats = False

    def __init__(self, path: Path, now: Now) -> None:
        self._path = path
        self._now = now
        self._why = "it was not run"

    def kill(self, until: float) -> str:
        said = carry_out(str(self._path), {}, until, self._now)
        self._why = "" if isinstance(said, Done) else said.why
        return self._why

    def gone(self, until: float) -> str:
        return self._why


def read_kill(text: str, now: Now, engine: str = "") -> Kill:
    """Read `systemd:UNIT`, `docker:CONTAINER`, `pidfile:/PATH[:NAME]` or `script:/PATH`. `engine` is the address of the
    Docker engine, empty for DOCKER_HOST or the usual one. Raises ValueError with the sentence for it."""
    kind, _, rest = text.partition(":")
    path, _, name = rest.partition(":")
    if kind == "systemd" and re.fullmatch(NAME, rest):
        return SystemdUnit(rest, now)
    if kind == "docker" and re.fullmatch(NAME, rest):
        return Container(rest, engine or os.environ.get("DOCKER_HOST", "") or DOCKER, now)
    if kind == "pidfile" and path.startswith("/"):
        return PidFile(Path(path), name or NODEOS, now)
    if kind == "script" and rest.startswith("/"):
        return Script(Path(rest), now)
    raise ValueError(
        f"{text!r} is no way to end a node: write systemd:UNIT, docker:CONTAINER, pidfile:/PATH[:NAME] or script:/PATH"
    )
