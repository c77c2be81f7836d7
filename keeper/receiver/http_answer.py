"""What is answered by HTTP: a value, and its bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

JSON = b"application/json"
CLOSE = b"Connection: close\r\n"
KEEP = b"Connection: keep-alive\r\n"
BUSY_AGAIN = 5.0  # seconds, where nobody knows better


class Answer(NamedTuple):
    """`headers` are whole lines. `close`: the connection is of no use any more, as what follows cannot be understood
    or is not wanted."""

    status: int
    body: bytes
    headers: Sequence[bytes] = ()
    close: bool = False
    kind: bytes = JSON


def refused(status: int, why: str, *, headers: Sequence[bytes] = (), close: bool = False) -> Answer:
    return Answer(status, json.dumps({"error": why}).encode(), headers, close)


def busy(why: str, retry_after: float = BUSY_AGAIN, *, close: bool = False, status: int = 503) -> Answer:
    """429 says that there is too much, 503 that something does not work now."""
    return refused(status, why, headers=[b"Retry-After: %d\r\n" % max(1, round(retry_after))], close=close)


_STATUS_LINES: Mapping[int, bytes] = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


def written(answer: Answer, date: bytes, connection: bytes, *, head_only: bool) -> bytes:
    """The answer's bytes; `date` is the line that says now, `connection` CLOSE, KEEP or nothing."""
    return b"".join(
        (
            _STATUS_LINES[answer.status],
            date,
            b"Content-Type: %b\r\nContent-Length: %d\r\n" % (answer.kind, len(answer.body)),
            *answer.headers,
            connection,
            b"\r\n",
            b"" if head_only else answer.body,
        )
    )
