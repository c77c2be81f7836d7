"""Why the Docker engine did not give what keeper asked for: one sentence for a person, with the cure."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator

UNREADABLE = ("does not support reading", "logging driver does not support")


def missing(container: str, address: str) -> str:
    return (
        f"there is no container {container} on the Docker engine at {address}: "
        f"start it, or correct `log = docker:{container}`"
    )


def refused(status: int, body: bytes, question: str) -> str:
    """The engine answered with an error. `question` is what it was asked for."""
    said = _message(body)
    if status == 501 or any(words in said for words in UNREADABLE):
        return (
            f"the Docker engine cannot give {question}, because that logging driver keeps nothing that can be read "
            "back: create the container anew with --log-driver json-file or local"
        )
    return f"the Docker engine refused {question} with status {status}: {said}"


def reason(error: BaseException, address: str) -> str:
    """The engine did not answer at all."""
    for cause in _causes(error):
        if isinstance(cause, FileNotFoundError):
            return f"there is no Docker engine at {address}: start it, or set DOCKER_HOST to its address"
        if isinstance(cause, PermissionError):
            return (
                f"keeper may not use the Docker engine's socket at {address}: "
                "let keeper's user into the group that owns the socket (usermod -aG docker keeper) and restart keeper"
            )
        if isinstance(cause, ConnectionRefusedError):
            return f"no Docker engine listens at {address}: start it (systemctl start docker)"
        if isinstance(cause, TimeoutError):
            return f"the Docker engine at {address} does not answer: it hangs, or its host is out of reach"
        if isinstance(cause, ssl.SSLError):
            what = getattr(cause, "reason", None) or "no reason given"
            return f"TLS with the Docker engine at {address} failed ({what}): check DOCKER_CERT_PATH"
    return f"the connection to the Docker engine at {address} failed ({_root(error)})"


def _message(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    said = str(fields["message"]) if isinstance(fields, dict) and "message" in fields else text
    return " ".join(said.split())[:300] or "it says no reason"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and those it was made from; urllib3 keeps some in `args` or `reason` only."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _root(error: BaseException) -> str:
    root = list(_causes(error))[-1]
    return f"{type(root).__name__}: {root}"[:200]
