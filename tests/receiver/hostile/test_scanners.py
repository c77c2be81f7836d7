"""Scanners, other methods, queries, ids and credentials that are none."""

from __future__ import annotations

import pytest

from tests.receiver.hostile.target import LINE, MAX_BODY, TEXT, Target, refused
from tests.receiver.wire import Wire, ask, request


@pytest.mark.parametrize(
    "path", ["/admin", "/.env", "/wp-login.php", "//", "/../../etc/passwd", "/%2e%2e/", "/\xff", "/;", "/?"]
)
def test_scanners(target: Target, path: str) -> None:
    """404 without a look at the body, however large it says it is."""
    answer = ask(target.address, request(method="GET", path=path))
    if path != "/?":
        refused(answer, 400, 404)
    with Wire(target.address) as wire:
        wire.send(f"POST {path}x HTTP/1.1\r\nHost: a\r\nContent-Length: {MAX_BODY - 1}\r\n\r\n".encode("latin-1"))
        if path != "/?":
            refused(wire.answer(), 400, 404)
            assert wire.closed()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "HEAD", "PROPFIND", "GET"])
def test_other_methods(target: Target, method: str) -> None:
    with Wire(target.address) as wire:
        wire.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        if method == "HEAD":
            assert b" 405 " in wire.socket.recv(4096)
        else:
            refused(wire.answer(), 400, 404, 405)


@pytest.mark.parametrize("name", ["source", "packet_id"])
def test_queries_that_are_none(target: Target, name: str) -> None:
    """Too many, too long, or of bytes that are no text: an answer, and not a mistake of ours."""
    for query in ("&".join([f"{name}=1"] * 500), f"{name}=%ff%00", f"{name}", f"{name}={'9' * 5000}", f"{name}=\xff"):
        answer = ask(target.address, request(LINE, TEXT, path=f"/log/x?{query}"))
        assert answer is not None
        assert answer.status in (200, 400, 401, 431), answer


@pytest.mark.parametrize(
    "value", ["", "\xff\xfe", "a" * 5000, '"//"', "9" * 300, "-1", "1e3", "\u0661".encode().decode("latin-1")]
)
def test_ids_that_are_none(target: Target, value: str) -> None:
    answer = ask(target.address, request(LINE, TEXT, f"Idempotency-Key: {value}", path="/log/x"))
    assert answer is not None
    assert answer.status in (200, 400), answer


@pytest.mark.parametrize(
    "value", ["Basic", "Basic !!!", "Bearer", "Bearer " + "x" * 9000, "Digest a=b", "\xff", "Basic " + "A" * 9000]
)
def test_credentials_that_are_none(target: Target, value: str) -> None:
    """Wrong ones let nobody in, not even where none are needed."""
    refused(ask(target.address, request(LINE, TEXT, f"Authorization: {value}", path="/log/x")), 400, 401)
