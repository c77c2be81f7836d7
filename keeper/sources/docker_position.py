"""Places in a container's log: lines have names, and a position is made of them. Pure."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from keeper.errors import StateError
from keeper.sources.docker_stream import Line


class LineId(NamedTuple):
    """Names a line of one container for ever: its stream, its time, and the how many-th of that time (from 1; journald
    has microseconds only, where several lines may share one)."""

    stream: int
    ns: int
    nth: int


@dataclass(frozen=True, slots=True)
class Position:
    """How far one container's log was handed over.

    Everything up to `proven` was, in the order of the log, then `ahead` more lines of which `last` is the last in that
    order. Without `proven` (a new log, or one whose line is gone) reading begins behind the time `floor`, 0 being the
    beginning of the log.
    """

    container: str
    id: str
    proven: LineId | None = None
    ahead: int = 0
    last: LineId | None = None
    floor: int = 0

    def text(self) -> str:
        return json.dumps(
            {
                "kind": "docker",
                "container": self.container,
                "id": self.id,
                "proven": self.proven,
                "ahead": self.ahead,
                "last": self.last,
                "floor": self.floor,
            }
        )


def position(saved: str | None, container: str) -> Position | None:
    """Read a saved position; None when there is none for this container (the configuration named something else then).

    Raises StateError for text that keeper cannot have written.
    """
    if saved is None:
        return None
    try:
        fields = json.loads(saved)
        if fields.get("kind") != "docker" or fields["container"] != container:
            return None
        return Position(
            container, str(fields["id"]), _line_id(fields["proven"]), int(fields["ahead"]), _line_id(fields["last"]),
            int(fields["floor"]),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StateError(f"the saved position of container {container} is garbled ({error}): {saved[:200]}") from error


def _line_id(field: list[int] | None) -> LineId | None:
    if field is None:
        return None
    stream, ns, nth = field
    return LineId(int(stream), int(ns), int(nth))


def number(line: Line, newest: dict[int, LineId]) -> LineId:
    """Name a line of a reading; `newest` holds the line before it of each stream, and then this one."""
    before = newest.get(line.stream)
    nth = before.nth + 1 if before is not None and before.ns == line.ns else 1
    line_id = newest[line.stream] = LineId(line.stream, line.ns, nth)
    return line_id


class Lookback:
    """Finds the line behind which the last `size` bytes of a log begin: `before`, None when the log is not longer."""

    def __init__(self, size: int) -> None:
        self.before: LineId | None = None
        self._room = size
        self._kept: deque[tuple[LineId, int]] = deque()
        self._newest: dict[int, LineId] = {}

    def take(self, line: Line) -> None:
        self._kept.append((number(line, self._newest), len(line.data)))
        self._room -= len(line.data)
        while self._room < 0:
            self.skip_first()

    def skip_first(self) -> None:
        """Begin one line later."""
        if self._kept:
            self.before, size = self._kept.popleft()
            self._room += size
