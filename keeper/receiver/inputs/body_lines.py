"""What inputs that take lines have in common: bad ones are counted and said, and the rest is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from keeper.formats.datapoint import shown
from keeper.receiver.inputs.input import MOST_WRONG, Read
from keeper.receiver.packet import Event, Malformed, Said

_PIECE = 65_536  # bytes: what is found in an empty line takes many times its room


def numbered(lines: re.Pattern[bytes], body: bytes) -> Iterator[tuple[int, Any]]:
    """What `lines`, which matches each line with its end, finds in the body, and the number of the line."""
    number = 1
    begin = 0
    while begin < len(body):
        end = body.rfind(b"\n", begin, begin + _PIECE) + 1 or body.find(b"\n", begin + _PIECE) + 1 or len(body)
        found = lines.findall(body[begin:end])
        yield from enumerate(found, number)
        number += len(found)
        begin = end


class Wrong:
    """The bad lines of one body. `why` says of the first of them what is wrong."""

    def __init__(self) -> None:
        self.count = 0
        self.why: list[str] = []

    def one_more(self) -> bool:
        """True when it shall still be said what is wrong with it."""
        self.count += 1
        return self.count <= MOST_WRONG

    def say(self, number: int, line: bytes, why: str) -> None:
        self.why.append(f"line {number}: {why}: {shown(line)}")


def whole(events: Mapping[str, list[Event]], wrong: Wrong) -> Read:
    """A packet for each type."""
    return Read([Said(kind, found) for kind, found in events.items()], wrong.count, wrong.why)


def some(read: Read) -> Read:
    """Raises Malformed when there was something, and nothing of it was good."""
    if read.wrong and not read.packets:
        raise Malformed("; ".join(["no line is good", *read.why])[:500])
    return read
