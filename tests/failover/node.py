"""The stand-in for a node as the tests use it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.peers import free_port
from tests.peers.ask import listens
from tests.peers.process import Program

COMM = Path(sys.executable).resolve().name[:15]  # what Linux calls its process


class StandIn:
    """Starts with `with`. `pid_file` is written at each start."""

    def __init__(self, directory: Path, *manners: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.pid_file = directory / "node.pid"
        self._blocks = directory / "blocks"
        script = str(Path(__file__).parent / "standin.py")
        argv = [str(Path(sys.executable).resolve()), "-I", script, str(self.port), str(self._blocks), *manners]
        self.program = Program("node", argv, directory / "node.log")

    def start(self) -> None:
        self.program.start(lambda: listens(self.port))
        self.pid_file.write_text(f"{self.program.pid}\n")

    def blocks(self) -> list[float]:
        """The times of the blocks it signed, since the machine's start."""
        if not self._blocks.exists():
            return []
        return [float(line) for line in self._blocks.read_text().splitlines(True) if line.endswith("\n")]

    def __enter__(self) -> StandIn:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.program.kill()
