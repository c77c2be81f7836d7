"""Which logs there are: in files, folders and globs, each only once, and only an agent's."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from keeper.delivery.reading import Reading
from keeper.errors import KeeperError
from keeper.formats.statistic_agent import SHAPES, first_time

HEAD = 1 << 20  # bytes in which a log's first time must stand
_KEPT = 1 << 10  # bytes of the head that tell different logs apart


@dataclass(frozen=True, slots=True)
class Found:
    """The logs to read, and each file that is left out with the reason, half a sentence."""

    logs: list[Path]
    left_out: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Head:
    path: Path
    first: int | None
    begins: bytes


def find(named: Iterable[str]) -> Found:
    """Find the logs behind names of files, folders and globs. Raises KeeperError if a name means nothing, or no log
    is among them."""
    paths = list(dict.fromkeys(path for name in named for path in _paths(name)))
    left_out: dict[str, str] = {}
    heads = []
    for path in paths:
        try:
            head = _head(path)
        except OSError as error:
            left_out[str(path)] = f"cannot be read: {error.strerror or error}"
            continue
        if head is None:
            left_out[str(path)] = "empty"
        elif head.first is None:
            left_out[str(path)] = f"not an agent's log: no line begins like `{SHAPES[0][:31]}`"
        else:
            heads.append(head)
    logs = _once(heads, left_out)
    if not logs and any(reason != "empty" for reason in left_out.values()):
        raise KeeperError(_nothing(left_out))
    return Found(logs, left_out)


def _paths(name: str) -> Iterator[Path]:
    path = Path(name)
    if path.is_dir():
        inside = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
        if not inside:
            raise KeeperError(f"there is no file in {name}")
        yield from inside
    elif path.exists():
        yield path
    else:
        # A glob may name folders too; a name with brackets that exists was taken above.
        matches = sorted(glob.glob(name))  # noqa: PTH207  # Path.glob takes no absolute pattern
        if not matches:
            raise KeeperError(f"there is no {name}")
        for match in matches:
            yield from _paths(match)


def _head(path: Path) -> _Head | None:
    """The beginning of a log; None if the log is empty."""
    head = bytearray()
    reading = Reading(path)
    for piece in reading.pieces(_KEPT << 6):
        head += piece
        first = first_time(bytes(head))
        if first is not None or len(head) >= HEAD:
            return _Head(path, first, bytes(head[:_KEPT]))
    if reading.damage and not head:
        raise OSError(None, reading.damage)
    return _Head(path, None, bytes(head[:_KEPT])) if head else None


def _once(heads: list[_Head], left_out: dict[str, str]) -> list[Path]:
    """Leave out what stands in another file: the same log packed, or a copy made when it was shorter."""
    kept: list[_Head] = []
    for head in heads:
        for other in kept:
            shorter = _shorter(head, other)
            if shorter is None:
                continue
            longer = other if shorter is head else head
            left_out[str(shorter.path)] = f"all of it stands in {longer.path}"
            kept[kept.index(other)] = longer
            break
        else:
            kept.append(head)
    return [head.path for head in kept]


def _shorter(one: _Head, other: _Head) -> _Head | None:
    """Which of two logs is the beginning of the other; None if neither is."""
    length = min(len(one.begins), len(other.begins))
    if one.first != other.first or one.begins[:length] != other.begins[:length]:
        return None
    left, right = Reading(one.path).pieces(), Reading(other.path).pieces()
    ahead = behind = b""
    while True:
        ahead = ahead or next(left, b"")
        behind = behind or next(right, b"")
        if not ahead or not behind:
            return other if ahead else one
        length = min(len(ahead), len(behind))
        if ahead[:length] != behind[:length]:
            return None
        ahead, behind = ahead[length:], behind[length:]


def _nothing(left_out: dict[str, str]) -> str:
    told = [f"  {path}: {reason}" for path, reason in list(left_out.items())[:10]]
    shapes = [f"  {shape}" for shape in SHAPES]
    return "\n".join(["none of this is a log of the statistics agent:", *told, "what keeper looks for:", *shapes])
