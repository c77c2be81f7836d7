"""A DockerLogs that really runs in a thread, and a proxy before the engine that can do what networks do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from keeper.core.batch import Chunk, Item, Lost, SourceDown, SourceUp
from keeper.runtime.clock import Clock
from keeper.sources.docker_logs import DockerLogs, DockerLogsSettings
from tests.peers.ask import eventually
from tests.sources.loopback import Loopback

NOW = Clock().now


class Following:
    """Runs the source until the end of the `with` block and keeps what it hands over, and the position like the daemon.

    `stopped_in` is how long it took to end, in seconds.
    """

    def __init__(self, url: str, container: str, saved: str | None = None, **settings: Any) -> None:
        given: dict[str, Any] = {
            "base_url": url,
            "idle_after": 0.5,
            "poll": 0.2,
            "longest_pause": 0.3,
            "lookback": 1 << 30,
            **settings,
        }
        self.items: list[Item] = []
        self.position = saved
        self.source = DockerLogs("node/log", container, saved, NOW, DockerLogsSettings(**given))
        self.stopped_in = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.source.run, args=(self._take, self._stop.wait), daemon=True)

    def _take(self, item: Item) -> None:
        self.items.append(item)
        if isinstance(item, Chunk | Lost) and item.position is not None:
            self.position = item.position

    @property
    def data(self) -> bytes:
        return b"".join(item.data for item in list(self.items) if isinstance(item, Chunk))

    @property
    def lines(self) -> list[str]:
        return self.data.decode(errors="backslashreplace").splitlines()

    @property
    def lost(self) -> list[Lost]:
        return [item for item in list(self.items) if isinstance(item, Lost)]

    @property
    def downs(self) -> list[str]:
        return [item.reason for item in list(self.items) if isinstance(item, SourceDown)]

    @property
    def sees(self) -> bool:
        said = [item for item in list(self.items) if isinstance(item, SourceUp | SourceDown)]
        return bool(said) and isinstance(said[-1], SourceUp)

    def ups(self) -> int:
        return sum(isinstance(item, SourceUp) for item in list(self.items))

    def until(self, condition: Callable[[], object], what: str, deadline: float = 20.0) -> None:
        """Wait for it; the source must be running all the time."""
        try:
            eventually(lambda: condition() or not self._thread.is_alive(), what, deadline, 0.02)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.lines[-5:]} {self.downs} {self.lost}") from None
        assert self._thread.is_alive(), "the source has ended"

    def until_line(self, line: str, deadline: float = 20.0) -> None:
        self.until(lambda: line in self.lines, f"line {line!r}", deadline)

    def until_checked(self) -> None:
        """Wait until the end of the log was read once more: nothing is missing then, and nothing comes twice."""
        ups = self.ups()
        self.until(lambda: self.sees and self.ups() >= ups + 2, "another reading")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asked = NOW()
        self._stop.set()
        self._thread.join(20)
        self.stopped_in = NOW() - asked
        assert not self._thread.is_alive(), "the source does not stop"


class Proxy:
    """What `Loopback` does to a connection: hand it to the engine's socket, and the engine's answer back.

    While `holding` is set nothing of what the engine sends on a following stream goes through. `cut_after` such bytes
    of any answer the connection is closed, once.
    """

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.holding = threading.Event()
        self.cut_after: int | None = None
        self.follows = 0

    def __call__(self, server: Loopback, connection: socket.socket, _: int) -> None:
        while head := server.head(connection):
            following = "follow=1" in head
            self.follows += following
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(self.engine)
                engine.sendall(head.replace("\r\n", "\r\nConnection: close\r\n", 1).encode("latin-1"))
                engine.settimeout(0.1)
                if not self._answer(server, connection, engine, following):
                    return

    def _answer(self, server: Loopback, connection: socket.socket, engine: socket.socket, following: bool) -> bool:
        sent = 0
        while not server.stopping.is_set():
            try:
                data = engine.recv(65_536)
            except TimeoutError:
                continue
            if not data:
                return False
            if following and self.holding.is_set():
                continue
            if self.cut_after is not None and sent + len(data) > self.cut_after:
                connection.sendall(data[: self.cut_after - sent])
                self.cut_after = None
                return False
            connection.sendall(data)
            sent += len(data)
        return False
