"""A real PostgreSQL on loopback that can be stopped, started, killed and hung. It refuses to run as root: then it runs
as the user `postgres` or `nobody`."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from tests.peers import free_port, require
from tests.peers.ask import eventually
from tests.peers.process import Program, run

PASSWORD = "pä'ss w\\ord"
OPTIONS = {
    "shared_buffers": "64MB",
    "max_connections": "40",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "logging_collector": "off",
}


def programs() -> Path:
    """The folder of the newest one that is installed; skip the test when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    require(found, "PostgreSQL is not installed; `make peers` installs it")
    return found[-1].parent


class PostgreSQL:
    """Users are `postgres` (PASSWORD) and whom tests make. `options` are settings of its configuration."""

    def __init__(self, **options: str) -> None:
        self._programs = programs()
        self._directory = Path(tempfile.mkdtemp(prefix="keeper-postgresql-"))
        self.port = free_port()
        self._user = _user()
        settings = {**OPTIONS, **options, "port": str(self.port)}
        argv = [*self._as(), str(self._programs / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        self._program = Program("postgresql", argv, self._directory / "postgresql.log")

    def address(self, database: str = "postgres", user: str = "postgres") -> str:
        """Without its password."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.address(database), password=PASSWORD, autocommit=True, connect_timeout=5)

    def start(self) -> None:
        self._program.start(self._answers, deadline=60)

    def stop(self) -> None:
        """As `systemctl stop` does: connections are ended."""
        self._program.signal(signal.SIGINT)
        self._program.stop()

    def kill(self) -> None:
        """kill -9 of its first process; the others, in sessions of their own, end when they notice."""
        others = self._others()
        self._program.kill()
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in others), "PostgreSQL's processes to end")

    def hang(self) -> None:
        for pid in (self._program.pid, *self._others()):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in (self._program.pid, *self._others()):
            os.kill(pid, signal.SIGCONT)

    def tail(self) -> str:
        return self._program.tail()

    def __enter__(self) -> Self:
        try:
            self._make()
            self.start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clean()

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _as(self) -> list[str]:
        """How a program runs as somebody who is not root."""
        if os.geteuid() != 0:
            return []
        user = self._user
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig", "KILL"]

    def _others(self) -> list[int]:
        pid = self._program.pid
        return [int(other) for other in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _make(self) -> None:
        secret = self._directory / "password"
        secret.write_text(PASSWORD)
        self._data.mkdir()
        if os.geteuid() == 0:
            for path in (self._directory, self._data, secret):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        done = run(
            [
                *self._as(),
                str(self._programs / "initdb"),
                f"--pgdata={self._data}",
                "--username=postgres",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ]
        )
        assert done.returncode == 0, done.stderr

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _clean(self) -> None:
        if self._program.running():
            self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


def _user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
