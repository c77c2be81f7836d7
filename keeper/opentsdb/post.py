"""One bounded POST of points, and its answer."""

from __future__ import annotations

import http.client
import io
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError

from keeper import __version__
from keeper.core.source import Now
from keeper.errors import SourceError
from keeper.notifiers.post import basic
from keeper.opentsdb.outcome import SLOWLY, NotSent
from keeper.opentsdb.terms import Target, Terms
from keeper.sources.http_budget import Budget, BudgetAdapter
from keeper.sources.http_reason import reason, timed_out

HEADERS = 65_536  # bytes
BODY = 4 << 20  # bytes of an answer that are looked at: the details of a batch that is refused as a whole


class Answer(NamedTuple):
    """`body` may be cut; the status stands whatever becomes of it. `retry_after` is in seconds, if it asks for any."""

    status: int
    body: bytes
    retry_after: float | None


class Post:
    """To one TSD. For one thread. Nothing is taken from the environment, no redirect is followed."""

    def __init__(self, target: Target, terms: Terms, now: Now) -> None:
        joint = "&" if "?" in terms.path else "?"
        self._url = f"{'https' if terms.tls else 'http'}://{target}{terms.path}{joint}details"
        self._headers = {
            "User-Agent": f"keeper/{__version__}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        self._secrets: list[bytes] = []
        if terms.user:
            self._headers["Authorization"] = basic(terms.user, terms.password)
            encoded = self._headers["Authorization"].partition(" ")[2]
            self._secrets = [secret.encode() for secret in (encoded, terms.password) if secret]
        if terms.gzip:
            self._headers["Content-Encoding"] = "gzip"
        self._timeout = terms.timeout
        self._ca_file = terms.ca_file or DEFAULT_CA_BUNDLE_PATH
        self._budget = Budget(now)
        self._adapter = BudgetAdapter(self._budget, self._ca_file)

    def post(self, body: bytes) -> Answer:
        """Post once. Raises NotSent when no answer comes."""
        stream = _Body(body)
        self._budget.begin(self._timeout, HEADERS + BODY)
        try:
            prepared = requests.Request("POST", self._url, data=stream, headers=self._headers).prepare()
            left = self._budget.seconds_left()
            response = self._adapter.send(prepared, stream=True, timeout=(left, left))
        except SourceError as error:  # of the budget, or of the trusted certificates
            raise NotSent(str(error), None if stream.begun else SLOWLY, unknown=stream.begun) from error
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            why = str(self._budget.too_late()) if timed_out(error) else reason(error)
            raise NotSent(why, unknown=stream.begun) from error
        try:
            headers = response.headers
            return Answer(
                response.status_code, _read(response), _seconds(headers.get("Retry-After", ""), headers.get("Date", ""))
            )
        finally:
            response.raw.close()  # ends the connection unless the answer was read to its end

    def bare(self, said: bytes) -> bytes:
        """The words of an answer without our password: some servers repeat the request."""
        for secret in self._secrets:
            said = said.replace(secret, b"***")
        return said

    def close(self) -> None:
        """End the connection; the next `post` makes another."""
        self._adapter.close()


class _Body(io.BytesIO):
    """`begun`: some of it may have left. Nobody reads of it before the connection stands, TLS included."""

    begun = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.begun = True
        return super().read(size)


def _read(response: requests.Response) -> bytes:
    pieces = b""
    with suppress(SourceError, requests.RequestException, HTTPError, http.client.HTTPException, OSError):
        while piece := response.raw.read(BODY - len(pieces), decode_content=False):
            pieces += piece
    return pieces


def _seconds(asked: str, date: str) -> float | None:
    """Retry-After: seconds, or a date of the server's clock, whose present is in the same answer."""
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    with suppress(ValueError, TypeError):
        return (parsedate_to_datetime(asked) - parsedate_to_datetime(date)).total_seconds()
    return None
