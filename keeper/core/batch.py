"""What travels from the sources to the loop: bytes of a log, answers, and what a source says of itself."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from keeper.core.event import Event


class Chunk(NamedTuple):
    """Complete lines of one log, each ending in a newline, in the order they were written.

    `position` is the source's own text (JSON) that resumes right behind the last byte of `data`; whoever consumes the
    chunk stores it with what the chunk led to, so that nothing is read twice or skipped. `seen` is the arrival.
    `cut` counts lines that were longer than the limit and lost their tail. `data` is empty where only the position
    moved (a log without a line yet, a rotation): then there is nothing to parse, only the position to store.
    """

    source: str
    data: bytes
    seen: float
    position: str
    cut: int = 0


class Answers(NamedTuple):
    """Events of a source that asks instead of follows."""

    source: str
    events: tuple[Event, ...]


class SourceUp(NamedTuple):
    """The source sees its subject from `at` on."""

    source: str
    at: float


class SourceDown(NamedTuple):
    """The source is blind since `at`; `reason` is one sentence with its cure where there is one."""

    source: str
    at: float
    reason: str


class Lost(NamedTuple):
    """Bytes that were gone before they could be read: `size` of them from `offset` of `where` on."""

    source: str
    at: float
    size: int
    offset: int
    where: str
    reason: str
    position: str | None = None


Item: TypeAlias = Chunk | Answers | SourceUp | SourceDown | Lost


class Parsed(NamedTuple):
    """What a format made of one chunk. `recognized + unrecognized` is the number of lines, continuation lines of a
    recognised one included in `recognized`."""

    events: list[Event]
    lines: int
    recognized: int
    unrecognized: int
