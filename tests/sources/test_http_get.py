"""One bounded HTTP request, against real servers that do everything servers should not."""

from __future__ import annotations

import gzip
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.errors import SourceError
from keeper.runtime.clock import Clock
from keeper.sources.http_get import Http, HttpAnswer, shown
from tests.peers import free_port, require
from tests.sources.loopback import Loopback, always, answer, reset

Treat = Callable[[Loopback, socket.socket, int], None]

NOW = Clock().now


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http(NOW)
    yield http
    http.close()


def failure(http: Http, url: str, timeout: float = 5.0, max_bytes: int = 65_536) -> str:
    """The reason why the request fails."""
    with pytest.raises(SourceError) as raised:
        http.get(url, timeout, max_bytes)
    return str(raised.value)


def once(reply: bytes) -> Treat:
    """Answer one request and close."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        server.head(connection)
        connection.sendall(reply)

    return treat


def endless(head: bytes, piece: bytes) -> Treat:
    """Answer with `head` and then `piece` for ever, as fast as the client takes it."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        server.head(connection)
        connection.sendall(head)
        while not server.stopping.is_set():
            connection.sendall(piece)

    return treat


def resetting(server: Loopback, connection: socket.socket, _: int) -> None:
    server.head(connection)
    reset(connection)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_an_answer_comes_whole_and_the_connection_is_kept(http: Http) -> None:
    """Body, status and time of each answer are returned, and ten requests need one connection."""
    with Loopback(always(answer('{"a": 1}'), answer("no", "404 Not Found"))) as server:
        first = http.get(server.url("/x"), 5.0)
        assert (first.status, first.body) == (200, b'{"a": 1}')
        assert 0 < first.took < 1
        for _ in range(9):
            assert http.get(server.url("/x"), 5.0)[:2] == (404, b"no")
        assert server.connections == 1
        assert server.requests[0].startswith("GET /x HTTP/1.1\r\n")
        assert "Accept-Encoding: identity\r\n" in server.requests[0]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=odd\r\nConnection: close\r\n\r\nabcde",
        b"HTTP/1.0 200\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nabcde",
    ],
    ids=["chunked", "continue", "until close", "http 1.0", "bare newlines"],
)
def test_every_way_to_frame_a_body(http: Http, reply: bytes) -> None:
    """Chunks, lengths and the end of the connection all end a body, whatever its type is called."""
    with Loopback(once(reply)) as server:
        assert http.get(server.url(), 5.0)[:2] == (200, b"abcde")


def test_a_body_may_be_as_large_as_allowed_and_no_larger(http: Http) -> None:
    """The limit itself is allowed, one byte more is a failure, in chunks of one byte too."""
    chunks = b"1\r\nx\r\n" * 1_000
    replies = (
        answer("x" * 1_000),
        answer("x" * 1_001),
        CHUNKED + chunks + b"0\r\n\r\n",
        CHUNKED + chunks + b"1\r\nx\r\n0\r\n\r\n",
    )
    with ExitStack() as stack:
        full, over, full_chunks, over_chunks = (stack.enter_context(Loopback(once(r))).url() for r in replies)
        assert http.get(full, 5.0, 1_000).body == b"x" * 1_000
        assert failure(http, over, max_bytes=1_000) == "the answer is larger than 1,000 bytes"
        assert http.get(full_chunks, 5.0, 1_000).body == b"x" * 1_000
        assert failure(http, over_chunks, max_bytes=1_000) == "the answer is larger than 1,000 bytes"


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("treat", "reasons"),
    [
        (endless(CHUNKED, b"8000\r\n" + b"x" * 32_768 + b"\r\n"), "is larger than"),
        (endless(HEAD + b"Content-Length: 2147483648\r\n\r\n", b"x" * 65_536), "is larger than"),
        (endless(HEAD + b"\r\n", b"x" * 65_536), "is larger than"),
        (endless(HEAD, b"X-Header: " + b"x" * 40_000 + b"\r\n"), "sent more than 65,536 bytes and no end"),
        (endless(HEAD + b"X-Header: ", b"x" * 65_536), "without end|sent more than 65,536 bytes"),
        (endless(b"", b"x" * 65_536), "does not answer in HTTP|without end|sent more than 65,536 bytes"),
        (endless(HEAD, b"a: b\r\n"), "does not answer in HTTP"),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "sent more than 65,536 bytes and no end"),
        (endless(CHUNKED + b"0\r\n", b"T: x\r\n" * 1_000), "bytes and no end"),
        (endless(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\nx\r\n"), "bytes and no end"),
    ],
    ids=["chunks", "2 GB announced", "until close", "headers", "one header", "status line", "small headers",
         "continue", "trailers", "chunk extensions"],
)  # fmt: skip
def test_an_answer_without_end_ends_by_its_size(http: Http, treat: Treat, reasons: str) -> None:
    """Whatever part of an answer never ends, it costs bounded memory and fails long before the deadline."""
    with Loopback(treat) as server:
        tracemalloc.start()
        try:
            with pytest.raises(SourceError, match=reasons):
                http.get(server.url(), 20.0, 65_536)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # Client and server share the process: the body, twice while it is joined, and the buffers of both.
        assert peak < 1_500_000


@pytest.mark.parametrize(
    ("head", "slowly", "reason"),
    [
        (b"", b"", "no answer within 0.3 s"),
        (b"", HEAD * 100, "the answer was not complete after 0.3 s"),
        (HEAD, b"X-Header: " + b"x" * 1_000, "the answer was not complete after 0.3 s"),
        (HEAD + b"Content-Length: 1000\r\n\r\n", b"x" * 1_000, "the answer was not complete after 0.3 s"),
        (HEAD + b"Content-Length: 1000\r\n\r\n", b"", "the answer was not complete after 0.3 s"),
        (CHUNKED, b"1\r\nx\r\n" * 100, "the answer was not complete after 0.3 s"),
        (HEAD + b"\r\n", b"x" * 1_000, "the answer was not complete after 0.3 s"),
    ],
    ids=["silent", "status line", "header", "body", "silent body", "chunks", "until close"],
)
def test_a_slow_drip_ends_at_the_deadline(http: Http, head: bytes, slowly: bytes, reason: str) -> None:
    """A server that sends a byte now and then, in headers or body, gets no more time than one that sends nothing."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        server.head(connection)
        connection.sendall(head)
        server.drip(connection, slowly, 0.02)
        server.stopping.wait(10)

    with Loopback(treat) as server:
        began = NOW()
        assert failure(http, server.url(), timeout=0.3).startswith(reason)
        assert 0.29 < NOW() - began < 3


def test_a_connection_that_is_never_accepted_ends_at_the_deadline(http: Http) -> None:
    """Where connecting itself hangs (here: a full backlog), the deadline holds too."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        began = NOW()
        assert failure(http, f"http://127.0.0.1:{full.getsockname()[1]}", timeout=0.3) == "no answer within 0.3 s"
        assert 0.29 < NOW() - began < 3


@pytest.mark.parametrize(
    ("treat", "reason"),
    [
        (lambda s, c, n: None, "closed the connection without an answer|reset the connection"),
        (once(b""), "closed the connection without an answer"),
        (resetting, "reset the connection"),
        (once(HEAD + b"Content-Length: 10\r\n\r\nabc"), "closed the connection in the middle of the answer"),
        (once(CHUNKED + b"5\r\nabc"), "closed the connection in the middle of the answer"),
        (once(CHUNKED + b"odd\r\nabc"), "closed the connection in the middle of the answer"),
        (once(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not answer in HTTP"),
        (once(b"HTTP/1.1 abc OK\r\n\r\n"), "does not answer in HTTP"),
        (once(answer(gzip.compress(b"0" * 10_000_000), headers="Content-Encoding: gzip\r\n")),
         r"the answer is encoded \(gzip\) though that was not asked for"),
    ],
    ids=["closed at once", "closed", "reset", "short body", "short chunk", "odd chunk", "ssh", "odd status", "bomb"],
)  # fmt: skip
def test_a_broken_answer_says_what_broke(http: Http, treat: Treat, reason: str) -> None:
    """A connection that breaks, at any point, or speaks something else, fails with what happened, at the first try."""
    with Loopback(treat) as server:
        with pytest.raises(SourceError, match=f"^({reason})$"):
            http.get(server.url(), 5.0)
        assert server.connections == 1


def test_a_reset_in_the_middle(http: Http) -> None:
    """A reset while the body is read is a failure, and the next request gets a new connection."""
    taken = threading.Event()

    def treat(server: Loopback, connection: socket.socket, number: int) -> None:
        server.head(connection)
        if number > 1:
            connection.sendall(answer("ok"))
            return
        connection.sendall(HEAD + b"Content-Length: 10\r\n\r\nabc")
        taken.wait(0.1)
        reset(connection)

    with Loopback(treat) as server:
        assert failure(http, server.url()) == "reset the connection"
        assert http.get(server.url(), 5.0).body == b"ok"


def test_nobody_listens(http: Http) -> None:
    """A refused connection is a failure at once."""
    assert failure(http, f"http://127.0.0.1:{free_port()}/") == "connection refused"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://nobody.invalid/", "the host name cannot be resolved: "),
        ("http://" + "a" * 70 + ".invalid/", "the host name cannot be resolved: "),
        ("nothing", "the address is not a URL like http://127.0.0.1:8888"),
        ("ftp://127.0.0.1/", "the address is not a URL like http://127.0.0.1:8888"),
        ("http://127.0.0.1:99999/", "the address is not a URL like http://127.0.0.1:8888"),
        ("http://[::1/", "the address is not a URL like http://127.0.0.1:8888"),
        ("http://user:secret@/", "the address is not a URL like http://127.0.0.1:8888"),
    ],
)
def test_an_address_that_leads_nowhere(http: Http, url: str, reason: str) -> None:
    """A name nobody knows and a text that is no URL fail like everything else, with a reason."""
    assert failure(http, url).startswith(reason)


def test_a_connection_the_server_closed_while_idle_is_no_failure(http: Http) -> None:
    """A kept connection that the server has closed meanwhile is replaced without anybody noticing."""
    closed = threading.Event()

    def treat(server: Loopback, connection: socket.socket, number: int) -> None:
        server.head(connection)
        connection.sendall(answer(str(number)))
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with Loopback(treat) as server:
        assert http.get(server.url(), 5.0).body == b"1"
        assert closed.wait(5)
        assert http.get(server.url(), 5.0).body == b"2"


@pytest.mark.parametrize("end", [reset, socket.socket.close], ids=["reset", "close"])
def test_a_connection_closed_in_the_moment_of_asking_is_asked_again(
    http: Http, end: Callable[[socket.socket], None]
) -> None:
    """A server that closes a kept connection just as the request arrives is asked once more, on a new connection."""

    def treat(server: Loopback, connection: socket.socket, number: int) -> None:
        server.head(connection)
        connection.sendall(answer(str(number)))
        server.head(connection)
        if number < 3:
            end(connection)

    with Loopback(treat) as server:
        assert http.get(server.url(), 5.0).body == b"1"
        assert http.get(server.url(), 5.0).body == b"2"
        assert len(server.requests) == 3


def test_a_kept_connection_that_breaks_in_the_answer_is_a_failure(http: Http) -> None:
    """Once a byte of the answer has come, the request is not repeated."""

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        for reply in (answer("ok"), b"HTTP/1.1 2"):
            server.head(connection)
            connection.sendall(reply)

    with Loopback(treat) as server:
        http.get(server.url(), 5.0)
        assert failure(http, server.url()) == "does not answer in HTTP"
        assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(http: Http, status: int) -> None:
    """A redirect is a failure that names the target, without the credentials in it, and its body is not read."""
    target = "https://user:secret@other.example:8443/v1/?token=secret#x"
    reply = endless(f"HTTP/1.1 {status} Go\r\nLocation: {target}\r\n\r\n".encode(), b"x" * 65_536)
    with Loopback(reply) as server:
        reason = failure(http, server.url())
        assert reason.startswith(f"answered {status} ")
        assert reason.endswith(" to https://other.example:8443/v1, and redirects are not followed")
        assert server.connections == 1


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v2/x?y", "HERE/v2/x"),
        ("//user:secret@other.example/", "http://other.example"),
        ("http://[::1", "something that is no address"),
        ("/" + "x" * 500, "…"),
        ("/\x1b[31m\x85", "HERE"),
    ],
)
def test_an_odd_redirect_is_shown_with_care(http: Http, location: str, target: str) -> None:
    """A relative target is shown whole; what a stranger sends is shown short, printable and without credentials."""
    with Loopback(once(f"HTTP/1.1 302 Go\r\nLocation: {location}\r\n\r\n".encode("latin-1"))) as server:
        reason = failure(http, server.url(credentials="me:mine@"))
        assert target.replace("HERE", server.url()) in reason
        assert reason.isprintable()
        assert len(reason) < 300
        assert "secret" not in reason and "mine" not in reason


def test_credentials_are_sent_and_never_shown() -> None:
    """A user and password in the URL are sent as basic authentication, and no failure shows them."""
    credentials = "user:s%20cret@"
    with ExitStack() as stack:

        def reason(treat: Treat) -> str:
            server = stack.enter_context(Loopback(treat))
            return failure(Http(NOW), server.url("/p?token=s%20cret", credentials), timeout=0.2)

        with Loopback(always(answer("ok"))) as server:
            assert Http(NOW).get(server.url(credentials=credentials), 5.0).body == b"ok"
            assert "Authorization: Basic dXNlcjpzIGNyZXQ=\r\n" in server.requests[0]
        reasons = [
            reason(lambda s, c, n: None),
            reason(lambda s, c, n: (s.head(c), s.stopping.wait(5), None)[2]),
            reason(once(b"nonsense")),
            reason(once(HEAD + b"Content-Length: 10\r\n\r\nabc")),
            reason(once(b"HTTP/1.1 302 Go\r\nLocation: ?x\r\n\r\n")),
            failure(Http(NOW), f"http://{credentials}127.0.0.1:{free_port()}/"),
            failure(Http(NOW), f"http://{credentials}nobody.invalid/"),
            failure(Http(NOW), f"http://{credentials}127.0.0.1:99999/"),
            failure(Http(NOW), f"https://{credentials}127.0.0.1:{free_port()}/"),
        ]
    assert not [r for r in reasons if "cret" in r or "user" in r]


def test_proxies_of_the_environment_are_ignored(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """keeper asks the node itself, whatever proxy its environment names."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with Loopback(always(answer("ok"))) as server:
        assert http.get(server.url(), 5.0).body == b"ok"


def test_cookies_are_not_kept(http: Http) -> None:
    """What a server wants remembered is forgotten."""
    with Loopback(always(answer("ok", headers="Set-Cookie: a=b\r\n"))) as server:
        http.get(server.url(), 5.0)
        http.get(server.url(), 5.0)
        assert "cookie" not in server.requests[1].lower()


def test_ipv6(http: Http) -> None:
    """An IPv6 address in brackets is asked like any other."""
    require(socket.has_ipv6 and _has_ipv6_loopback(), "no IPv6 loopback on this machine")
    with Loopback(always(answer("ok")), host="::1") as server:
        assert http.get(server.url(), 5.0).body == b"ok"
        assert f"Host: [::1]:{server.port}\r\n" in server.requests[0]


def test_a_host_with_two_addresses_is_asked_at_the_one_that_answers(http: Http) -> None:
    """A name that leads to ::1 and 127.0.0.1 works with a server on the latter alone."""
    with Loopback(always(answer("ok"))) as server:
        assert http.get(f"http://localhost:{server.port}/", 5.0).body == b"ok"


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200)
    | st.builds(
        lambda head, cut, odd, body: head[:cut] + odd + head[cut:] + body,
        st.sampled_from([
            HEAD + b"Content-Length: 5\r\n\r\n",
            CHUNKED,
            HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n",
            b"HTTP/1.0 204 No Content\r\nSet-Cookie: a\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://x\r\n\r\n",
        ]),
        st.integers(min_value=0, max_value=60),
        st.binary(max_size=6) | st.sampled_from([b"\r\n", b"\n", b":", b"\x00", b"-", b"Content-Length: -1\r\n"]),
        st.binary(max_size=20) | st.sampled_from([b"5\r\nabcde\r\n0\r\n\r\n", b"-5\r\nabcde\r\n", b"abcde"]),
    )
)  # fmt: skip
def test_no_bytes_of_a_server_break_the_request(reply: bytes) -> None:
    """Whatever bytes a server sends, the request ends with an answer or with a printable reason."""
    http = Http(NOW)
    with Loopback(once(reply)) as server:
        try:
            assert isinstance(http.get(server.url(), 2.0, 1_000), HttpAnswer)
        except SourceError as error:
            assert str(error).isprintable()
        finally:
            http.close()


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("http://127.0.0.1:8888", "http://127.0.0.1:8888"),
        ("http://127.0.0.1:8888/", "http://127.0.0.1:8888"),
        ("https://user:p@ss@one.example/wax/?key=1#2", "https://one.example/wax"),
        ("http://user@[::1]:8888", "http://[::1]:8888"),
    ],
)
def test_an_address_as_it_may_be_shown(url: str, label: str) -> None:
    """Scheme, host, port and path are shown; credentials, query and fragment are not."""
    assert shown(url) == label


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
