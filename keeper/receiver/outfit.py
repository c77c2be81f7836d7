"""Whether this host has what the receiver's settings need: asked by `check-config`, and before it starts."""

from __future__ import annotations

import importlib.util
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.delivery.wire_thrift import thrift_wire
from keeper.errors import KeeperError
from keeper.receiver.settings import BEANSTALKD, JETSTREAM, POSTGRESQL, ReceiverSettings

if TYPE_CHECKING:
    from keeper.settings import Settings

OWN = ("httptools", "numpy", "orjson", "uvloop")
EXTRAS = {BEANSTALKD: "greenstalk", JETSTREAM: "nats", POSTGRESQL: "psycopg"}
"""The package that a kind of queue or store is spoken to with, of the extra that is called as the kind."""


def unready(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """The section, the option (empty: the section itself) and a sentence, for each thing that is missing."""
    receiver = settings.receiver
    if receiver is None:
        return
    for option, why in (*packages(receiver), *_tls(receiver), *_idl(receiver)):
        yield "receiver", option, f"[receiver]{option and ' '}{option}: {why}"


def packages(receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    """The option (empty: any) and half a sentence, for each extra that is not installed."""
    if missing := [name for name in OWN if not _installed(name)]:
        yield "", _install("receiver", *missing)
    for option, kind in (("queue", receiver.queue[0]), ("store", receiver.store[0])):
        if kind in EXTRAS and not _installed(EXTRAS[kind]):
            yield option, _install(kind, EXTRAS[kind])


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _install(extra: str, *missing: str) -> str:
    return f"it needs an extra package ({', '.join(missing)}): pip install 'keeper[{extra}]'"


def _tls(receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    if not receiver.tls_cert:
        return
    files = [(option, getattr(receiver, option)) for option in ("tls_cert", "tls_key")]
    whys = [(option, why) for option, path in files if (why := _unreadable(path))]
    if whys:
        yield from whys
        return
    try:
        # A password would be asked for on the terminal; a receiver that starts at night has none.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(receiver.tls_cert, receiver.tls_key, lambda: "")
    except ssl.SSLError as error:
        reason = (error.reason or "").replace("_", " ").lower() or "neither is in PEM, or the key has a password"
        yield "tls_cert", f"it cannot be used with tls_key: {reason}"


def _unreadable(path: str) -> str:
    try:
        with Path(path).open("rb"):
            return ""
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"


def _idl(receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    if receiver.idl:
        try:
            thrift_wire(Path(receiver.idl), {}, {})
        except KeeperError as error:
            yield "idl", str(error)
