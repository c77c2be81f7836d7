"""Who may send, and as whom."""

from __future__ import annotations

import base64

import pytest

from keeper.receiver.gate import Gate
from keeper.receiver.settings import SourceSettings, read_networks

SOURCES = (
    SourceSettings(name="token", token="s3cret"),
    SourceSettings(name="pair", username="anna", password="geh:eim"),
    SourceSettings(name="both", token="near", addresses=read_networks("10.0.0.0/8")),
    SourceSettings(name="wide", addresses=read_networks("192.168.0.0/16, fd00::/8")),
    SourceSettings(name="near", addresses=read_networks("192.168.7.0/24")),
    SourceSettings(name="same", addresses=read_networks("192.168.7.0/24")),
)


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("authorization", "peer", "asked", "who"),
    [
        (b"Bearer s3cret", "1.2.3.4", "", "token"),
        (b"bearer  s3cret", "1.2.3.4", "", "token"),  # the scheme has no case, and blanks do not count
        (b"Bearer S3CRET", "1.2.3.4", "", None),
        (b"Bearer", "1.2.3.4", "", None),
        (b"Bearer s3cret", "1.2.3.4", "token", "token"),
        (b"Bearer s3cret", "1.2.3.4", "pair", None),  # it says that it is another
        (basic("anna:geh:eim"), "1.2.3.4", "", "pair"),
        (basic("anna:geheim"), "1.2.3.4", "", None),
        (b"Basic !!!", "1.2.3.4", "", None),
        (b"Bearer near", "10.1.2.3", "", "both"),
        (b"Bearer near", "11.1.2.3", "", None),  # where both are asked for, both must be right
        (b"", "192.168.1.1", "", "wide"),
        (b"", "192.168.7.1", "", "near"),  # the narrower network is meant
        (b"", "192.168.7.1", "same", "same"),
        (b"", "192.168.7.1", "wide", "wide"),
        (b"", "192.168.7.1", "token", None),  # a name alone opens nothing that has a secret
        (b"", "::ffff:192.168.1.1", "", "wide"),
        (b"", "fd00::1%eth0", "", "wide"),
        (b"", "8.8.8.8", "", None),
        (b"", "", "", None),
        (b"Bearer wrong", "192.168.1.1", "", None),  # a wrong secret is not made good by an address
    ],
)
def test_who_sends(authorization: bytes, peer: str, asked: str, who: str | None) -> None:
    """By token, by user and password, or by address, and never by what it merely says."""
    assert Gate(SOURCES).source(authorization, peer, asked) == who


def test_without_sources_everybody_is_one() -> None:
    """A receiver on loopback needs no secrets: all that comes is from `default`."""
    gate = Gate(())
    assert gate.names == ("default",)
    assert gate.source(b"", "127.0.0.1", "") == "default"
    assert gate.source(b"", "::1", "") == "default"
    assert gate.source(b"", "127.0.0.1", "other") is None
