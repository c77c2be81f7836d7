"""The two layers a telnet connection may have: none, and TLS. Bytes in, bytes out; neither touches a socket."""

from __future__ import annotations

import ssl
from contextlib import suppress

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from keeper.opentsdb.outcome import SLOWLY, NotSent

PIECE = 65_536


class Plain:
    """The bytes themselves."""

    ready = True

    def hello(self) -> bytes:
        """What the client says first."""
        return b""

    def wrap(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        """What says that nothing more will come."""
        return b""

    def unwrap(self, data: bytes) -> bytes:
        """What came, without the layer. Raises OSError."""
        return data

    def owed(self) -> bytes:
        """What the layer itself has to say after it read."""
        return b""


class Tls:
    """`ready`: the handshake is over."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self.ready = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def hello(self) -> bytes:
        self._shake()
        return self.owed()

    def wrap(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self.owed()

    def end(self) -> bytes:
        with suppress(ssl.SSLWantReadError):  # it is not answered yet
            self._tls.unwrap()
        return self.owed()

    def unwrap(self, data: bytes) -> bytes:
        self._incoming.write(data)
        if not self.ready:
            self._shake()
        found = b""
        # SSLZeroReturnError: close_notify came; what follows is of the connection.
        with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while self.ready and (piece := self._tls.read(PIECE)):
                found += piece
        return found

    def owed(self) -> bytes:
        return self._outgoing.read()

    def _shake(self) -> None:
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
            self.ready = True


def trust(ca_file: str) -> ssl.SSLContext:
    """Trust the certificates of a file, or those of certifi. Raises NotSent."""
    path = ca_file or DEFAULT_CA_BUNDLE_PATH
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        why = "it holds none" if isinstance(error, ssl.SSLError) else (error.strerror or "").lower()
        raise NotSent(f"the trusted certificates in {path} cannot be read: {why}", SLOWLY) from error
