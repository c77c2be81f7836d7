"""Who sends: a source by its token, its user and password, or where it comes from. Pure."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from keeper.receiver.settings import Network, SourceSettings, senders

KEPT = 1024  # answers


class Gate:
    """Secrets are kept and compared as hashes, so that how long it takes says nothing about them."""

    def __init__(self, sources: Sequence[SourceSettings]) -> None:
        self.adopt(sources)

    def adopt(self, sources: Sequence[SourceSettings]) -> None:
        """From now on these may send, and nobody else."""
        known = senders(sources)
        self.names = tuple(source.name for source in known)
        self._secrets: dict[bytes, SourceSettings] = {}
        self._open: list[tuple[Network, str]] = []
        for source in known:
            if source.token:
                self._secrets[_hash(b"Bearer " + source.token.encode())] = source
            if source.username:
                pair = f"{source.username}:{source.password}".encode()
                self._secrets[_hash(b"Basic " + base64.b64encode(pair))] = source
            if not source.token and not source.username:
                self._open += [(network, source.name) for network in source.addresses]
        self._open.sort(key=lambda one: -one[0].prefixlen)
        self.source = lru_cache(KEPT)(self._source)  # the same sender comes a thousand times a second

    def _source(self, authorization: bytes, peer: str, asked: str) -> str | None:
        """The sender's name; None when it may not send. `asked` is the name it says it has, empty for none: it must be
        true, and decides where several sources may send from one address."""
        if authorization:
            scheme, _, rest = authorization.partition(b" ")
            found = self._secrets.get(_hash(scheme.capitalize() + b" " + rest.strip()))
            if found is None or (found.addresses and not _within(peer, found.addresses)):
                return None
            return found.name if asked in ("", found.name) else None
        for network, name in self._open:
            if asked in ("", name) and _within(peer, (network,)):
                return name
        return None


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _within(peer: str, networks: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return any(address.version == network.version and address in network for network in networks)
