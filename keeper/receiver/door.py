"""What a request is for: who sends it, which input reads it, or why not. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from keeper.receiver.gate import Gate
from keeper.receiver.http_answer import Answer, refused
from keeper.receiver.http_request import Headers, Request
from keeper.receiver.inputs.input import Input, Read
from keeper.receiver.packet import Malformed, id_of
from keeper.receiver.settings import CONFIRMED, OPENAPI, ReceiverSettings

THRIFT_KINDS = (b"application/x-thrift", b"application/vnd.apache.thrift.binary")
UNAUTHORIZED = (b'WWW-Authenticate: Bearer realm="keeper"\r\n', b'WWW-Authenticate: Basic realm="keeper"\r\n')
AS_IT_IS, PACKED = b"identity", (b"gzip", b"x-gzip")  # a body's Content-Encoding
THRIFT_BEGINS = (b"\x80", b"\0")  # its version, or how long a method's name is, of which there are none above 16 MiB
PLACES = 1024  # paths that are remembered
MOST_MEMBERS = 100  # of a gzip body: for each, what follows is copied
LONGEST_KEY = 255  # characters of an id that is a text


class Packets(NamedTuple):
    """A body is read by this input. `input` is empty until the body shows whether it is Thrift or JSON."""

    source: str
    input: str
    id: int | None
    packed: bool


class Asked(NamedTuple):
    """A question about what is confirmed. `source` is who asks."""

    source: str


class Described(NamedTuple):
    """The API's description is asked for."""


class Door:
    def __init__(self, settings: ReceiverSettings, gate: Gate, inputs: Mapping[str, Input]) -> None:
        self._settings = settings
        self._gate = gate
        self._inputs = inputs
        self._place = lru_cache(PLACES)(partial(_place, settings))

    def plan(self, request: Request) -> Packets | Asked | Described | Answer:
        """Look at a request's head."""
        path = request.path
        if path in (CONFIRMED, OPENAPI):
            return self._question(request, path)
        place = self._place(path)
        if place == "lines":
            # The old server took lines by GET as well, with a body.
            return self._packets(request, place, (b"POST", b"PUT", b"GET"))
        if place == "put":
            return self._packets(request, place, (b"POST", b"PUT"))
        if place == "packets":
            return self._packets(request, self._input_of(request), (b"POST",))
        return refused(404, "nothing is taken here")

    def _question(self, request: Request, path: str) -> Asked | Described | Answer:
        methods = (b"GET", b"HEAD") if path == OPENAPI else (b"GET", b"HEAD", b"POST")
        if request.method not in methods:
            return _not_allowed(methods)
        if path == OPENAPI:
            return Described()
        if _coding(request.headers) != AS_IT_IS:
            return refused(415, "a question is asked unpacked")
        source = self._source(request)
        return source if isinstance(source, Answer) else Asked(source)

    def _packets(self, request: Request, name: str, methods: Sequence[bytes]) -> Packets | Answer:
        if request.method not in methods:
            return _not_allowed(methods)
        source = self._source(request)
        if isinstance(source, Answer):
            return source
        if (refusal := _body_not_taken(request.headers)) is not None:
            return refusal
        if name == "thrift" and name not in self._inputs:
            return refused(415, "no Thrift is taken here: [receiver] has no idl")
        key = _key(request)
        if len(key) > LONGEST_KEY:
            return refused(400, f"the packet's id is longer than {LONGEST_KEY} characters")
        return Packets(source, name, id_of(key) if key else None, _coding(request.headers) in PACKED)

    def _input_of(self, request: Request) -> str:
        kind = request.kind()
        if kind in THRIFT_KINDS:
            return "thrift"
        return "json" if kind == b"application/json" or kind.endswith(b"+json") else ""

    def _source(self, request: Request) -> str | Answer:
        found = self._gate.source(request.headers.get(b"authorization", b""), request.peer, request.asked("source"))
        if found is not None:
            return found
        return refused(401, _who_is_this(request), headers=UNAUTHORIZED)

    def read(self, plan: Packets, body: bytes, at: float) -> tuple[str, Read]:
        """The input that read it, and what it read. Raises Malformed."""
        if plan.packed:
            body = unpacked(body, self._settings.max_body, self._settings.max_ratio)
        if not body:
            raise Malformed("the body is empty")
        name = plan.input or ("thrift" if body[:1] in THRIFT_BEGINS else "json")
        if name not in self._inputs:
            raise Malformed("this is no JSON, and no Thrift is taken here: [receiver] has no idl")
        return name, self._inputs[name].read(body, at)


class TooLarge(Malformed):
    """What is in the packed body is more than is taken."""


def unpacked(body: bytes, most: int, ratio: int) -> bytes:
    """A gzip body of one member or several, never more than `most` bytes of it, or `ratio` times its own size.

    Raises TooLarge, Malformed.
    """
    most = min(most, max(len(body) * ratio, 4096))
    pieces: list[bytes] = []
    left = body
    while left:
        if len(pieces) == MOST_MEMBERS:
            raise Malformed(f"the packed body has more than {MOST_MEMBERS} members")
        one = zlib.decompressobj(31)
        try:
            piece = one.decompress(left, most + 1)
        except zlib.error as error:
            raise Malformed(f"the body cannot be unpacked: {error}") from error
        most -= len(piece)
        if most < 0:
            raise TooLarge("the body is too large unpacked")
        if not one.eof:
            raise Malformed("the packed body has no end")
        pieces.append(piece)
        left = one.unused_data
    return b"".join(pieces)


def _who_is_this(request: Request) -> str:
    """Why nobody is known to send this; nothing that helps a stranger."""
    asked = request.asked("source")
    named = f" as {asked[:63]!r}" if asked else ""
    if b"authorization" in request.headers:
        return f"its token, or user and password, is of no [source:NAME] that may send{named} from {request.peer}"
    return f"it brings no token or password, and without one nobody may send{named} from {request.peer}"


def _coding(headers: Headers) -> bytes:
    return headers.get(b"content-encoding", AS_IT_IS).lower()


def _body_not_taken(headers: Headers) -> Answer | None:
    """Why a body that is announced like this is not read."""
    if b"content-length" not in headers and b"transfer-encoding" not in headers:
        return refused(411, "a body, and how long it is, are wanted here")
    if _coding(headers) not in (AS_IT_IS, *PACKED):
        return refused(415, "a body is taken as it is, or with Content-Encoding: gzip")
    return None


def _key(request: Request) -> str:
    """What the sender calls the packet; empty when it does not."""
    for name in (b"idempotency-key", b"x-packet-id"):
        if name in request.headers:
            return request.headers[name].decode("utf-8", "replace").strip()
    return request.asked("packet_id")


def _place(settings: ReceiverSettings, path: str) -> str:
    """What is taken at a path; empty: nothing."""
    for name, patterns in (
        ("lines", settings.line_paths),
        ("put", settings.put_paths),
        ("packets", settings.packet_paths),
    ):
        if any(path == p or (p.endswith("*") and path.startswith(p[:-1])) for p in patterns):
            return name
    return ""


def _not_allowed(methods: Sequence[bytes]) -> Answer:
    allowed = b", ".join(methods)
    return refused(405, f"nothing but {allowed.decode()} is answered here", headers=[b"Allow: %b\r\n" % allowed])
