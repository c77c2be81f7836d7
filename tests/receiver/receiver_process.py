"""A real receiver, started as an operator starts it: `keeper receive -c config.ini`."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from keeper.config import load
from keeper.receiver.stores.store import Row
from keeper.receiver.stores.table import open_reader
from tests.delivery.statistics_server import IDL
from tests.peers import free_ports
from tests.peers.ask import eventually
from tests.peers.process import Program
from tests.scenarios.daemon import PROGRAM, Daemon

EVER = (-1e12, 1e12)  # seconds since the epoch


class ReceiverProcess(Daemon):
    """One receiver with ports, queue and store of its own, kept over restarts.

    `options` are lines of `[receiver]`, `sections` what follows. `before` is put before the command: `taskset`, limits.
    `login` is the Authorization of any of its sources, if they have one.
    """

    def __init__(
        self,
        directory: Path,
        *options: str,
        sections: str = "",
        login: str = "",
        before: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        ports = free_ports(4)
        self.directory = directory
        self.address, self.lines_address, self.status_address, keeper_address = (f"127.0.0.1:{port}" for port in ports)
        self.config = directory / "config.ini"
        self.state_dir = directory / "state"
        self.log = directory / "receiver.log"
        self._sections = sections
        self._login = login
        self._keeper = ["[keeper]", "name = far-end", f"listen = {keeper_address}", f"state_dir = {self.state_dir}"]
        directory.mkdir(parents=True, exist_ok=True)
        self.configure(*options)
        argv = [*before, PROGRAM, "receive", "-c", str(self.config)]
        super().__init__(Program("receiver", argv, self.log, env), self.status_address, orderly=20.0)

    def configure(self, *options: str) -> None:
        """Write the configuration; it counts from the next start on."""
        own = [
            f"listen = {self.address}",
            # Senders with secrets cannot send by TCP, and it would be a mistake to listen for nobody.
            *([] if self._sections and "addresses" not in self._sections else [f"lines_listen = {self.lines_address}"]),
            f"status_listen = {self.status_address}",
            f"idl = {IDL}",
        ]
        mine = {option.partition("=")[0].strip() for option in options}
        kept = [line for line in own if line.partition("=")[0].strip() not in mine]
        self.config.write_text("\n".join([*self._keeper, "", "[receiver]", *kept, *options, "", self._sections]))

    def kill_server(self) -> None:
        """kill -9 of the server alone: what it started finds out by itself."""
        self._program.signal(signal.SIGKILL)
        eventually(lambda: not self._program.running(), "the server to be dead")

    def kill_workers(self) -> int:
        """kill -9 of its workers; how many there were."""
        workers = self.workers()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(workers)

    def workers(self) -> list[int]:
        """Processes that the server has started and that run now."""
        found = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():  # a child is its thread's
            with contextlib.suppress(OSError):
                found += [int(child) for child in (task / "children").read_text().split()]
        return found

    def memory(self) -> float:
        """What the server itself holds (RSS), in MiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError(f"the server has ended\n{self.tail()}")

    def drain(self, deadline: float = 60.0) -> None:
        """Wait until all that was acknowledged is in the store: it says so itself, and its status a second later."""
        headers = {"Authorization": self._login} if self._login else {}
        eventually(lambda: self._complete(headers), "all to be stored", deadline)

    def _complete(self, headers: Mapping[str, str]) -> bool:
        asked = requests.get(f"http://{self.address}/v1/confirmed?ids=1&wait=5", headers=headers, timeout=10)
        asked.raise_for_status()
        return bool(asked.json()["complete"])

    def rows(self) -> list[Row]:
        """All that is in the store."""
        settings = load(self.config)
        assert settings.receiver is not None
        reader = open_reader(settings.receiver, settings.keeper.state_dir)
        try:
            return list(reader.rows(*EVER))
        finally:
            reader.close()
