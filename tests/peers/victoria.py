"""A real VictoriaMetrics that takes OpenTSDB's points by telnet and HTTP. Debian's package `victoria-metrics`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers import free_ports, installed
from tests.peers.ask import answers, get
from tests.peers.process import Program


class Victoria:
    """One VictoriaMetrics. It keeps its ports and what it stored over `stop()` and `start()`.

    Debian's 1.79 has points of the last seconds in memory only: a clean stop writes them, `kill()` loses them. By
    telnet it takes every time for seconds, so that milliseconds are far in the future, and left out silently.
    """

    def __init__(self, directory: Path, host: str = "127.0.0.1") -> None:
        self.telnet, self.put, self._port = free_ports(3)
        self._directory = directory
        self._host = f"[{host}]" if ":" in host else host  # '': all addresses, IPv6 too
        self._program = Program("victoria-metrics", [], directory / "victoria.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._program.argv = [
            installed("victoria-metrics"),
            f"-opentsdbListenAddr={self._host}:{self.telnet}",
            f"-opentsdbHTTPListenAddr={self._host}:{self.put}",
            f"-httpListenAddr=127.0.0.1:{self._port}",
            f"-storageDataPath={self._directory / 'storage'}",
            "-retentionPeriod=100y",
            "-enableTCP6",
        ]
        self.start()

    def start(self) -> None:
        """It listens for points before its own page answers."""
        self._program.start(lambda: answers(f"{self.url}/health"))

    def stop(self) -> None:
        self._program.stop()

    def kill(self) -> None:
        self._program.kill()

    def signal(self, number: int) -> None:
        self._program.signal(number)

    def points(self, metric: str, **tags: str) -> Counter[tuple[float, int]]:
        """(value, milliseconds) of all points of a metric with these tags, and how often each is there."""
        get(f"{self.url}/internal/force_flush")
        match = ",".join(f'{name}="{value}"' for name, value in {"__name__": metric, **tags}.items())
        text = get(f"{self.url}/api/v1/export", **{"match[]": f"{{{match}}}"}).text
        found: Counter[tuple[float, int]] = Counter()
        for line in text.splitlines():
            series = json.loads(line)
            found.update(zip(series["values"], series["timestamps"], strict=True))
        return found

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.kill()
