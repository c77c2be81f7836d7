"""The hosts of an option become targets, or a sentence that says what would be right."""

from __future__ import annotations

import pytest

from keeper.opentsdb.terms import Target, Terms, read_hosts


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("tsd1", [Target("tsd1", 4242)]),
        ("tsd1:80, 10.0.0.1:4243", [Target("tsd1", 80), Target("10.0.0.1", 4243)]),
        ("[2001:db8::1]:1,\n[::1]", [Target("2001:db8::1", 1), Target("::1", 4242)]),
        ("[fe80::1%eth0]:5", [Target("fe80::1%eth0", 5)]),
    ],
)
def test_hosts(text: str, hosts: list[Target]) -> None:
    assert list(read_hosts(text)) == hosts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no host is given"),
        (" , ", "no host is given"),
        ("a:0", "no port from 1 to 65535"),
        ("a:65536", "no port from 1 to 65535"),
        ("a:", "no port from 1 to 65535"),
        ("a:x", "no port from 1 to 65535"),
        ("::1", r"write \[ADDRESS\]:PORT for IPv6"),
        ("http://a:80", "is not a host; write HOST:PORT"),
        ("a b", "is not a host"),
        ("a, b, a:4242", "a:4242 is given twice"),
    ],
)
def test_what_is_no_host(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_hosts(text)


def test_shown() -> None:
    """IPv6 in brackets; a password nowhere."""
    assert str(Target("::1", 1)) == "[::1]:1"
    assert str(Target("a")) == "a:4242"
    assert "s3cret" not in repr(Terms((Target("a"),), user="u", password="s3cret"))
