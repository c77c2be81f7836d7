"""One of keeper's daemons, started as an operator starts it, that says at an address how it is."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers.ask import answers, get_json
from tests.peers.process import Program

PROGRAM = str(Path(sys.executable).with_name("keeper"))


class Daemon:
    """It is started anew with the same files and ports, any number of times. `status_address` is HOST:PORT."""

    def __init__(self, program: Program, status_address: str, orderly: float) -> None:
        """Within `orderly` seconds it ends when it is told to."""
        self._program = program
        self._status_address = status_address
        self._orderly = orderly

    @property
    def pid(self) -> int:
        return self._program.pid

    def running(self) -> bool:
        return self._program.running()

    def start(self, deadline: float = 30.0) -> None:
        """Start and wait until `/-/ready` says so."""
        self._program.start(lambda: answers(f"http://{self._status_address}/-/ready"), deadline)

    def stop(self, deadline: float | None = None) -> int:
        """SIGTERM; the exit code. AssertionError when it takes longer than it may, or than `deadline` seconds."""
        return self._program.stop(self._orderly if deadline is None else deadline)

    def kill(self) -> None:
        """kill -9 of it and all it started."""
        self._program.kill()

    def status(self) -> dict[str, Any]:
        """`/api/v1/status`."""
        answer: dict[str, Any] = get_json(f"http://{self._status_address}/api/v1/status")
        return answer

    def tail(self) -> str:
        return self._program.tail(80)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
