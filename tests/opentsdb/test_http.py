"""Points by HTTP, to a real VictoriaMetrics (with a real vmauth before it) and to servers that refuse and misbehave."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keeper.opentsdb.http import REQUESTS, Http
from keeper.opentsdb.outcome import NotSent, Refused, Sent
from keeper.opentsdb.put import Point
from keeper.opentsdb.terms import HTTP, Target, Terms
from tests.notifiers.receiver import Answer, Receiver, Request
from tests.opentsdb.tsd import certificate
from tests.peers import free_port, installed
from tests.peers.ask import eventually, listens
from tests.peers.process import Program
from tests.peers.victoria import Victoria

LINES = [b"m.x %d %d host=a n=%d" % (1_700_000_000 + number, number, number % 9) for number in range(1000)]
SECRET = "s3cr3t-pässword"


def way(port: int, host: str = "127.0.0.1", **terms: Any) -> Http:
    return Http(Target(host, port), Terms((), way=HTTP, **terms), time.time)


def failure(http: Http, lines: list[bytes] = LINES) -> NotSent:
    with pytest.raises(NotSent) as raised:
        http.send(lines)
    assert SECRET not in str(raised.value)
    return raised.value


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    with Victoria(tmp_path_factory.mktemp("victoria"), "") as running:
        yield running


@pytest.mark.parametrize(("host", "packed"), [("127.0.0.1", False), ("::1", False), ("127.0.0.1", True)])
def test_a_real_tsd_has_every_point_once_when_send_returns(victoria: Victoria, host: str, packed: bool) -> None:
    """Over IPv4 and IPv6, and compressed; a millisecond stays one."""
    metric = f"http.{host}.{packed}".replace(":", "-")
    lines = [line.replace(b"m.x", metric.encode()) for line in LINES]
    assert way(victoria.put, host, gzip=packed).send([*lines, b"%s 1700009999123 -1.5 a=b" % metric.encode()]) == Sent(
        1001
    )
    expected = {(number, (1_700_000_000 + number) * 1000): 1 for number in range(1000)}
    assert victoria.points(metric) == expected | {(-1.5, 1_700_009_999_123): 1}


def test_basic_authentication_and_tls_before_a_real_tsd(victoria: Victoria, tmp_path: Path) -> None:
    """vmauth, VictoriaMetrics' own proxy, wants a password over TLS. It answers 400 to a wrong one, as to no
    TLS: nothing is lost for that, and no password is shown."""
    cert, key, _ = certificate(tmp_path)
    users = [{"username": "keeper", "password": SECRET, "url_prefix": f"http://127.0.0.1:{victoria.put}/"}]
    (tmp_path / "auth.yml").write_text(json.dumps({"users": users}))
    port = free_port()
    command = [installed("vmauth"), f"-auth.config={tmp_path / 'auth.yml'}", f"-httpListenAddr=127.0.0.1:{port}"]
    command += ["-tls", f"-tlsCertFile={cert}", f"-tlsKeyFile={key}"]
    lines = [line.replace(b"m.x", b"http.auth") for line in LINES]
    with Program("vmauth", command, tmp_path / "vmauth.log") as program:
        program.start(lambda: listens(port))
        known: dict[str, Any] = {"tls": True, "ca_file": str(cert), "user": "keeper"}
        assert way(port, **known, password=SECRET).send(lines) == Sent(1000)
        few = lines[:3]  # it does not read a longer body before it answers, and closes: a reset may come first
        error = failure(way(port, **known, password=f"{SECRET}x"), few)
        assert "cannot find the provided auth token" in str(error)
        assert error.rest == few
        error = failure(way(port, tls=True, user="keeper", password=SECRET))
        assert "its TLS certificate is not valid" in str(error)
        assert not error.unknown
        error = failure(way(port), LINES[:3])
        assert (error.part, error.rest) == (
            Sent(),
            LINES[:3],
        )  # whether its 400 or a reset came first
    assert sum(victoria.points("http.auth").values()) == 1000


Judge = Callable[[Point], str]
Shape = Callable[[list[Point], list[tuple[Point, str]]], Answer]


def opentsdb(taken: list[Point], judge: Judge, shape: Shape) -> Callable[[Request], Answer]:
    """Take the points `judge` says nothing about, each by itself as OpenTSDB does, and answer in a shape."""

    def script(request: Request) -> Answer:
        errors = [(point, why) for point in request.json if (why := judge(point))]
        good = [point for point in request.json if not judge(point)]
        answer = shape(good, errors) if errors else Answer(204)
        if not errors or answer.headers.get("took"):
            taken.extend(good)
        return answer

    return script


def detailed(good: list[Point], errors: list[tuple[Point, str]]) -> Answer:
    told = [{"datapoint": {**point, "value": str(point["value"])}, "error": why} for point, why in errors]
    body = {"success": len(good), "failed": len(errors), "errors": told}
    return Answer(400, json.dumps(body).encode(), {"took": "yes"})


def plain(_good: list[Point], _errors: list[tuple[Point, str]]) -> Answer:
    return Answer(400, b"bad points there")


def silly(point: Point) -> str:
    return "Unknown metric" if point["metric"] == "bad" else ""


@pytest.mark.parametrize("shape", [detailed, plain])
@pytest.mark.parametrize("bad", [[0], [999], [3, 500, 501, 777]])
def test_the_good_points_of_a_batch_arrive_once(shape: Shape, bad: list[int]) -> None:
    """Named by the TSD, or found by halving: the bad ones are refused, each with the reason."""
    lines = [line.replace(b"m.x", b"bad") if number in bad else line for number, line in enumerate(LINES)]
    taken: list[Point] = []
    with Receiver(opentsdb(taken, silly, shape)) as receiver:
        sent = way(receiver.port).send(lines)
        requests = len(receiver.received())
    why = "Unknown metric" if shape is detailed else "400: bad points there"
    assert sent.accepted == 1000 - len(bad)
    assert sorted(sent.refused) == sorted(Refused(lines[number], why) for number in bad)
    assert sorted(str(point["value"]) for point in taken) == sorted(
        str(number) for number in range(1000) if number not in bad
    )
    assert requests == 1 if shape is detailed else requests <= REQUESTS


def test_many_bad_points_take_several_turns() -> None:
    """The requests of one turn are bounded, each turn settles something, and all ends well."""
    lines = [line.replace(b"m.x", b"bad") if number % 3 == 0 else line for number, line in enumerate(LINES[:300])]
    taken: list[Point] = []
    accepted = refused = turns = 0
    with Receiver(opentsdb(taken, silly, lambda _good, _errors: Answer(400))) as receiver:
        http = way(receiver.port)
        while lines:
            turns += 1
            try:
                sent, lines = http.send(lines), []
            except NotSent as error:
                assert error.part.accepted or error.part.refused
                assert error.rest is not None
                sent, lines = error.part, list(error.rest)
            accepted += sent.accepted
            refused += len(sent.refused)
            assert len(receiver.received()) <= turns * REQUESTS
    assert (accepted, refused, len(taken)) == (200, 100, 200)


def test_what_refuses_everything_is_believed_only_if_it_is_a_tsd() -> None:
    """A proxy's 400 loses nothing; OpenTSDB's own error does settle a point."""
    error_object = b'{"error":{"code":400,"message":"Unable to parse the given JSON"}}'
    with Receiver(lambda _: Answer(400, b"<html>plain HTTP on a TLS port</html>")) as receiver:
        error = failure(way(receiver.port), LINES[:20])
        assert "refuses every point with '400: <html>plain HTTP" in str(error)
        assert error.rest == LINES[:20]
        assert error.part == Sent()
        receiver.script = lambda _: Answer(400, error_object)
        sent = way(receiver.port).send(LINES[:2])
        assert sent == Sent(0, tuple(Refused(line, "400: Unable to parse the given JSON") for line in LINES[:2]))


def test_a_batch_that_is_too_large_is_halved_from_then_on() -> None:
    """413 for more than 10 kB: all arrives, and later batches are cut at once; one point alone is refused."""
    taken: list[Point] = []

    def script(request: Request) -> Answer:
        if len(request.body) > 10_000:
            return Answer(413)
        taken.extend(request.json)
        return Answer(204)

    with Receiver(script) as receiver:
        http = way(receiver.port)
        assert http.send(LINES) == Sent(1000)
        assert len(taken) == 1000
        before = len(receiver.received())
        assert http.send(LINES) == Sent(1000)
        assert all(len(request.body) <= 10_000 for request in receiver.received()[before:])
        assert http.send([b"m 1 1 a=b", b"m 1 1 a=" + b"b" * 20_000]).refused[0].why == "413"


@pytest.mark.parametrize(
    ("answer", "sentence", "retry_after", "unknown"),
    [
        (Answer(401), "answers 401: it wants a user and password, or others than these", 60.0, False),
        (Answer(403), "answers 403: this user may not put points there", 60.0, False),
        (Answer(404), "answers 404: there is no such path; mend the path", 60.0, False),
        (Answer(302), "answers 302, and redirects are not followed; configure the final address", 60.0, False),
        (Answer(418, b"tea"), "answers 418: tea", 60.0, False),
        (Answer(503, b"busy", {"Retry-After": "7"}), "answers 503: busy", 7.0, False),
        (Answer(429), "answers 429", None, False),
        (Answer(500, b"oops " + SECRET.encode()), "answers 500: oops ***", None, True),
        (Answer(502), "answers 502", None, True),
        (Answer(manner="close"), "closed the connection without an answer", None, True),
        (Answer(manner="hang"), "no answer within 0.5 s", None, True),
        (Answer(manner="drip_headers"), r"the answer was not complete after 0.5 s", None, True),
    ],
)
def test_trouble(answer: Answer, sentence: str, retry_after: float | None, unknown: bool) -> None:
    """Each has its sentence, how soon to try again and whether points may have arrived; nothing is settled."""
    with Receiver(lambda _: answer) as receiver:
        timeout = 0.5 if "0.5" in sentence else 20.0
        error = failure(way(receiver.port, user="keeper", password=SECRET, timeout=timeout))
        assert receiver.received()[0].path == "/api/put?details"
    assert str(error).startswith(sentence)
    assert (error.retry_after, error.unknown) == (retry_after, unknown)
    assert (error.part, error.rest) == (Sent(), LINES)


def test_a_date_in_retry_after_is_of_the_servers_clock() -> None:
    dates = {"Retry-After": "Fri, 01 Jan 2100 00:00:40 GMT"}
    with Receiver(lambda _: Answer(503, headers=dates)) as receiver:
        error = failure(way(receiver.port))
    assert error.retry_after is not None
    assert error.retry_after > 60.0


@pytest.mark.parametrize("manner", ["drip_body", "whole"])
def test_the_status_stands_whatever_the_body_does(manner: str) -> None:
    """Endless or huge: the answer is bounded, and the points are accepted."""
    with Receiver(lambda _: Answer(200, b" " * 9_000_000, manner=manner)) as receiver:
        assert way(receiver.port, timeout=0.5).send(LINES) == Sent(1000)


def test_its_own_trouble_in_the_details_is_tried_again() -> None:
    with Receiver(opentsdb([], lambda point: "Please throttle" if point["value"] == 7 else "", detailed)) as receiver:
        error = failure(way(receiver.port))
    assert str(error) == "says 'Please throttle'"
    assert error.rest == LINES


def test_what_happens_in_the_middle_keeps_what_was_settled() -> None:
    """The first half taken, then the server fails: only the second half is left."""

    def script(request: Request) -> Answer:
        if len(request.json) > 500:
            return Answer(413)
        return Answer(204) if request.json[0]["value"] == 0 else Answer(503)

    with Receiver(script) as receiver:
        error = failure(way(receiver.port))
    assert error.part.accepted > 0
    assert error.rest == LINES[error.part.accepted :]


def test_nothing_leaves_without_a_connection() -> None:
    error = failure(way(free_port()))
    assert (str(error), error.unknown) == ("connection refused", False)
    error = failure(way(4242, "no-such-host.invalid"))
    assert str(error).startswith("the host name cannot be resolved")
    assert not error.unknown
    error = failure(way(4242, tls=True, ca_file="/none.pem"))
    assert "/none.pem cannot be read" in str(error)


def test_a_reset_while_connecting_is_an_answer_too() -> None:
    """A listener that goes away in that moment, as one does that is stopped: a sentence, and nothing has left."""
    port = free_port()
    over = threading.Event()

    def flap() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                socket.create_server(("127.0.0.1", port)).close()

    def was_reset() -> bool:
        error = failure(way(port), LINES[:1])
        return str(error) == "reset the connection" and not error.unknown

    threading.Thread(target=flap, daemon=True).start()
    try:
        eventually(was_reset, "a reset while connecting", every=0)
    finally:
        over.set()


def test_a_line_that_is_no_point_never_poisons_a_batch() -> None:
    """It is refused here; the others leave, compressed if that is wanted, as JSON that has numbers."""
    with Receiver() as receiver:
        sent = way(receiver.port, path="/a/b?c=d", gzip=True).send([b"m 1 nan a=b", b"m 2 1.5 a=b"])
        [request] = receiver.received()
    assert sent == Sent(1, (Refused(b"m 1 nan a=b", "not a point"),))
    assert request.path == "/a/b?c=d&details"
    assert json.loads(gzip.decompress(request.body)) == [
        {"metric": "m", "timestamp": 2, "value": 1.5, "tags": {"a": "b"}}
    ]
