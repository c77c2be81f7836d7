"""What both ends of beanstalkd know: where it is, a connection to it, and what can go wrong."""

from __future__ import annotations

import contextlib
import socket
from typing import NamedTuple

import greenstalk

from keeper.errors import SourceError, StateError

TUBE = "keeper"
TTR = 600  # seconds a job stays with one worker, unless its connection ends before
PATIENCE = 5.0  # seconds for one answer
WRONG = (OSError, greenstalk.Error, AssertionError, ValueError)  # greenstalk asserts that lines are whole


class Site(NamedTuple):
    """Where one tube of one beanstalkd is."""

    host: str
    port: int
    tube: str = TUBE

    def __str__(self) -> str:
        return f"beanstalkd at {self.host}:{self.port}"


def site_of(rest: str) -> Site:
    """`HOST:PORT[/TUBE]`."""
    address, _, tube = rest.partition("/")
    host, _, port = address.rpartition(":")
    return Site(host.strip("[]"), int(port), tube or TUBE)


class Line:
    """One connection, made when it is needed, for one thread at a time. Every answer is waited for PATIENCE seconds."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._socket: socket.socket | None = None
        self._client: greenstalk.Client[bytes] | None = None

    @property
    def client(self) -> greenstalk.Client[bytes] | None:
        """None when there is no connection now."""
        return self._client

    def dial(self) -> greenstalk.Client[bytes]:
        """The connection, made if there is none. Raises WRONG."""
        if self._client is None:
            self._socket = socket.create_connection((self._site.host, self._site.port), PATIENCE)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            try:
                self._client = greenstalk.Client(
                    self._socket, encoding=None, use=self._site.tube, watch=self._site.tube
                )
            except WRONG:
                self.hang_up()
                raise
        return self._client

    def patience(self, seconds: float) -> None:
        if self._socket is not None:
            self._socket.settimeout(seconds)

    def hang_up(self) -> None:
        """beanstalkd gives what this connection had reserved to others."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError):
                client.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def said(site: Site, error: BaseException) -> str:
    """In one sentence, what went wrong with it."""
    if isinstance(error, StateError | SourceError):
        return str(error)
    if isinstance(error, greenstalk.DrainingError):
        return f"{site} takes no more jobs: it drains"
    if isinstance(error, greenstalk.Error):
        return f"{site} answered {type(error).__name__.removesuffix('Error')}"
    return f"{site} does not answer: {str(error) or type(error).__name__}"
