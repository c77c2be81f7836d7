"""A TSD on loopback that speaks telnet as OpenTSDB does: it says something for a point it refuses, and nothing else."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.peers import installed
from tests.sources.loopback import Loopback


class Tsd(Loopback):
    """`lines` are the points it took, of all connections."""

    def __init__(
        self, judge: Callable[[bytes], bytes] = lambda _line: b"", tls: Path | None = None, host: str = "127.0.0.1"
    ) -> None:
        super().__init__(self._talk, tls, host)
        self.lines: list[bytes] = []
        self.judge = judge

    def _talk(self, _server: Loopback, connection: socket.socket, _number: int) -> None:
        with connection.makefile("rb") as read:
            for line in read:
                point = line.rstrip(b"\n").removeprefix(b"put ")
                if said := self.judge(point):
                    connection.sendall(said)
                else:
                    self.lines.append(point)
        if isinstance(connection, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                connection.unwrap()


def certificate(place: Path) -> tuple[Path, Path, Path]:
    """A self-signed certificate for 127.0.0.1, its key, and both in one file."""
    files = (place / "cert.pem", place / "key.pem", place / "both.pem")
    command = [installed("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=tsd", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    files[2].write_bytes(files[1].read_bytes() + files[0].read_bytes())
    return files
