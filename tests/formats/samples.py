"""Real lines and recordings, and what keeper is meant to read in them."""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import keeper
from keeper.core.event import Event
from keeper.formats.nodeos import NodeosFormat

DATA = Path(__file__).parent.parent / "data"
RECORDINGS = ("A", "B", "C", "net")
# Dawn lines without a block time are dated by the arrival: 2018-05-04T05:16:40Z, in the year of most of them.
SEEN = 1525411000.0


class Sample(NamedTuple):
    """One record of nodeos_lines.jsonl: `line` may hold several physical lines."""

    number: int
    kind: str
    line: bytes


@cache
def samples() -> tuple[Sample, ...]:
    records = [json.loads(text) for text in (DATA / "nodeos_lines.jsonl").read_text().splitlines()]
    return tuple(Sample(n, record["kind"], record["line"].encode()) for n, record in enumerate(records, 1))


@cache
def expected() -> tuple[Any, ...]:
    """Golden: per record its number, how many of its lines are recognised, and its events. Read line by line against
    the sentences nodeos prints; change it only the same way."""
    return tuple(json.loads(text) for text in (DATA / "nodeos_lines.expected.jsonl").read_text().splitlines())


@cache
def recording(name: str) -> bytes:
    return lzma.decompress((Path(keeper.__file__).parent / f"data/antelope-4.1-{name}.log.xz").read_bytes())


def read(data: bytes, seen: float = SEEN) -> list[Event]:
    """All events of some lines, the last one's included."""
    form = NodeosFormat()
    return form.parse(data, seen).events + form.flush(seen)
