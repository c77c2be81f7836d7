"""What became of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from keeper.errors import SendError
from keeper.opentsdb.record import Line

SLOWLY = 60.0  # seconds until a TSD that has to be mended by a person is tried again


class Refused(NamedTuple):
    """A point the TSD will never take. `line` is empty where it does not tell which."""

    line: Line
    why: str


class Sent(NamedTuple):
    accepted: int = 0
    refused: tuple[Refused, ...] = ()


class NotSent(SendError):  # noqa: N818  # it says what is so, as the errors of keeper do
    """Try again. `unknown`: some of it may have arrived, and will arrive twice. `part` is settled already, `rest` is
    what must be sent; None means all of it."""

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        *,
        unknown: bool = False,
        part: Sent = Sent(),  # noqa: B008  # a value
        rest: Sequence[Line] | None = None,
    ) -> None:
        super().__init__(message, retry_after)
        self.unknown = unknown
        self.part = part
        self.rest = rest


class Way(Protocol):
    """The way to one TSD. For one thread."""

    def send(self, lines: Sequence[Line]) -> Sent:
        """Send one batch. Raises NotSent."""
