"""A real keeper, started as an operator starts it: `keeper run -c config.ini`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.peers import free_port
from tests.peers.ask import eventually, get
from tests.peers.process import Program, run
from tests.scenarios.daemon import PROGRAM, Daemon

CONFINED = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


class KeeperProcess(Daemon):
    """One keeper with a configuration, a state directory and a port of its own, kept over restarts.

    `settings` is the configuration but for `[keeper]`; `options` are further lines of `[keeper]`; `env` is added to
    the environment. A `confined` one is held up by the permissions of files even as root. `inside` is how a program is
    started on the host it shall run on, which has the `address`.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        settings: str,
        *options: str,
        state_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
        confined: bool = False,
        address: str = "127.0.0.1",
        inside: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.directory = directory
        self.config = directory / "config.ini"
        self.state_dir = directory / "state" if state_dir is None else state_dir
        self.address = f"{address}:{free_port()}"
        self._inside = tuple(inside)
        self.log = directory / "keeper.log"
        self._options = options
        directory.mkdir(parents=True, exist_ok=True)
        self.configure(settings)
        self._argv = [
            *inside,
            *(CONFINED if confined and os.geteuid() == 0 else ()),
            PROGRAM,
            "run",
            "-c",
            str(self.config),
        ]
        self._env = env
        super().__init__(Program(f"keeper {name}", self._argv, self.log, env), self.address, orderly=5.0)

    def configure(self, settings: str) -> None:
        """Write the configuration; a running keeper takes it at `reload`."""
        own = [f"name = {self.name}", f"listen = {self.address}", f"state_dir = {self.state_dir}", *self._options]
        self.config.write_text("\n".join(["[keeper]", *own, "", settings]))

    def hang(self) -> None:
        """SIGSTOP."""
        self._program.signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._program.signal(signal.SIGCONT)

    def reload(self) -> None:
        """SIGHUP; returns at once."""
        self._program.signal(signal.SIGHUP)

    def refusal(self, deadline: float = 20.0) -> subprocess.CompletedProcess[str]:
        """Run a keeper that is expected to end by itself."""
        return run(self._argv, deadline=deadline, env=self._env)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another of keeper's commands with the same configuration: `command("status", "--json")`."""
        return run([*self._inside, PROGRAM, words[0], "-c", str(self.config), *words[1:]])

    def failover(self, *words: str, deadline: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`keeper failover WORD ...` with the same configuration, on the same host."""
        argv = [*self._inside, PROGRAM, "failover", words[0], "-c", str(self.config), *words[1:]]
        return run(argv, deadline=deadline)

    def collectors(self, word: str, *rest: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`keeper collectors WORD ...` with the same configuration."""
        return run([*self._inside, PROGRAM, "collectors", word, "-c", str(self.config), *rest], stdin)

    def subject(self, name: str) -> dict[str, Any]:
        """What the status says of one subject."""
        found: dict[str, Any] = next(one for one in self.status()["subjects"] if one["name"] == name)
        return found

    def states(self) -> dict[tuple[str, str], str]:
        """The state of each rule that can know something, by (subject, rule)."""
        subjects = self.status()["subjects"]
        return {(one["name"], rule["rule"]): rule["state"] for one in subjects for rule in one["rules"]}

    def failing(self) -> set[tuple[str, str]]:
        """(subject, rule) of what fails now."""
        return {key for key, state in self.states().items() if state == "failing"}

    def metric(self, name: str, **labels: str) -> float:
        """One sample of `/metrics`, the only one with this name and these labels; nan when it is not there."""
        text = get(f"http://{self.address}/metrics").text
        found = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) < 2, f"{name} {labels} are {len(found)} series"
        return found[0] if found else float("nan")

    def lines(self) -> list[str]:
        """What it wrote to its own log, over all its lives."""
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def await_line(self, text: str, after: int = 0, deadline: float = 20.0) -> str:
        """Wait for a line of its own log, behind the first `after` ones, that holds `text`."""
        return eventually(
            lambda: next((line for line in self.lines()[after:] if text in line), ""),
            f"{text!r} in {self.log}",
            deadline,
        )
