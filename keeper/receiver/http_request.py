"""One request as HTTP brings it: its head, and its body when it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs


@dataclass(slots=True)
class Request:
    """`headers` have names in lower case; a header that comes twice is joined with a comma. `peer` is the address it
    comes from. `plan` is what the door made of the head."""

    peer: str
    method: bytes = b""
    target: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    began: float = 0.0
    plan: Any = None

    @property
    def path(self) -> str:
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> str:
        return self.target.partition(b"?")[2].decode("latin-1")

    def asked(self, name: str) -> str:
        """A value of the query; empty without it."""
        if name.encode() not in self.target:
            return ""
        return parse_qs(self.query).get(name, [""])[0]

    def kind(self) -> bytes:
        """The Content-Type without its parameters, in lower case."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


Headers = Mapping[bytes, bytes]
