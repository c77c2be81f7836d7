"""A real Docker engine of the tests' own: its own data, socket and containerd, nothing of the host's engine touched."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import docker
import docker.types

from tests.peers import installed, require
from tests.peers.ask import eventually
from tests.peers.process import Program

IMAGE = "keeper-test:1"
APPLETS = ("cat", "echo", "head", "printf", "seq", "sh", "sleep", "touch", "tr", "yes")


class DockerEngine:
    """An engine that can be started, stopped and killed any number of times; images and containers stay.

    Containers have no network. What they run should end by itself within minutes: a killed test run leaves them behind.
    """

    def __init__(self, options: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None) -> None:
        require(os.geteuid() == 0, "a Docker engine of the tests' own needs root")
        dockerd = installed("dockerd")
        self._busybox = installed("busybox")
        # Not under pytest's directory: containerd's sockets below this path may have 108 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="keeper-docker-"))
        self.socket = self.directory / "docker.sock"
        given = {
            "data-root": str(self.directory / "data"),
            "exec-root": str(self.directory / "exec"),
            "pidfile": str(self.directory / "docker.pid"),
            "host": self.url,
            "storage-driver": "vfs",  # works everywhere, also where the directory is an overlay itself
            "iptables": "false",
            "ip6tables": "false",
            "bridge": "none",
            "shutdown-timeout": "1",
            **(options or {}),
        }
        argv = [dockerd, *(f"--{key}={value}" for key, value in given.items())]
        self._program = Program("dockerd", argv, self.directory / "dockerd.log", env)
        self._client: Any = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def client(self) -> Any:
        """A docker.APIClient of this engine."""
        if self._client is None:
            self._client = docker.APIClient(base_url=self.url, version="auto", timeout=60)
        return self._client

    def start(self) -> None:
        self._program.start(self._ready, deadline=60)
        if not self.client.images(IMAGE):
            self.client.import_image_from_data(_image(Path(self._busybox)), *IMAGE.split(":"))

    def stop(self) -> None:
        """SIGTERM: the engine ends its containers first."""
        self._forget_client()
        self._program.stop(deadline=60)

    def kill(self) -> None:
        """SIGKILL to the engine and its containerd. Containers go on without anybody reading what they print, until
        the next start ends them."""
        self._forget_client()
        self._program.kill()
        for pid in self._processes("containerd.toml"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self._processes("containerd.toml"), "containerd to be gone")
        # The next engine would wait for the containerd of this file if its number is in use again, or not yet reaped.
        for left in ("docker.pid", "exec/containerd/containerd.pid"):
            (self.directory / left).unlink(missing_ok=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    def signal(self, number: int) -> None:
        self._program.signal(number)

    def create(
        self,
        script: str,
        name: str | None = None,
        tty: bool = False,
        driver: str = "json-file",
        log: Mapping[str, str] | None = None,
        **host: Any,
    ) -> str:
        """Create a container that runs a shell script of busybox; returns its id."""
        config = self.client.create_host_config(
            network_mode="none", log_config=docker.types.LogConfig(type=driver, config=dict(log or {})), **host
        )
        # A shell that is process 1 does not hear SIGTERM, and the engine would wait ten seconds for it.
        created = self.client.create_container(
            IMAGE, ["/bin/sh", "-c", script], name=name, tty=tty, host_config=config, stop_signal="SIGKILL"
        )
        return str(created["Id"])

    def run(self, script: str, **keywords: Any) -> str:
        """Create and start; arguments as `create` takes them."""
        container = self.create(script, **keywords)
        self.client.start(container)
        return container

    def ended(self, container: str, deadline: float = 60) -> str:
        """Wait until a container has ended; returns it."""
        eventually(lambda: not self._running(container), f"container {container[:12]} to end", deadline)
        return container

    def touch(self, container: str, path: str) -> None:
        """Make an empty file in a running container, which its script may wait for."""
        task = self.client.exec_create(container, ["touch", path])["Id"]
        self.client.exec_start(task)

    def remove(self, container: str) -> None:
        """Kill and remove, if it is there."""
        with contextlib.suppress(docker.errors.NotFound):
            self.client.remove_container(container, force=True)

    def tail(self) -> str:
        return self._program.tail()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._program.running():
                self.signal(signal.SIGCONT)
                for container in self.client.containers():
                    self.remove(container["Id"])
                self.stop()
        finally:
            self._clean()

    def _running(self, container: str) -> bool:
        return bool(self.client.inspect_container(container)["State"]["Running"])

    def _ready(self) -> bool:
        if not self.socket.exists():
            return False
        try:
            with docker.APIClient(base_url=self.url, version="auto", timeout=5) as client:
                return bool(client.ping())
        except docker.errors.DockerException:
            return False

    def _forget_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _processes(self, part: str) -> list[int]:
        """Processes of this engine whose command line also has `part` in it."""
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    command = (entry / "cmdline").read_bytes().decode(errors="replace")
                    if str(self.directory) in command and part in command and int(entry.name) != os.getpid():
                        found.append(int(entry.name))
        return found

    def _clean(self) -> None:
        self._program.kill()
        for pid in self._processes(""):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            mounted = line.split()[1]
            if mounted.startswith(f"{self.directory}/"):
                subprocess.run(["umount", "-l", mounted], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def _image(busybox: Path) -> bytes:
    """A root file system of one static program, as `docker import` takes it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.add(busybox.resolve(), "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name in ("dev", "proc", "sys", "tmp"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(folder)
    return made.getvalue()
