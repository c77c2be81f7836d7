"""What both ways to put a packet on the wire have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from keeper.delivery.outcome import Reply
from keeper.formats.pyrepr import NotAValue, Struct, parse


class Unfit(ValueError):  # noqa: N818  # it is an answer about a packet, and reads as one where it is caught
    """This packet cannot be sent as it is. The message says which value of which event, and what is wrong with it."""


class UnknownType(Unfit):
    """The IDL has no method for packets of this type."""


class Wire(Protocol):
    kind: str  # the Content-Type of what is sent

    def encode(self, key: str, events: Sequence[Any]) -> bytes:
        """The request's body for a packet of this type. Raises Unfit."""

    def as_logged(self) -> Wire:
        """The same, but what an event lacks stays out of the body: as the agent itself sent it."""

    def doubt(self, reply: Reply) -> str:
        """Half a sentence when the body of an answer with status 200 says that the packet was not taken."""


def events_of(data: bytes) -> list[Any]:
    """The events of a packet from the text the agent logged. Raises Unfit."""
    try:
        value = parse(data)
    except NotAValue as error:
        raise Unfit(f"its data cannot be read: {error}") from error
    if not isinstance(value, list):
        raise Unfit("its data is not a list of events")
    return value


def kind_of(value: object) -> str:
    """What to call a value in a sentence."""
    if value is None:
        return "None"
    if isinstance(value, Struct):
        return f"a {value.name}"
    names = {bool: "a truth value", int: "a whole number", float: "a decimal number", str: "text", bytes: "text"}
    return names.get(type(value), f"a {type(value).__name__}")
