"""One bounded POST: what every kind of receiver makes of it."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from keeper.errors import Rejected, SendError
from keeper.notifiers.post import Poster, basic, bearer
from tests.notifiers.receiver import Answer, Receiver
from tests.peers import free_port, installed

SECRET = "pa55:w/rd"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def poster(url: str, timeout: float = 5.0, authorization: str = "", ca_file: str = "") -> Poster:
    return Poster(url, time.monotonic, timeout=timeout, authorization=authorization, ca_file=ca_file)


def test_posts_to_the_path_over_one_connection(receiver: Receiver) -> None:
    """The path and query of the address are kept, the connection too."""
    mail = poster(f"{receiver.url}/prefix/api?x=1")
    for n in range(3):
        mail.post(b'{"n": %d}' % n, {"X-Extra": "y"})
    received = receiver.received()
    assert [request.path for request in received] == ["/prefix/api?x=1"] * 3
    assert [request.json for request in received] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert len({request.connection for request in received}) == 1
    assert received[0].headers["Content-Type"] == "application/json"
    assert received[0].headers["X-Extra"] == "y"
    assert "Authorization" not in received[0].headers


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_accepted(receiver: Receiver, status: int) -> None:
    """Any 2xx, whatever the body."""
    receiver.script = lambda _: Answer(status, b"" if status == 204 else b"thank you")
    poster(receiver.url).post(b"{}")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refused_for_ever(receiver: Receiver, status: int) -> None:
    """These speak of the body: the same bytes will not do better. What was said against it is repeated, on one line."""
    receiver.script = lambda _: Answer(status, b'bad\nlabel \x1b[31m"x"')
    with pytest.raises(Rejected, match=rf'^refused it with {status}: bad label \[31m"x"$'):
        poster(receiver.url).post(b"{}")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 429, 500, 502, 503, 504])
def test_try_again(receiver: Receiver, status: int) -> None:
    """These speak of the receiver, a proxy, a password: a minute later it may be taken."""
    receiver.script = lambda _: Answer(status, b"not now")
    with pytest.raises(SendError, match=rf"^answered {status}: not now$"):
        poster(receiver.url).post(b"{}")


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    """Alerts go where the configuration says."""
    with Receiver() as elsewhere:
        receiver.script = lambda _: Answer(307, headers={"Location": elsewhere.url})
        with pytest.raises(SendError, match="answered 307, and redirects are not followed"):
            poster(receiver.url).post(b"{}")
        assert elsewhere.received() == []


def test_retry_after_in_seconds_and_as_a_date(receiver: Receiver) -> None:
    """Both forms of RFC 9110; the date is on the receiver's clock, whatever ours says. Nonsense is no wish."""
    mail = Poster(receiver.url, lambda: 1000.0)
    asked: list[float | None] = []
    for header in ("7", formatdate(time.time() + 120, usegmt=True), "soon", "-3", "9" * 400):
        receiver.script = lambda _, h=header: Answer(503, headers={"Retry-After": h})  # type: ignore[misc]
        with pytest.raises(SendError) as caught:
            mail.post(b"{}")
        asked.append(caught.value.retry_after)
    assert asked[0] == 7.0
    assert asked[1] == pytest.approx(120.0, abs=2.0)
    assert asked[2:4] == [None, None]
    assert asked[4] == 999_999_999.0


def test_measures_how_far_the_receivers_clock_is_ahead(receiver: Receiver) -> None:
    """From the Date of its answers, also of those that refuse."""
    mail = Poster(receiver.url, lambda: time.time() - 600.0)
    assert mail.ahead == 0.0
    receiver.script = lambda _: Answer(500)
    with pytest.raises(SendError):
        mail.post(b"{}")
    assert mail.ahead == pytest.approx(600.0, abs=2.0)


@pytest.mark.parametrize(("manner", "says"), [("hang", "no answer within 0.3 s"), ("drip_headers", "not complete")])
def test_all_of_it_within_the_timeout(receiver: Receiver, manner: str, says: str) -> None:
    """A receiver that says nothing, or a byte now and then for ever, holds us up for the timeout and no longer."""
    receiver.script = lambda _: Answer(manner=manner)
    with pytest.raises(SendError, match=says):
        poster(receiver.url, timeout=0.3).post(b"{}")


def test_a_body_without_end_changes_no_answer(receiver: Receiver) -> None:
    """200 is 200: the rest costs the connection, not the delivery; it is not read beyond 64 KiB."""
    mail = poster(receiver.url, timeout=0.3)
    receiver.script = lambda _: Answer(manner="drip_body")
    mail.post(b"{}")
    receiver.script = lambda _: Answer(body=b"x" * 5_000_000)
    mail.post(b"{}")
    receiver.script = lambda _: Answer(500, body=b"x" * 5_000_000)
    with pytest.raises(SendError, match=r"^answered 500: x{199}…$"):
        mail.post(b"{}")


def test_headers_without_end(receiver: Receiver) -> None:
    """Are not read to their end."""
    for headers in ({"X": "z" * 70_000}, {f"X-{n}": "y" * 2000 for n in range(90)}):
        receiver.script = lambda _, h=headers: Answer(headers=h)  # type: ignore[misc]
        with pytest.raises(SendError, match=r"header without end|more than 131,072 bytes"):
            poster(receiver.url).post(b"{}")


def test_hanging_up_without_an_answer(receiver: Receiver) -> None:
    """On a fresh connection that is a failure."""
    receiver.script = lambda _: Answer(manner="close")
    with pytest.raises(SendError, match="closed the connection without an answer"):
        poster(receiver.url).post(b"{}")
    assert len(receiver.received()) == 1


def test_a_kept_connection_that_is_gone_is_no_failure(receiver: Receiver) -> None:
    """Receivers close idle connections: the notice goes over a new one at once."""
    mail = poster(receiver.url)
    receiver.script = lambda _: Answer(manner="last")
    mail.post(b"1")
    receiver.script = lambda _: Answer()
    mail.post(b"2")
    kept = receiver.received()[-1].connection
    receiver.script = lambda request: Answer(manner="close" if request.connection == kept else "whole")
    mail.post(b"3")
    assert [request.body for request in receiver.received()] == [b"1", b"2", b"3", b"3"]


def test_nobody_listens() -> None:
    """Connection refused, said as that."""
    with pytest.raises(SendError, match=r"^connection refused$"):
        poster(f"http://127.0.0.1:{free_port()}").post(b"{}")


def test_a_name_nobody_knows() -> None:
    """The name is wrong or the resolver is down: both may be over later."""
    with pytest.raises(SendError, match="host name cannot be resolved"):
        poster("http://nowhere.invalid").post(b"{}")


def test_what_does_not_speak_http() -> None:
    """Some other service listens on the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(65536)

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(SendError, match="does not answer in HTTP"):
            poster(f"http://127.0.0.1:{server.getsockname()[1]}").post(b"{}")


@pytest.mark.parametrize("how", ["url", "basic", "bearer"])
def test_credentials_are_sent_and_never_shown(receiver: Receiver, how: str) -> None:
    """In the header, and in no message, though the receiver repeats what it got."""
    host = f"127.0.0.1:{receiver.port}"
    login = {"url": "", "basic": basic("anna", SECRET), "bearer": bearer(SECRET)}[how]
    mail = poster(f"http://anna:pa55%3Aw%2Frd@{host}" if how == "url" else f"http://{host}", authorization=login)
    mail.post(b"{}")
    sent = receiver.received()[0].headers["Authorization"]
    assert sent == (bearer(SECRET) if how == "bearer" else basic("anna", SECRET))
    assert "anna" not in receiver.received()[0].headers["Host"]
    receiver.script = lambda _: Answer(400, f"you sent {sent} ({SECRET})".encode())
    with pytest.raises(Rejected) as refused:
        mail.post(b"{}")
    receiver.script = lambda _: Answer(manner="close")
    with pytest.raises(SendError) as failed:
        mail.post(b"{}")
    for error in (refused, failed):
        assert sent.split()[1] not in str(error.value)
        assert how == "basic" or SECRET not in str(error.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    place = tmp_path_factory.mktemp("tls")
    files = (str(place / "cert.pem"), str(place / "key.pem"))
    command = [installed("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=am"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, capture_output=True)
    return files


def test_tls_with_its_own_certificates(certificate: tuple[str, str], tmp_path: Path) -> None:
    """`ca_file` makes a private authority trusted; without it the same receiver is not; a missing file is said."""
    with Receiver(certificate=certificate) as receiver:
        poster(receiver.url, ca_file=certificate[0]).post(b"{}")
        assert len(receiver.received()) == 1
        with pytest.raises(SendError, match="TLS certificate is not valid"):
            poster(receiver.url).post(b"{}")
        with pytest.raises(SendError, match=r"none\.pem cannot be read"):
            poster(receiver.url, ca_file=str(tmp_path / "none.pem")).post(b"{}")
        assert len(receiver.received()) == 1


def test_nothing_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy for the shell of whoever started keeper is not the way to the Alertmanager."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    poster(receiver.url).post(b"{}")
    assert len(receiver.received()) == 1
