"""A real NATS cluster with JetStream on loopback whose nodes can be stopped, killed and hung. Debian's package
`nats-server` (2.9.10)."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.peers import free_ports, installed
from tests.peers.ask import answers, eventually, get_json
from tests.peers.process import Program


class Node:
    """One nats-server. It keeps its ports and its files over `stop()` and `start()`."""

    def __init__(self, name: str, directory: Path, client: int, cluster: int, monitor: int) -> None:
        self.name = name
        self.client = client
        self.cluster = cluster
        self.url = f"http://127.0.0.1:{monitor}"
        self._monitor = monitor
        self._directory = directory
        self._program = Program(f"nats {name}", [], directory / "nats.log")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.client}"

    def write(self, routes: list[str], more: str) -> None:
        """Its configuration. JSON is a part of what it reads."""
        self._directory.mkdir(parents=True, exist_ok=True)
        cluster = {"name": "keeper", "listen": f"127.0.0.1:{self.cluster}", "routes": routes, "no_advertise": True}
        said = {
            "server_name": self.name,
            "listen": self.address,
            "http": f"127.0.0.1:{self._monitor}",
            "jetstream": {"store_dir": str(self._directory / "data"), "max_file_store": 1 << 30},
            **({"cluster": cluster} if routes else {}),
        }
        lines = [f"{key}: {json.dumps(value)}" for key, value in said.items()]
        config = self._directory / "nats.conf"
        config.write_text("\n".join([*lines, more, ""]))
        self._program.argv = [installed("nats-server"), "-c", str(config)]

    def start(self, wait: bool = True) -> None:
        """Start; with `wait` until it is well, which it can be only with a majority."""
        self._program.start(self.well if wait else self._program.running, deadline=40)

    def well(self) -> bool:
        """It has JetStream, and its streams are as they stand on the leader."""
        return answers(f"{self.url}/healthz")

    def ill(self) -> str:
        """Why it is not well."""
        try:
            return str(get_json(f"{self.url}/healthz"))
        except requests.RequestException as error:
            return str(error)

    def running(self) -> bool:
        return self._program.running()

    def stop(self) -> None:
        self._program.stop()

    def kill(self) -> None:
        self._program.kill()

    def hang(self) -> None:
        self._program.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._program.signal(signal.SIGCONT)


class Nats:
    """A cluster, or one node alone. `more` is added to each node's configuration."""

    def __init__(self, directory: Path, size: int = 3, more: str = "") -> None:
        installed("nats-server")
        ports = free_ports(3 * size)
        self.nodes = [Node(f"n{n}", directory / f"n{n}", *ports[3 * n : 3 * n + 3]) for n in range(size)]
        self._directory = directory
        self._more = more

    @property
    def addresses(self) -> str:
        return ", ".join(node.address for node in self.nodes)

    def write(self, more: str) -> None:
        """Configure all nodes; those that run keep theirs until they are started again."""
        routes = [f"nats://127.0.0.1:{node.cluster}" for node in self.nodes] if len(self.nodes) > 1 else []
        for node in self.nodes:
            node.write(routes, more)

    def leader(self, stream: str) -> Node:
        """The node all writes to this stream go through, waited for."""

        def found() -> Node | None:
            names = [self._leader_by(node, stream) for node in self.nodes if node.running()]
            known = {name for name in names if name}
            return next((node for node in self.nodes if known == {node.name} and node.running()), None)

        leader = eventually(found, f"a leader of stream {stream}", 30)
        assert leader is not None
        return leader

    @staticmethod
    def _leader_by(node: Node, stream: str) -> str:
        """What this node knows, empty if nothing."""
        with contextlib.suppress(requests.RequestException):
            said: dict[str, Any] = get_json(f"{node.url}/jsz", streams="true", accounts="true")
            for account in said.get("account_details", []):
                for detail in account.get("stream_detail", []):
                    if detail["name"] == stream:
                        return str(detail.get("cluster", {}).get("leader", ""))
        return ""

    def restore(self) -> None:
        """All nodes run, and each is well."""
        for node in self.nodes:
            if node.running():
                node.thaw()
            else:
                node.start(wait=False)
        for node in self.nodes:
            try:
                eventually(node.well, f"{node.name} to be well", 60)
            except AssertionError as error:
                raise AssertionError(f"{error}; it says {node.ill()}") from None

    def __enter__(self) -> Self:
        self.write(self._more)
        try:
            self.restore()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clean()

    def _clean(self) -> None:
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self._directory, ignore_errors=True)
