"""One bounded POST to a receiver of alerts, and what its answer means for what was sent."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError

from keeper import __version__
from keeper.core.source import Now
from keeper.errors import Rejected, SendError, SourceError
from keeper.formats.json_answer import one_line
from keeper.sources.http_budget import Budget, BudgetAdapter
from keeper.sources.http_reason import reason, timed_out

TIMEOUT = 5.0  # seconds for all of one POST, but for looking up the host's name
MAX_BYTES = 65_536  # of headers, and of a body
SHOWN = 200  # characters of a refusal that are repeated
# The answers that speak of what was sent; any other may be different for the same bytes a minute later: a proxy in
# between restarts, a password is put right.
REFUSALS = (400, 413, 422)


class Poster:
    """Posts JSON to one address over one connection that is kept. For one thread.

    `url` may hold a user and password, sent as basic authentication and shown nowhere. `authorization` is the value of
    that header. Nothing is taken from the environment, no redirect is followed. `ahead` is how many seconds the
    receiver's clock was ahead of ours in its last answer (whole seconds), 0 while unknown.
    """

    def __init__(
        self, url: str, now: Now, *, timeout: float = TIMEOUT, authorization: str = "", ca_file: str = ""
    ) -> None:
        scheme, network, path, query, _ = urlsplit(url)
        login, _, host = network.rpartition("@")
        self.ahead = 0.0
        self._url = urlunsplit((scheme, host, path, query, ""))
        self._authorization = authorization or (basic(*_login(login)) if login else "")
        self._secrets = [secret for secret in (self._authorization.partition(" ")[2], _login(login)[1]) if secret]
        self._timeout = timeout
        self._now = now
        self._budget = Budget(now)
        self._adapter = BudgetAdapter(self._budget, ca_file or DEFAULT_CA_BUNDLE_PATH)

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Post once. Raises SendError (try again) or Rejected (this body never will be taken), each with half a
        sentence about the receiver that holds no secret."""
        self._budget.begin(self._timeout, 2 * MAX_BYTES)
        request = requests.Request("POST", self._url, data=body, headers={**self._headers(), **(headers or {})})
        try:
            prepared = request.prepare()
            try:
                response = self._send(prepared)
            except requests.ConnectionError:
                # The receiver may close a kept connection in the moment we write on it. Notices can be sent twice:
                # they carry what identifies them.
                if not self._budget.reused or self._budget.received:
                    raise
                response = self._send(prepared)
            self._judge(response)
        except SourceError as error:
            raise SendError(str(error)) from error
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            raise SendError(str(self._budget.too_late()) if timed_out(error) else reason(error)) from error

    def close(self) -> None:
        self._adapter.close()

    def _headers(self) -> dict[str, str]:
        headers = {
            "User-Agent": f"keeper/{__version__}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if self._authorization:
            headers["Authorization"] = self._authorization
        return headers

    def _send(self, prepared: requests.PreparedRequest) -> requests.Response:
        left = self._budget.seconds_left()
        return self._adapter.send(prepared, stream=True, timeout=(left, left))

    def _judge(self, response: requests.Response) -> None:
        """Return when it was accepted."""
        try:
            status = response.status_code
            self._look_at_clock(response.headers.get("Date", ""))
            said = self._body(response)
            if 200 <= status < 300:
                return
            if status in REFUSALS:
                raise Rejected(f"refused it with {status}{said}")
            if 300 <= status < 400:
                raise SendError(f"answered {status}, and redirects are not followed; configure the final address")
            raise SendError(f"answered {status}{said}", self._retry_after(response.headers.get("Retry-After", "")))
        finally:
            response.raw.close()  # ends the connection unless the answer was read to its end

    def _body(self, response: requests.Response) -> str:
        """The beginning of the body as `: TEXT`. The status stands already: a body that drips or breaks off changes
        nothing, it only costs the connection."""
        pieces = b""
        with suppress(SourceError, requests.RequestException, HTTPError, http.client.HTTPException, OSError):
            while piece := response.raw.read(MAX_BYTES - len(pieces), decode_content=False):
                pieces += piece
        text = one_line(pieces.decode("utf-8", "replace"), MAX_BYTES)
        for secret in self._secrets:
            text = text.replace(secret, "***")  # some receivers repeat the request
        return f": {one_line(text, SHOWN)}" if text else ""

    def _look_at_clock(self, date: str) -> None:
        with suppress(ValueError, TypeError):
            self.ahead = parsedate_to_datetime(date).timestamp() - self._now()

    def _retry_after(self, asked: str) -> float | None:
        """Seconds, or a date of the receiver's clock."""
        if asked.isascii() and asked.isdigit():
            return float(asked[:9])
        with suppress(ValueError, TypeError):
            return parsedate_to_datetime(asked).timestamp() - self.ahead - self._now()
        return None


def basic(user: str, password: str) -> str:
    """The Authorization header of basic authentication."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def bearer(token: str) -> str:
    """The Authorization header of a bearer token."""
    return f"Bearer {token}"


def _login(text: str) -> tuple[str, str]:
    user, _, password = text.partition(":")
    return unquote(user), unquote(password)
