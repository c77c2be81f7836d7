"""A real etcd cluster on loopback whose members can be stopped, killed and hung, and a cable that can be cut."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests

from tests.peers import free_ports, installed
from tests.peers.ask import eventually
from tests.peers.ground import Ground
from tests.peers.process import Program, run


class Member:
    """One etcd. Its data outlives restarts."""

    def __init__(
        self,
        name: str,
        directory: Path,
        client: str,
        peer: str,
        certificate: Path | None,
        inside: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._inside = tuple(inside)
        self.url = client
        self.peer = peer
        self._data = directory / "data"
        self._certificate = certificate
        self._program = Program(f"etcd {name}", [], directory / "etcd.log")

    @property
    def verify(self) -> str | bool:
        return str(self._certificate.with_suffix(".crt")) if self._certificate else True

    def start(self, cluster: str, ready: bool = True) -> None:
        """Start; with `ready` wait until it answers, which it does only with a majority."""
        tls = [f"--cert-file={self._certificate}", f"--key-file={self._certificate}"] if self._certificate else []
        self._program.argv = [
            *self._inside,
            installed("etcd"),
            f"--name={self.name}",
            f"--data-dir={self._data}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={self.peer}",
            f"--initial-advertise-peer-urls={self.peer}",
            f"--initial-cluster={cluster}",
            "--logger=zap",
            "--log-level=warn",
            *tls,
        ]
        self._program.start(self.healthy if ready else self._program.running, deadline=30)

    def healthy(self) -> bool:
        """It reads through a majority, or knows enough to want a user's name first."""
        said = self.ask("kv/range", {"key": "eA=="}, 2)
        return "header" in said or "user name is empty" in said.get("error", "")

    def status(self) -> dict[str, Any]:
        return self.ask("maintenance/status", {})

    def ask(self, path: str, question: dict[str, Any], timeout: float = 10, token: str = "") -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": token} if token else {}
            answer = session.post(
                f"{self.url}/v3/{path}", json=question, timeout=timeout, verify=self.verify, headers=headers
            )
        said: dict[str, Any] = answer.json()
        return said

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

    def tail(self) -> str:
        return self._program.tail()


class Etcd:
    """A cluster. `certificate` is a file with key and certificate, its `.crt` beside it: clients then speak TLS. On a
    `ground` each member has a host of its own, m0, m1 and so on."""

    def __init__(
        self, directory: Path, size: int = 3, certificate: Path | None = None, ground: Ground | None = None
    ) -> None:
        installed("etcd")
        ports = free_ports(2 * size)
        scheme = "https" if certificate else "http"
        self.members = [
            Member(
                f"m{n}",
                directory / f"m{n}",
                f"{scheme}://{ground.address(f'm{n}') if ground else '127.0.0.1'}:{ports[2 * n]}",
                f"http://{ground.address(f'm{n}') if ground else '127.0.0.1'}:{ports[2 * n + 1]}",
                certificate,
                ground.inside(f"m{n}") if ground else (),
            )
            for n in range(size)
        ]
        self._cluster = ",".join(f"{member.name}={member.peer}" for member in self.members)
        self._directory = directory

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(member.url for member in self.members)

    def start(self, member: Member) -> None:
        member.start(self._cluster)

    def leader(self) -> Member:
        """The member that a majority follows, waited for."""

        def found() -> Member | None:
            for member in self.members:
                with contextlib.suppress(requests.RequestException):
                    said = member.ask("maintenance/status", {}, 1)
                    if said.get("leader", "0") == said.get("header", {}).get("member_id", ""):
                        return member
            return None

        leader = eventually(found, "a leader of etcd")
        assert leader is not None
        return leader

    def followers(self) -> list[Member]:
        leader = self.leader()
        return [member for member in self.members if member is not leader]

    def restore(self) -> None:
        """All members there again, and a majority answers."""
        for member in self.members:
            if member.running():
                member.thaw()
            else:
                member.start(self._cluster, ready=False)
        for member in self.members:
            eventually(member.healthy, f"{member.name} to be well", 30)

    def ctl(self, *arguments: str, login: str = "") -> str:
        """Run etcdctl; AssertionError with its words when it fails."""
        flags = [f"--endpoints={','.join(self.urls)}", *([f"--user={login}"] if login else [])]
        if self.members[0].verify is not True:
            flags.append(f"--cacert={self.members[0].verify}")
        done = run([installed("etcdctl"), *flags, *arguments], env={"ETCDCTL_API": "3"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __enter__(self) -> Self:
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
        for member in self.members:
            member.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


class Cable:
    """A proxy before one address that can lose answers (the server does what it was asked for, the client never hears)
    and deliver questions late. It knows messages with a Content-Length, which etcd's errors do not have."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (str(parts.hostname), int(parts.port or 80))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.requests: list[bytes] = []
        self._loses: Callable[[bytes], bool] = lambda _: False
        self._flowing = threading.Event()
        self._flowing.set()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answer_to(self, which: Callable[[bytes], bool]) -> None:
        """From now on the server gets the requests that `which` chooses, and the client gets a broken connection."""
        self._loses = which

    def hang(self) -> None:
        """Keep what comes from now on, and deliver it when the cable is mended, also when nobody waits any more."""
        self._flowing.clear()

    def mend(self) -> None:
        self._loses = lambda _: False
        self._flowing.set()

    def close(self) -> None:
        self.mend()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One request after the other: each to its end, then the answer to its end."""
        self._open.add(client)
        with contextlib.suppress(OSError), client, socket.create_connection(self._target, timeout=10) as server:
            while request := _message(client):
                self.requests.append(request)
                loses = self._loses(request)
                self._flowing.wait()
                server.sendall(request)
                answer = _message(server)
                if loses or not answer:
                    return  # done there, never heard of here
                client.sendall(answer)
        self._open.discard(client)


def _message(connection: socket.socket) -> bytes:
    """One request or answer with a length, as etcd's gateway and keeper's client write them when all is well."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body
