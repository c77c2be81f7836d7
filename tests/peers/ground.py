"""Hosts of their own for programs, in network namespaces: cables between them can be cut, in one direction, too.

A switch (a bridge in a namespace of its own) connects them and the test itself; nothing else on the machine is touched.
What a killed test run left behind is removed by the next. Needs root; elsewhere the tests that use it are skipped.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers import require
from tests.peers.claim import Claim, claim
from tests.peers.process import run

PREFIX = "kg"  # of the names of namespaces and devices, which have 15 characters at most
CLAIMS = Path("/run/keeper-ground")
# 300 bytes and their answer take half a second, and what is more than fits into the queue is lost.
NARROW = ("rate", "16kbit", "burst", "1600", "limit", "6000")


class Ground:
    """`hosts` by name. Addresses are of 10.77.0.0/16, the third number differs between test runs; there are none before
    it is entered."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = {name: number for number, name in enumerate(hosts, 1)}
        self._claim: Claim | None = None

    def address(self, host: str) -> str:
        return f"10.77.{self._id}.{self._hosts[host]}"

    def namespace(self, host: str) -> Path:
        """The file a thread can enter it with (`setns`)."""
        return Path("/run/netns") / self._namespace(host)

    def inside(self, host: str) -> tuple[str, ...]:
        """How a program is started on that host; it keeps its process id."""
        return ("ip", "netns", "exec", self._namespace(host))

    def cut(self, host: str, *others: str) -> None:
        """What `host` sends to the others is lost; what they send still arrives."""
        for other in others:
            self._on(host, "route", "replace", "blackhole", f"{self.address(other)}/32")

    def part(self, host: str, *others: str) -> None:
        """Nothing goes between `host` and the others, in neither direction."""
        self.cut(host, *others)
        for other in others:
            self.cut(other, host)

    def narrow(self, host: str) -> None:
        """What `host` sends, to whomever, arrives late or not at all."""
        _do("tc", "-n", self._namespace(host), "qdisc", "replace", "dev", "eth", "root", "tbf", *NARROW)

    def mend(self) -> None:
        """Undo every cut, and make every line wide again."""
        for host in self._hosts:
            _quietly("tc", "-n", self._namespace(host), "qdisc", "del", "dev", "eth", "root")
            for other in self._hosts:
                _quietly("ip", "-n", self._namespace(host), "route", "del", "blackhole", f"{self.address(other)}/32")

    def others(self, host: str) -> list[str]:
        return [other for other in self._hosts if other != host]

    def processes(self, host: str) -> list[int]:
        """Everything that runs there."""
        return _processes(self._namespace(host))

    def kill(self, host: str) -> None:
        """As if the power failed: every process of it at once."""
        _kill(self._namespace(host))

    def __enter__(self) -> Self:
        require(os.geteuid() == 0, "hosts of their own need root (network namespaces)")
        self._claim = claim(CLAIMS, lambda number: bool(_there(number)), _remove)
        try:
            _do("ip", "netns", "add", self._hub)
            _do("ip", "-n", self._hub, "link", "add", "name", "switch0", "type", "bridge")
            _do("ip", "-n", self._hub, "link", "set", "switch0", "up")
            for host, number in self._hosts.items():
                namespace = self._namespace(host)
                _do("ip", "netns", "add", namespace)
                _do("ip", "-n", namespace, "link", "set", "lo", "up")
                cable = ("type", "veth", "peer", "name", f"to{number}", "netns", self._hub)
                _do("ip", "-n", namespace, "link", "add", "eth", *cable)
                self._plug(number)
                _do("ip", "-n", namespace, "address", "add", f"{self.address(host)}/24", "dev", "eth")
                _do("ip", "-n", namespace, "link", "set", "eth", "up")
            _do("ip", "link", "add", self._hub, "type", "veth", "peer", "name", "to0", "netns", self._hub)
            self._plug(0)
            _do("ip", "address", "add", f"10.77.{self._id}.254/24", "dev", self._hub)
            _do("ip", "link", "set", self._hub, "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _plug(self, number: int) -> None:
        _do("ip", "-n", self._hub, "link", "set", f"to{number}", "master", "switch0")
        _do("ip", "-n", self._hub, "link", "set", f"to{number}", "up")

    def _remove(self) -> None:
        if self._claim is not None:
            _remove(self._claim.number)
            self._claim.release()
            self._claim = None

    @property
    def _id(self) -> int:
        assert self._claim is not None, "the ground has not been entered"
        return self._claim.number

    @property
    def _hub(self) -> str:
        return f"{PREFIX}{self._id}-hub"

    def _namespace(self, host: str) -> str:
        return f"{PREFIX}{self._id}-{host}"

    def _on(self, host: str, *words: str) -> None:
        _do("ip", "-n", self._namespace(host), *words)


def _there(number: int) -> list[str]:
    """The namespaces that were made under this number."""
    names = [line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines()]
    return [name for name in names if name.startswith(f"{PREFIX}{number}-")]


def _remove(number: int) -> None:
    """Whatever was made under it."""
    _quietly("ip", "link", "del", f"{PREFIX}{number}-hub")
    for name in _there(number):
        _kill(name)
        _quietly("ip", "netns", "del", name)


def _processes(namespace: str) -> list[int]:
    return [int(pid) for pid in run(["ip", "netns", "pids", namespace]).stdout.split()]


def _kill(namespace: str) -> None:
    for pid in _processes(namespace):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _do(*argv: str) -> None:
    done = run(argv)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"


def _quietly(*argv: str) -> None:
    subprocess.run(argv, check=False, capture_output=True)
