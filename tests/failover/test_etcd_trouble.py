"""An etcd that is guarded, too old, none at all, or answers as badly as servers do: each has its sentence."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from keeper.failover.etcd import EtcdLease, Identity
from keeper.failover.etcd_gateway import Gateway, Login
from keeper.failover.lease import Grant, Misconfigured, Timing, Unreachable
from keeper.runtime.clock import since_boot
from tests.peers import free_port, installed
from tests.peers.etcd import Etcd
from tests.sources.loopback import Loopback, always, answer

TIMING = Timing(ttl=5.0, request_timeout=2.0)
PASSWORD = "pa55:w/rd"
HEADER = '{"header":{"cluster_id":"77","revision":"5"}'


def lease(*urls: str, login: Login = Login(), ca_file: str = "", timing: Timing = TIMING) -> EtcdLease:  # noqa: B008
    gateway = Gateway(urls, since_boot, login, ca_file)
    return EtcdLease(gateway, Identity("eosstore", "a", "1"), timing, since_boot)


def failure(store: EtcdLease, kind: type[Unreachable] = Unreachable) -> str:
    with pytest.raises(Unreachable) as raised:
        store.acquire()
    assert type(raised.value) is kind, raised.value
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [installed("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=keeper", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Etcd]:
    """An etcd with TLS and users: `keeper` may use keeper's keys, `stranger` none."""
    with Etcd(tmp_path_factory.mktemp("guarded"), 1, certificate) as etcd:
        for user in ("root", "keeper", "stranger"):
            etcd.ctl("user", "add", f"{user}:{PASSWORD}")
        etcd.ctl("role", "add", "keeper")
        etcd.ctl("role", "grant-permission", "keeper", "readwrite", "keeper/", "--prefix=true")
        etcd.ctl("user", "grant-role", "keeper", "keeper")
        etcd.ctl("user", "grant-role", "root", "root")
        etcd.ctl("auth", "enable")
        yield etcd


def test_users_and_tls(guarded: Etcd, certificate: Path) -> None:
    """With the right user, password and authority all of it works, and goes on when the token has ended."""
    store = lease(*guarded.urls, login=Login("keeper", PASSWORD), ca_file=str(certificate.with_suffix(".crt")))
    grant = store.acquire()
    assert isinstance(grant, Grant)
    store.announce("A", "abc")
    store.want("b")
    store.want("")
    guarded.members[0].stop()  # tokens live in its memory
    guarded.start(guarded.members[0])
    grant = store.renew(grant)
    assert isinstance(grant, Grant)
    guarded.ctl("user", "add", "another:x", login=f"root:{PASSWORD}")  # tokens from before a change of users end, too
    grant = store.renew(grant)
    assert isinstance(grant, Grant)
    store.release(grant)
    assert store.look().holder == ""


@pytest.mark.parametrize(
    ("login", "sentence"),
    [
        (Login(), "etcd wants a user and a password, and none is configured"),
        (Login("keeper", "wrong"), "etcd does not know user 'keeper' with this password"),
        (Login("nobody", PASSWORD), "etcd does not know user 'nobody' with this password"),
        (
            Login("stranger", PASSWORD),
            "etcd does not let user 'stranger' read and write keeper's keys: etcdserver: permission denied",
        ),
    ],
)
def test_wrong_users(guarded: Etcd, certificate: Path, login: Login, sentence: str) -> None:
    """Wrong credentials are no matter of waiting."""
    store = lease(*guarded.urls, login=login, ca_file=str(certificate.with_suffix(".crt")))
    assert failure(store, Misconfigured) == sentence


def test_users_where_there_are_none(tmp_path: Path) -> None:
    """A password that protects nothing is said so."""
    with Etcd(tmp_path / "open", 1) as etcd:
        sentence = failure(lease(*etcd.urls, login=Login("keeper", PASSWORD)), Misconfigured)
        assert sentence.startswith("user 'keeper' is configured, but this etcd knows no users: ")


def test_two_clusters_are_no_cluster(tmp_path: Path) -> None:
    """Endpoints of different clusters would give two leases."""
    with Etcd(tmp_path / "one", 1) as one, Etcd(tmp_path / "two", 1) as two:
        store = lease(*one.urls, *two.urls)
        assert isinstance(store.acquire(), Grant)
        one.members[0].stop()
        sentence = failure(store, Misconfigured)
        assert sentence.startswith(f"{two.urls[0]} belongs to another etcd cluster (")


def test_wrong_tls(guarded: Etcd, tmp_path: Path) -> None:
    """An unknown authority, plain HTTP to a TLS port, TLS to a plain port, a ca_file that is none."""
    [url] = guarded.urls
    unknown = failure(lease(url, login=Login("keeper", PASSWORD)))
    assert unknown.replace("-", " ").endswith("its TLS certificate is not valid: self signed certificate")
    plain = failure(lease(url.replace("https:", "http:")))
    assert plain.endswith(" (if it speaks TLS, write https://)")
    missing = failure(lease(url, ca_file="/nowhere/ca.pem"))
    assert missing.endswith("the trusted certificates in /nowhere/ca.pem cannot be read: no such file or directory")
    with Etcd(tmp_path / "open", 1) as etcd:
        sentence = failure(lease(etcd.urls[0].replace("http:", "https:")))
        assert ": TLS failed: " in sentence or sentence.endswith("reset the connection")


def old(server: Loopback, connection: socket.socket, _: int) -> None:
    """What etcd 3.3.10 answers."""
    while request := connection.recv(65_536):
        if b"GET /version" in request:  # the body of the question before may come with it, or by itself
            connection.sendall(answer('{"etcdserver":"3.3.10","etcdcluster":"3.3.0"}'))
        elif request.startswith(b"POST"):
            connection.sendall(answer("404 page not found\n", "404 Not Found", "Content-Type: text/plain\r\n"))


BAD: dict[str, tuple[bytes, str]] = {
    "a page": (answer("<html>hello</html>"), "is no etcd: answered 200, and the answer is not valid JSON, it begins "),
    "another API": (answer('{"status":"ok"}'), "is no etcd: answered 200 and JSON without etcd's header"),
    "an array": (answer("[]"), "is no etcd: answered 200 and no object of JSON"),
    "nothing": (answer(""), "is no etcd: answered 200, and the answer is empty"),
    "a login page": (answer("", "302 Found", "Location: /login?next=x\r\n"), "answered 302 Found to http://127.0.0.1"),
    "not found": (answer("no", "404 Not Found"), "is no etcd: answered 404 to /v3 and 404 to /version"),
    "nginx": (answer("<h1>Bad Gateway</h1>", "502 Bad Gateway"), "is no etcd: answered 502, and "),
    "no leader": (
        answer('{"error":"etcdserver: no leader","message":"etcdserver: no leader","code":14}', "503 Unavailable"),
        "refused with 503: no leader",
    ),
    "full": (
        answer('{"error":"e","message":"etcdserver: mvcc: database space exceeded","code":8}', "429 Too Many"),
        "refused with 429: mvcc: database space exceeded",
    ),
    "huge": (answer(b"x" * 300_000), "the answer is larger than 262,144 bytes"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer in HTTP"),
    "nested": (answer("[" * 100_000), "is no etcd: answered 200, and the answer is JSON nested too deeply"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_etcd(what: str) -> None:
    """Every answer that is not etcd's is a reason, with the address it came from."""
    reply, sentence = BAD[what]

    def treat(server: Loopback, connection: socket.socket, number: int) -> None:
        connection.recv(65_536)
        connection.sendall(reply)
        if "HTTP" in what:
            return
        always(reply)(server, connection, number)

    with Loopback(treat) as server:
        assert failure(lease(server.url(credentials=f"user:{PASSWORD.replace('/', '%2f')}@"))).startswith(
            f"no answer from etcd: {server.url()}: {sentence}"
        )


def test_an_old_etcd() -> None:
    """Before 3.4 there is no /v3: the version says so."""
    with Loopback(old) as server:
        assert failure(lease(server.url())).endswith(
            "etcd 3.3.10 is too old, or its gateway is switched off: keeper needs 3.4 or later with it"
        )


def hang(server: Loopback, connection: socket.socket, _: int) -> None:
    server.stopping.wait(10)


def drip(server: Loopback, connection: socket.socket, _: int) -> None:
    server.drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000, 0.02)


@pytest.mark.parametrize("treat", [hang, drip])
def test_all_in_one_time(treat: Callable[[Loopback, socket.socket, int], None]) -> None:
    """Three endpoints that say nothing, or a byte at a time, cost one request_timeout together, not three."""
    timing = TIMING._replace(request_timeout=0.6)
    with Loopback(treat) as one, Loopback(treat) as two, Loopback(treat) as three:
        began = time.monotonic()
        sentence = failure(lease(one.url(), two.url(), three.url(), timing=timing))
        assert 0.5 < time.monotonic() - began < 0.9
        assert sentence.count("http://127.0.0.1") == 3


def test_a_bad_endpoint_beside_a_good_one(tmp_path: Path) -> None:
    """One that refuses, one that hangs, and one that does: the lease is had, and the good one is asked first then."""
    with Etcd(tmp_path / "good", 1) as etcd, Loopback(hang) as bad:
        store = lease(f"http://127.0.0.1:{free_port()}", bad.url(), *etcd.urls)
        grant = store.acquire()
        assert isinstance(grant, Grant)
        began = time.monotonic()
        assert isinstance(store.renew(grant), Grant)
        assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    "reply",
    [
        HEADER + "}",
        HEADER + ',"kvs":7}',
        HEADER + ',"kvs":[7]}',
        HEADER + ',"kvs":[{"key":"a2VlcGVyL2Vvc3N0b3JlL2xlYXNl","value":7,"create_revision":[]}]}',
        HEADER + ',"ID":"9","TTL":"1"}',
        HEADER + ',"ID":"9","TTL":"60","responses":[]}',
        HEADER + ',"ID":"9","TTL":"60","responses":[{"response_range":7}]}',
        HEADER + ',"ID":"9","TTL":' + "9" * 5000 + "}",
    ],
)
def test_etcds_header_and_nonsense(reply: str) -> None:
    """What looks like etcd's and is not what was asked for, never gives a lease and never raises anything else."""

    def treat(server: Loopback, connection: socket.socket, number: int) -> None:
        while connection.recv(65_536):
            connection.sendall(answer(reply))

    with Loopback(treat) as server:
        store = lease(server.url())
        with suppress(Unreachable):
            assert not isinstance(store.acquire(), Grant)
        with suppress(Unreachable):
            store.look()
