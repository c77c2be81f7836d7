"""What an answer, or the want of one, says about the packet that was sent. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from keeper.delivery.ledger import Fate

TIMED_OUT = 599  # what the agent's HTTP client, and the old tools, call no answer


class Result(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"  # this packet, for ever
    BUSY = "busy"  # not now: 429, 503
    FAILED = "failed"  # not taken, for a reason that may pass
    ASTRAY = "astray"  # the address, or our right to use it, is wrong: no packet will be taken
    UNKNOWN = "unknown"  # it may have been taken


FATES = {
    Result.ACCEPTED: Fate.DELIVERED,
    Result.REFUSED: Fate.REFUSED,
    Result.BUSY: Fate.FAILED,
    Result.FAILED: Fate.FAILED,
    Result.ASTRAY: Fate.FAILED,
    Result.UNKNOWN: Fate.UNKNOWN,
}

REFUSALS = (400, 413, 415, 422)
WRONG_ADDRESS = (401, 403, 404, 405, 407, 410, 421)


class Reply(NamedTuple):
    """A complete answer. `retry_after` is in seconds, None when it was not asked for."""

    status: int
    body: bytes
    kind: str = ""  # the Content-Type
    location: str = ""
    retry_after: float | None = None


class Outcome(NamedTuple):
    """`detail` is half a sentence about the server; empty when the packet was accepted. `code` is the HTTP status, 599
    without one."""

    result: Result
    code: int
    detail: str = ""
    retry_after: float | None = None


def judge(reply: Reply, doubt: str) -> Outcome:
    """Only 200 says that a packet was taken, and `doubt`, when the wire found the body to say otherwise, takes it back.

    A gateway's 502 and 504 leave open whether the server behind it took the packet, as does any other 2xx.
    """
    status = reply.status
    detail = f"answered {status}"
    if status == 200:
        return Outcome(Result.FAILED if doubt else Result.ACCEPTED, status, doubt)
    if 300 <= status < 400:
        where = f" to {reply.location}" if reply.location else ""
        detail += f"{where}, and redirects are not followed; configure the final address"
        return Outcome(Result.ASTRAY, status, detail)
    if status in REFUSALS:
        return Outcome(Result.REFUSED, status, detail + said(reply.body))
    if status in (502, 504) or status < 300:
        return Outcome(Result.UNKNOWN, status, f"{detail}, which leaves open whether it was taken")
    result = Result.BUSY if status in (429, 503) else Result.ASTRAY if status in WRONG_ADDRESS else Result.FAILED
    return Outcome(result, status, detail, reply.retry_after)


def said(body: bytes) -> str:
    """The beginning of a body as `: TEXT`, without anything a terminal would act on."""
    text = " ".join("".join(c if c.isprintable() else " " for c in body[:400].decode("utf-8", "replace")).split())
    return f": {text[:120]}" if text else ""


def page(reply: Reply) -> bool:
    """True when the body is a page for people: something in between answered in the server's place."""
    head = reply.body[:200].lstrip().lower()
    return "text/html" in reply.kind.lower() or head.startswith((b"<!doctype", b"<html", b"<?xml"))
