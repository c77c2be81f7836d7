"""One bounded HTTP request: all of it within one deadline and one size, or a reason in half a sentence."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError

from keeper import __version__
from keeper.core.source import Now
from keeper.errors import SourceError
from keeper.formats.json_answer import one_line
from keeper.sources.http_budget import Budget, BudgetAdapter
from keeper.sources.http_reason import reason, timed_out

DEFAULT_MAX_BYTES = 1_048_576
MAX_HEADER_BYTES = 65_536
# A chunk of one byte takes six on the wire ("1\r\nx\r\n"), and the trailer may be as long as the headers.
WIRE_BYTES_PER_BYTE = 6
PIECE = 65_536

HEADERS = {
    "User-Agent": f"keeper/{__version__}",
    "Accept": "application/json",
    # A compressed answer would be a second size to bound, and loopback gains nothing by it.
    "Accept-Encoding": "identity",
    # What a cache remembers says nothing about the node.
    "Cache-Control": "no-cache",
}

REDIRECTS = (301, 302, 303, 307, 308)


class HttpAnswer(NamedTuple):
    """A complete answer of any status but a redirect. `took` is seconds from asking to the last byte."""

    status: int
    body: bytes
    took: float


class Http:
    """Asks and keeps its connections for the next time. For one thread.

    Nothing is taken from the environment (proxies, netrc, CA bundles). Credentials in a URL are sent as basic
    authentication. `ca_file` names a file of trusted certificates; empty means those of certifi.
    """

    def __init__(self, now: Now, ca_file: str = "") -> None:
        self._now = now
        self._budget = Budget(now)
        # The adapter without a Session: a Session would read the environment, remember cookies of strangers, and read
        # the whole body of a redirect, unbounded and decompressed.
        self._adapter = BudgetAdapter(self._budget, ca_file or DEFAULT_CA_BUNDLE_PATH)

    def get(
        self,
        url: str,
        timeout: float,
        max_bytes: int = DEFAULT_MAX_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Ask once, all within `timeout` seconds but for the look-up of the host name.

        Never holds more than `max_bytes` of body and 64 KiB of headers. Raises SourceError whatever else happens, its
        message half a sentence about the server ("connection refused") without credentials.
        """
        return self._ask(requests.Request("GET", url, headers={**HEADERS, **(headers or {})}), timeout, max_bytes)

    def post(
        self,
        url: str,
        body: bytes,
        timeout: float,
        max_bytes: int = DEFAULT_MAX_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Ask with a body of JSON, bounded like `get`. The question may arrive twice, as it is repeated when a kept
        connection turns out to be closed: it must be one that can be."""
        given = {**HEADERS, "Content-Type": "application/json", **(headers or {})}
        return self._ask(requests.Request("POST", url, data=body, headers=given), timeout, max_bytes)

    def close(self) -> None:
        self._adapter.close()

    def _ask(self, question: requests.Request, timeout: float, max_bytes: int) -> HttpAnswer:
        asked = self._now()
        self._budget.begin(timeout, MAX_HEADER_BYTES)
        try:
            try:
                status, body = self._exchange(question, max_bytes)
            except requests.ConnectionError:
                # A server may close a kept connection in the moment we write on it: that is no failure of the server,
                # and asking again cannot hurt. On a fresh connection, or with half an answer, it is one.
                if not self._budget.reused or self._budget.received:
                    raise
                status, body = self._exchange(question, max_bytes)
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise self._budget.too_late() if timed_out(error) else SourceError(reason(error)) from error
        return HttpAnswer(status, body, self._now() - asked)

    def _exchange(self, question: requests.Request, max_bytes: int) -> tuple[int, bytes]:
        request = question.prepare()
        left = self._budget.seconds_left()
        response = self._adapter.send(request, stream=True, timeout=(left, left))
        try:
            _check_headers(response, str(question.url))
            self._budget.allow(WIRE_BYTES_PER_BYTE * max_bytes + MAX_HEADER_BYTES)
            pieces, size = [], 0
            # Reading on until nothing comes: only then is it known that the connection did not end too early.
            while piece := response.raw.read(min(PIECE, max_bytes + 1 - size), decode_content=False):
                pieces.append(piece)
                size += len(piece)
                if size > max_bytes:
                    raise SourceError(f"the answer is larger than {max_bytes:,} bytes")
            return response.status_code, b"".join(pieces)
        finally:
            response.raw.close()  # ends the connection unless the answer was read to its end


def shown(url: str) -> str:
    """The address as it may be shown: scheme, host, port and path; no credentials, query or fragment."""
    scheme, network, path, _, _ = urlsplit(url)
    return urlunsplit((scheme, network.rpartition("@")[2], path.rstrip("/"), "", ""))


def _check_headers(response: requests.Response, url: str) -> None:
    headers = response.headers
    if response.status_code in REDIRECTS:
        target = _target(url, headers.get("Location", ""))
        phrase = HTTPStatus(response.status_code).phrase
        raise SourceError(f"answered {response.status_code} {phrase} to {target}, and redirects are not followed")
    encoding = headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise SourceError(f"the answer is encoded ({one_line(encoding, 40)}) though that was not asked for")


def _target(url: str, location: str) -> str:
    try:
        return one_line(shown(urljoin(url, location)), 200)
    except ValueError:
        return "something that is no address"
