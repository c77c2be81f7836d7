"""What a statistics agent logs, by literals: sends, answers and their absence. All times are seconds after T0."""

from __future__ import annotations

from keeper.core.event import BacklogChanged, PacketAnswered, PacketSent, PacketUnanswered
from keeper.core.memory import Bounds
from tests.rules.build import T0, Scene

TIMEOUT = "HTTP 599: Timeout"
REFUSED = "HTTP 599: Connection refused"


def sent(time: float, id: int = 1) -> PacketSent:
    return PacketSent(T0 + time, id, "LoginUsers", 0, 100, 3)


def accepted(time: float, took: float | None = 0.03) -> PacketAnswered:
    return PacketAnswered(T0 + time, 1, "LoginUsers", 200, took)


def failed(time: float, code: int | None = 599, why: str = TIMEOUT, took: float | None = None) -> PacketAnswered:
    """An answer that does not say when its packet was sent, unless `took` does."""
    return PacketAnswered(T0 + time, 1, "LoginUsers", code, took, why)


def unanswered(time: float, since: float) -> PacketUnanswered:
    return PacketUnanswered(T0 + time, 1, "LoginUsers", 3, T0 + since)


def backlog(
    time: float, due: int, oldest: float | None, *, held: int = 0, refused: int = 0, events: int = 9, why: str = ""
) -> BacklogChanged:
    return BacklogChanged(T0 + time, due, held, refused, events, None if oldest is None else T0 + oldest, why)


def agent(since: float = -3600, bounds: Bounds = Bounds()) -> Scene:  # noqa: B008  # a frozen value
    """An agent whose log is known from `since` on for ever."""
    return Scene(kind="agent", bounds=bounds).sees_all("log", since)
