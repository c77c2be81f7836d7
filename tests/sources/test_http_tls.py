"""The same bounded request over TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.errors import SourceError
from keeper.runtime.clock import Clock
from keeper.sources.http_get import Http
from tests.peers import require
from tests.sources.loopback import Loopback, always, answer

NOW = Clock().now


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Self-signed certificates with their keys, by the name they are made out to."""
    openssl = shutil.which("openssl")
    require(openssl, "no openssl to make certificates with")
    assert openssl is not None
    made = {}
    for name in ("IP:127.0.0.1", "DNS:other.example"):
        path = tmp_path_factory.mktemp("tls") / "both.pem"
        command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=keeper", "-addext", f"subjectAltName={name}"]
        subprocess.run([*command, "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True)
        path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
        made[name] = path
    return made


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http(NOW)
    yield http
    http.close()


def failure(http: Http, url: str, timeout: float = 5.0) -> str:
    with pytest.raises(SourceError) as raised:
        http.get(url, timeout)
    return str(raised.value)


def test_a_trusted_certificate_is_accepted(certificates: dict[str, Path]) -> None:
    """With the server's own authority in `ca_file` the answer comes, and the connection is kept."""
    pem = certificates["IP:127.0.0.1"]
    http = Http(NOW, str(pem.with_suffix(".crt")))
    with Loopback(always(answer("ok")), tls=pem) as server:
        assert http.get(server.url(), 5.0).body == b"ok"
        assert http.get(server.url(), 5.0).body == b"ok"
        assert server.connections == 1
    http.close()


def test_an_unknown_authority_is_refused(http: Http, certificates: dict[str, Path]) -> None:
    """A certificate nobody vouches for is a failure that says so, before anything is asked."""
    with Loopback(always(answer("ok")), tls=certificates["IP:127.0.0.1"]) as server:
        reason = failure(http, server.url(credentials="user:secret@"))
        assert reason.lower().replace("-", " ") == "its tls certificate is not valid: self signed certificate"
        assert server.requests == []


def test_a_certificate_for_another_name_is_refused(certificates: dict[str, Path]) -> None:
    """A certificate made out to somebody else is a failure, trusted or not."""
    pem = certificates["DNS:other.example"]
    with Loopback(always(answer("ok")), tls=pem) as server:
        reason = failure(Http(NOW, str(pem.with_suffix(".crt"))), server.url())
        assert reason.startswith("its TLS certificate is not valid: IP address mismatch")


def test_a_bad_file_of_certificates_is_a_reason(tmp_path: Path) -> None:
    """A `ca_file` that is not there, or is something else, fails each request with its name, and nothing else."""
    odd = tmp_path / "odd.pem"
    odd.write_text("no certificate")
    for path in ("/nowhere/ca.pem", str(odd)):
        assert failure(Http(NOW, path), "https://127.0.0.1:1/").startswith(
            f"the trusted certificates in {path} cannot be read: "
        )


def test_a_server_without_tls(http: Http) -> None:
    """https to a port that speaks plain HTTP fails with what TLS makes of it."""

    def treat(_: Loopback, connection: socket.socket, __: int) -> None:
        connection.recv(65_536)
        connection.sendall(answer("this port speaks HTTP", "400 Bad Request"))

    with Loopback(treat) as server:
        reason = failure(http, server.url().replace("http:", "https:"))
        assert reason.startswith("TLS failed: ") or reason == "reset the connection"


def test_a_handshake_that_hangs_ends_at_the_deadline(http: Http) -> None:
    """A server that accepts and then says nothing at all costs no more than the deadline."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        server.stopping.wait(10)

    with Loopback(treat) as server:
        began = NOW()
        assert failure(http, server.url().replace("http:", "https:"), timeout=0.3) == "no answer within 0.3 s"
        assert 0.29 < NOW() - began < 3


def test_a_drip_within_tls_ends_at_the_deadline(certificates: dict[str, Path]) -> None:
    """The deadline for the whole answer holds inside of TLS too."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        server.head(connection)
        server.drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000, 0.02)

    pem = certificates["IP:127.0.0.1"]
    http = Http(NOW, str(pem.with_suffix(".crt")))
    with Loopback(treat, tls=pem) as server:
        began = NOW()
        assert failure(http, server.url(), timeout=0.3).startswith("the answer was not complete after 0.3 s")
        assert 0.29 < NOW() - began < 3
    http.close()
