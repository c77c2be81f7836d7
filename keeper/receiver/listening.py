"""The receiver's listeners: addresses, TLS, and room for connections."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import ssl
from collections.abc import Callable

from keeper.errors import KeeperError
from keeper.receiver.settings import ReceiverSettings

log = logging.getLogger("keeper")

HANDSHAKE = 10.0  # seconds
BACKLOG = 4096  # connections that the kernel holds until they are accepted


async def serve(
    loop: asyncio.AbstractEventLoop,
    protocol: Callable[[], asyncio.BaseProtocol],
    listen: str,
    tls: ssl.SSLContext | None,
    option: str,
) -> asyncio.Server:
    """`option` of [receiver] is where the address is configured. Raises KeeperError."""
    host, _, port = listen.rpartition(":")
    try:
        return await loop.create_server(
            protocol,
            host.strip("[]"),
            int(port),
            ssl=tls,
            backlog=BACKLOG,
            ssl_handshake_timeout=HANDSHAKE if tls else None,
        )
    except OSError as error:
        raise KeeperError(
            f"cannot listen on {listen}: {_reason(error)}; another receiver may be running, or set another "
            f"[receiver] {option}"
        ) from error


def _reason(error: OSError) -> str:
    """asyncio wraps the system's word, and adds the address in a form of its own."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


def address(server: asyncio.Server) -> str:
    """Where it really listens, for a configured port of 0."""
    host, port = server.sockets[0].getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tls_of(settings: ReceiverSettings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key or None, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise KeeperError(f"[receiver] tls_cert {settings.tls_cert} or its key cannot be used: {error}") from error
    return context


def allow_files(connections: int) -> None:
    """Every connection is an open file; the usual limit of 1024 is for programs of another kind."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 512
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        log.warning("files=%d state=few why='max_connections = %d needs more; raise LimitNOFILE'", most, connections)
