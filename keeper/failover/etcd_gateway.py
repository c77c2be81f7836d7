"""Questions to an etcd cluster through its HTTP/JSON gateway (/v3, etcd 3.4 and later), each within a deadline.

All of etcd's words that mean something to keeper are in this file; errors are given in the sentences of the operator.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from keeper.core.source import Now
from keeper.errors import SourceError
from keeper.failover.lease import Misconfigured, Unreachable
from keeper.formats.json_answer import NotUnderstood, decode, one_line
from keeper.sources.http_get import Http, shown

MAX_BYTES = 262_144  # of an answer: a few keys of some hundred bytes each
SHOWN = 200  # characters of etcd's own words that are repeated

# gRPC codes (https://grpc.github.io/grpc/core/md_doc_statuscodes.html) as the gateway passes them on.
PERMISSION_DENIED = 7
UNAUTHENTICATED = 16


class Login(NamedTuple):
    """Empty where etcd runs without authentication."""

    user: str = ""
    password: str = ""


class _Elsewhere(Exception):  # noqa: N818  # it says where to go on
    """This endpoint did not do it; another may."""


class _TokenEnded(Exception):  # noqa: N818  # no error: tokens do
    """The token is not valid any more: log in again."""


class Gateway:
    """The endpoints of one cluster. For one thread.

    `now` is the clock of the deadlines. A question goes to the endpoint that answered last, and to the next one when
    that fails or takes more than its share of the time. It may arrive more than once.
    """

    def __init__(self, endpoints: Sequence[str], now: Now, login: Login, ca_file: str = "") -> None:
        self._endpoints = [endpoint.rstrip("/") for endpoint in endpoints]
        self._now = now
        self._login = login
        self._http = Http(now, ca_file)
        self._token = ""
        self._cluster = ""

    def ask(self, path: str, question: dict[str, Any], until: float) -> dict[str, Any]:
        """Ask `/v3/{path}`; an answer comes, or an exception, at `until`. Raises Unreachable and Misconfigured."""
        failures = []
        for tried, endpoint in enumerate(tuple(self._endpoints)):
            left = until - self._now()
            if left <= 0:
                break
            try:
                answer = self._logged_in(endpoint, path, question, self._now() + left / (len(self._endpoints) - tried))
            except _Elsewhere as error:
                failures.append(f"{shown(endpoint)}: {error}")
                continue
            except _TokenEnded:
                self._token = ""
                failures.append(f"{shown(endpoint)}: does not take the token it gave")
                continue
            if tried:
                self._endpoints.remove(endpoint)
                self._endpoints.insert(0, endpoint)
            return answer
        raise Unreachable(f"no answer from etcd: {'; '.join(failures) or 'the time was over'}")

    def close(self) -> None:
        self._http.close()

    def _logged_in(self, endpoint: str, path: str, question: dict[str, Any], until: float) -> dict[str, Any]:
        if not self._login.user:
            return self._once(endpoint, path, question, until)
        try:
            if self._token:
                return self._once(endpoint, path, question, until)
        except _TokenEnded:
            self._token = ""
        # Simple tokens end after five minutes, and with the member that was asked.
        wanted = {"name": self._login.user, "password": self._login.password}
        self._token = str(self._once(endpoint, "auth/authenticate", wanted, until).get("token", ""))
        return self._once(endpoint, path, question, until)

    def _once(self, endpoint: str, path: str, question: dict[str, Any], until: float) -> dict[str, Any]:
        headers = {"Authorization": self._token} if self._token else {}
        left = until - self._now()
        if left <= 0:
            raise _Elsewhere("no answer in its share of the time")
        try:
            body = json.dumps(question).encode()
            status, said, _ = self._http.post(f"{endpoint}/v3/{path}", body, left, MAX_BYTES, headers)
            if status == 404 and not said.startswith(b"{"):
                raise _Elsewhere(self._what_is_there(endpoint, until))
        except SourceError as error:
            # What a TLS port of etcd's does to plain HTTP; a member that dies does it too.
            tls = endpoint.startswith("http:") and str(error).startswith(
                ("closed the connection", "reset the connection")
            )
            raise _Elsewhere(f"{error}{' (if it speaks TLS, write https://)' if tls else ''}") from error
        answer = read(status, said, self._login)
        self._check_cluster(endpoint, answer)
        return answer

    def _what_is_there(self, endpoint: str, until: float) -> str:
        """It does not know the gateway's paths: etcd before 3.4 had them under other names."""
        status, said, _ = self._http.get(f"{endpoint}/version", max(0.01, until - self._now()), MAX_BYTES)
        return too_old(said) if status == 200 else f"is no etcd: answered 404 to /v3 and {status} to /version"

    def _check_cluster(self, endpoint: str, answer: dict[str, Any]) -> None:
        """Endpoints of two clusters would be two leases."""
        found = str(answer["header"]["cluster_id"])
        if self._cluster and found != self._cluster:
            raise Misconfigured(
                f"{shown(endpoint)} belongs to another etcd cluster ({found}) than the one that answered before "
                f"({self._cluster}): name endpoints of one cluster only, and restart keeper if it was made anew"
            )
        self._cluster = found


def read(status: int, said: bytes, login: Login) -> dict[str, Any]:
    """The answer of an etcd, always with its header. Raises _Elsewhere, _TokenEnded and Misconfigured."""
    try:
        answer = decode(said)
    except NotUnderstood as error:
        raise _Elsewhere(f"is no etcd: answered {status}, and {error}") from error
    if not isinstance(answer, dict):
        raise _Elsewhere(f"is no etcd: answered {status} and no object of JSON")
    if status == 200 and isinstance(answer.get("header"), dict) and "cluster_id" in answer["header"]:
        return answer
    words = one_line(str(answer.get("message") or answer.get("error") or ""), SHOWN)
    code = answer.get("code")
    if not words or not isinstance(code, int):
        raise _Elsewhere(f"is no etcd: answered {status} and JSON without etcd's header")
    if code == UNAUTHENTICATED or "revision of auth store is old" in words:
        raise _TokenEnded
    if code == PERMISSION_DENIED:
        raise Misconfigured(f"etcd does not let user {login.user!r} read and write keeper's keys: {words}")
    if "user name is empty" in words:
        raise Misconfigured("etcd wants a user and a password, and none is configured")
    if "authentication failed" in words:
        raise Misconfigured(f"etcd does not know user {login.user!r} with this password")
    if "authentication is not enabled" in words:
        raise Misconfigured(
            f"user {login.user!r} is configured, but this etcd knows no users: switch its authentication on, "
            "or take the user out of the configuration"
        )
    raise _Elsewhere(f"refused with {status}: {words.removeprefix('etcdserver: ')}")


def too_old(version: bytes) -> str:
    """What a server whose answer to /version is this has to be told about."""
    try:
        said = decode(version)
        words = said["etcdserver"] if isinstance(said, dict) else ""
    except (NotUnderstood, KeyError):
        words = ""
    if not isinstance(words, str) or not words:
        return "is no etcd: it knows neither /v3 nor says a version"
    return f"etcd {one_line(words, 20)} is too old, or its gateway is switched off: keeper needs 3.4 or later with it"


def coded(text: str) -> str:
    """Bytes as the gateway writes them."""
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def decoded(text: object) -> str:
    """What the gateway wrote; what is not UTF-8 text comes with replacement characters."""
    try:
        return base64.b64decode(str(text)).decode("utf-8", "replace")
    except ValueError:
        return ""
