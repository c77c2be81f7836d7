"""A real beanstalkd whose jobs stand in a binlog and outlive it. Debian's package `beanstalkd` (1.12)."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers import free_port, installed
from tests.peers.ask import listens
from tests.peers.process import Program


class Beanstalkd:
    """It keeps its port over `stop()` and `start()`, and what is in its binlog. `flags` come after those it has;
    `shell` is a command that is run in its process before it is beanstalkd's."""

    def __init__(
        self, directory: Path, *flags: str, binlog: bool = True, shell: str = "true", port: int | None = None
    ) -> None:
        self.port = port or free_port()
        self._binlog = directory / "binlog"
        kept = ["-b", str(self._binlog), "-f", "0"] if binlog else []
        argv = [installed("beanstalkd"), "-l", "127.0.0.1", "-p", str(self.port), *kept, *flags]
        argv = ["sh", "-c", f'{shell}; exec "$@"', "sh", *argv]
        self._program = Program("beanstalkd", argv, directory / "beanstalkd.log")

    @property
    def pid(self) -> int:
        return self._program.pid

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._binlog.mkdir(parents=True, exist_ok=True)  # it does not make the folder itself
        self._program.start(lambda: listens(self.port))

    def stop(self) -> None:
        self._program.stop()

    def kill(self) -> None:
        self._program.kill()

    def signal(self, number: int) -> None:
        self._program.signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.kill()
