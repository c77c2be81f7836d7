"""Where points are sent, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

PORT = 4242  # a TSD's own, for telnet and HTTP alike
TELNET = "telnet"
HTTP = "http"

_HOST = re.compile(
    r"\[(?P<six>[0-9A-Fa-f:.]+(?:%\w+)?)\](?::(?P<port6>[^/]*))?|(?P<host>[^\s\[\]:/]+)(?::(?P<port>[^/]*))?"
)


class Target(NamedTuple):
    """One TSD. `host` is a name, an IPv4 or an IPv6 address, without brackets."""

    host: str
    port: int = PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Terms:
    """`way` is TELNET or HTTP; `path`, `user`, `password` and `gzip` are HTTP's alone. `ca_file` names trusted
    certificates, empty means those of certifi. `timeout`: seconds for all of one batch but for looking up the name.
    `most` points and `most_bytes` of lines go in one batch."""

    hosts: tuple[Target, ...]
    way: str = TELNET
    tls: bool = False
    ca_file: str = ""
    path: str = "/api/put"
    user: str = ""
    password: str = field(default="", repr=False)
    gzip: bool = False
    timeout: float = 10.0
    most: int = 5000
    most_bytes: int = 512 << 10


def read_hosts(text: str) -> tuple[Target, ...]:
    """`tsd1:4242, [2001:db8::1]:4242, tsd2` → targets, in order. ValueError says what would be right."""
    hosts = tuple(read_host(part.strip()) for part in re.split(r"[,\n]", text) if part.strip())
    if not hosts:
        raise ValueError(f"no host is given; write HOST:PORT, or HOST for port {PORT}")
    for number, target in enumerate(hosts):
        if target in hosts[:number]:
            raise ValueError(f"{target} is given twice")
    return hosts


def read_host(text: str) -> Target:
    found = _HOST.fullmatch(text)
    if not found:
        right = "[ADDRESS]:PORT for IPv6" if text.count(":") > 1 and "/" not in text else "HOST:PORT"
        raise ValueError(f"{text!r} is not a host; write {right}, such as tsd1:4242 or [2001:db8::1]:4242")
    port = found["port"] if found["six"] is None else found["port6"]
    if port is None:
        return Target(found["six"] or found["host"])
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65_535:
        raise ValueError(f"{text!r} has no port from 1 to 65535 behind its last colon")
    return Target(found["six"] or found["host"], int(port))
