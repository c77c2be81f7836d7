"""Packets that did not arrive: the value that collecting hands to resending, and the documented files it travels in.

    collected-unsent        ID: KEY: [data]                 answered, but not with 200
    collected-no-response   [unix.time] ID: KEY: [data]     no answer was logged
    collected-index         JSON, one object a packet       what the other two have no room for: time, outcome, code

People filter the first two with grep and feed files of older tools, so these are the truth and the index only adds to
them: a line that the index does not know, or a folder without an index, is read all the same.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

from keeper.errors import KeeperError

UNSENT = "collected-unsent"
NO_RESPONSE = "collected-no-response"
JSON = "collected-json"
INDEX = "collected-index"
REPORT = "report.json"

MAX_LINE = 64 << 20  # bytes: packets of 5 MB are seen; more than this is no packet

# `rejected`: an answer with another code than 200. `unknown`: 599 or no code, the server may have accepted it.
# `unanswered`: no answer was logged, which proves as little.
Outcome: TypeAlias = Literal["rejected", "unknown", "unanswered"]

LINE = re.compile(
    rb"(?:\[(?P<at>\d{1,15}(?:\.\d{1,9})?)\] )?(?P<id>\d{1,19}): (?P<key>[^:\s]+): (?P<data>.*)", re.DOTALL
)


class Place(NamedTuple):
    """Where a line begins: the file's path, and bytes from its beginning."""

    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet that is not known to have arrived.

    `id` is the agent's; it starts again when the agent does, so only id and content together name a packet (`name`).
    `at` is when it was sent, in seconds since the Unix epoch; None where the file does not tell. `data` is the text
    of the list as the agent logged it, a Python 2 repr. `outcome` is None where the file does not tell.
    """

    id: int
    key: str
    at: float | None
    data: bytes
    outcome: Outcome | None
    code: int | None
    place: Place

    @property
    def name(self) -> tuple[int, str]:
        """Identity that no restart of the agent repeats: the id and 32 hex digits of SHA-256 over type and content."""
        return self.id, hashlib.sha256(self.key.encode("utf-8", "surrogateescape") + b"\0" + self.data).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line that is no packet. `text` is its beginning, `reason` half a sentence."""

    place: Place
    text: bytes
    reason: str


class Known(NamedTuple):
    """What the index says of one packet."""

    at: float
    outcome: Outcome
    code: int | None


Index: TypeAlias = dict[tuple[int, int], Known]


def packets(path: Path) -> Iterator[Packet | WrongLine]:
    """Yield the packets of a file, or of a folder that `keeper collect` or an older tool made, in order of sending.

    Never holds more than one packet of each file. Raises KeeperError if there is nothing to read.
    """
    if not path.is_dir():
        yield from _without_order(_lines(path, {}))
        return
    files = [path / name for name in (UNSENT, NO_RESPONSE) if (path / name).exists()]
    if not files:
        raise KeeperError(f"{path} has neither {UNSENT} nor {NO_RESPONSE}; `keeper collect` makes them")
    index = _index(path / INDEX)
    yield from _without_order(heapq.merge(*(_lines(file, index) for file in files), key=lambda item: item[0]))


def index_line(packet_id: int, data: bytes, known: Known, **more: str | int) -> bytes:
    """The index's line for a packet. `more` is for people: the log it came from, its events."""
    entry = {"id": packet_id, "crc": zlib.crc32(data), **known._asdict(), **more}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _without_order(lines: Iterator[tuple[float, Packet | WrongLine]]) -> Iterator[Packet | WrongLine]:
    return (line for _, line in lines)


def _lines(path: Path, index: Index) -> Iterator[tuple[float, Packet | WrongLine]]:
    """Each line with the time that orders it: its own, or else that of the line before it."""
    try:
        with path.open("rb") as file:
            order = 0.0
            for offset, line in _bounded(file):
                item = _read(Place(str(path), offset), line, index)
                if isinstance(item, Packet) and item.at is not None:
                    order = max(order, item.at)
                yield order, item
    except OSError as error:
        raise KeeperError(f"cannot read {path}: {error.strerror or error}") from error


def _bounded(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their offsets; of a line longer than MAX_LINE its beginning, MAX_LINE + 1 bytes without newline."""
    offset = 0
    while line := file.readline(MAX_LINE + 1):
        yield offset, line
        while not line.endswith(b"\n") and (rest := file.readline(MAX_LINE)):
            offset += len(line)
            line = rest
        offset += len(line)


def _read(place: Place, line: bytes, index: Index) -> Packet | WrongLine:
    if len(line) > MAX_LINE:
        return WrongLine(place, line[:200], f"longer than {MAX_LINE >> 20} MiB")
    match = LINE.fullmatch(line.rstrip(b"\r\n"))
    if not match:
        return WrongLine(place, line[:200], "not of the form `ID: KEY: [data]`")
    number, data = int(match["id"]), match["data"]
    if not data.startswith(b"[") or not data.endswith(b"]"):
        return WrongLine(place, line[:200], "the data is not a whole list")
    known = index.get((number, zlib.crc32(data)))
    at = float(match["at"]) if match["at"] else known.at if known else None
    outcome: Outcome | None = known.outcome if known else "unanswered" if match["at"] else None
    key = match["key"].decode("utf-8", "surrogateescape")
    return Packet(number, key, at, data, outcome, known.code if known else None, place)


def _index(path: Path) -> Index:
    """The index of a folder; empty if it has none. Raises KeeperError if it is damaged."""
    index: Index = {}
    try:
        with path.open("rb") as file:
            for line in file:
                entry = json.loads(line)
                known = Known(float(entry["at"]), entry["outcome"], entry["code"])
                index.setdefault((entry["id"], entry["crc"]), known)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise KeeperError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        where = f"{path} is damaged after {len(index):,} packets"
        raise KeeperError(f"{where}; collect again, or remove it and lose order and outcomes") from error
    return index
