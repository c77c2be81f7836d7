"""The part of HTTP that `requests` leaves open: one deadline and one allowance of bytes for a whole exchange.

A timeout of `requests` bounds each wait on the socket, so a server that sends a byte a second is never too slow for it,
neither in the headers nor in the body. Here every single read asks the budget first.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from requests.models import PreparedRequest
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from keeper.core.source import Now
from keeper.errors import SourceError

HOSTS = 4  # different addresses one source asks; a kept connection each


class Budget:
    """What the exchange under way may still use. One thread, one exchange at a time.

    `received` counts bytes from the wire, headers and chunk frames included. `reused` is True as long as the exchange
    runs on a connection kept from an earlier one.
    """

    __slots__ = ("_allowed", "_now", "_seconds", "_until", "received", "reused")

    def __init__(self, now: Now) -> None:
        self._now = now
        self._seconds = 0.0
        self._until = 0.0
        self._allowed = 0
        self.received = 0
        self.reused = True

    def begin(self, seconds: float, allowed: int) -> None:
        self._seconds = seconds
        self._until = self._now() + seconds
        self._allowed = allowed
        self.received = 0
        self.reused = True

    def allow(self, more: int) -> None:
        self._allowed += more

    def seconds_left(self) -> float:
        """More than 0. Raises SourceError after the deadline."""
        left = self._until - self._now()
        if left <= 0:
            raise self.too_late()
        return left

    def take(self, count: int) -> None:
        """Count bytes. Raises SourceError when there were more than allowed."""
        self.received += count
        if self.received > self._allowed:
            raise SourceError(f"the server sent more than {self._allowed:,} bytes and no end")

    def too_late(self) -> SourceError:
        if self.received:
            return SourceError(f"the answer was not complete after {self._seconds:g} s ({self.received:,} bytes came)")
        return SourceError(f"no answer within {self._seconds:g} s")


class BudgetAdapter(HTTPAdapter):
    """Sends requests whose every step is bounded by one budget. `ca_file` holds the certificates to trust."""

    def __init__(self, budget: Budget, ca_file: str) -> None:
        self._budget = budget
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        super().__init__(pool_connections=HOSTS, pool_maxsize=1)

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: str | tuple[str, str] | None = None,
    ) -> ConnectionPool:
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        # urllib3 only ever calls ConnectionCls, so that a partial class is good enough for it, if not for mypy.
        if isinstance(pool, HTTPSConnectionPool):
            pool.ConnectionCls = partial(_HTTPSConnection, self._budget, self._trust())  # type: ignore[assignment]
        elif isinstance(pool, HTTPConnectionPool):
            pool.ConnectionCls = partial(_HTTPConnection, self._budget)  # type: ignore[assignment]
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing is left to set: the context of `_trust` verifies."""

    def _trust(self) -> ssl.SSLContext:
        """Read the trusted certificates once: that takes 16 ms, and `requests` would do it for every connection."""
        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=self._ca_file)
            except OSError as error:
                why = "it holds none" if isinstance(error, ssl.SSLError) else (error.strerror or "").lower()
                raise SourceError(f"the trusted certificates in {self._ca_file} cannot be read: {why}") from error
        return self._tls


class _Budgeted(HTTPConnection):
    """A connection that is made, and whose answers are read, within a budget."""

    def __init__(self, budget: Budget, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._budget = budget
        self.response_class = partial(BudgetedResponse, budget)  # type: ignore[assignment]  # http.client only ever calls it

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that takes it, each given an equal share of the time that is left.

        Looking the name up is the one step that cannot be bounded: the resolver of the C library has its own timeouts.
        """
        self._budget.reused = False
        addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        failure: OSError = OSError("the host has no address")
        for tried, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._budget.seconds_left() / (len(addresses) - tried))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(self._budget.seconds_left())  # for the TLS handshake and for sending
            except OSError as error:
                sock.close()
                failure = error
            except SourceError:
                sock.close()
                raise
            else:
                return sock
        if isinstance(failure, ConnectionResetError):
            # urllib3 passes over a bare reset, which for it ends an answer that came early, and falls over the socket
            # that is not there.
            raise NewConnectionError(self, "reset") from failure
        raise failure


class _HTTPConnection(_Budgeted):
    pass


class _HTTPSConnection(_Budgeted, HTTPSConnection):
    def __init__(self, budget: Budget, trust: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
        # Some versions of requests bring a context of their own; it must not win.
        super().__init__(budget, *args, **(kwargs | {"ssl_context": trust}))


class BudgetedResponse(http.client.HTTPResponse):
    """An answer whose status line, headers and body are all read through the budget."""

    def __init__(self, budget: Budget, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reads(budget, sock, self.fp.detach()))


class _Reads(io.RawIOBase):
    def __init__(self, budget: Budget, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._budget = budget
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._budget.seconds_left())
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            raise self._budget.too_late() from None
        self._budget.take(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
