"""How to know a file of a log again, under another name, copied or compressed; and the position text made of it.

A file is known by device and inode, by a hash of its first bytes and by a hash of the bytes just before the place where
reading stopped. The inode alone lies when it is reused, the head alone when the file was copied, cut and went on.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quote
from typing import Any, NamedTuple

HEAD = 1024  # bytes of the head that are hashed; fewer while the file has fewer
MARK = 256  # bytes before the place that are hashed
PLACES_KEPT = 4  # finished files in a position text: about 1 KiB
VERSION = 1


def digest(data: bytes) -> str:
    """16 hex digits. Only equality matters, against accident and not against malice."""
    return blake2b(data, digest_size=8).hexdigest()


class Place(NamedTuple):
    """How far one file was read. All sizes in bytes of the uncompressed content.

    `offset` is where the first line begins that was not handed out; `size` is what was known to exist.
    """

    path: str
    device: int
    inode: int
    head_size: int
    head: str
    mark_size: int
    mark: str
    offset: int
    size: int
    mtime_ns: int


def same_head(head: bytes, place: Place) -> bool:
    """Whether content that begins with `head` is the one a place lies in. Of an empty one nothing can be known."""
    return 0 < place.head_size <= len(head) and digest(head[: place.head_size]) == place.head


class Position(NamedTuple):
    """How far a whole log was read.

    `before` are finished files that may still be met (the one that grew last is last), `at` the one being read, None
    when the next one has not been found. A file that is in neither is unread if it was modified after `floor_ns`.
    """

    pattern: str
    floor_ns: int
    before: tuple[Place, ...]
    at: Place | None


def encode_place(place: Place) -> str:
    """JSON written out by hand: every chunk needs one, and json.dumps takes five times as long."""
    path, device, inode, head_size, head, mark_size, mark, offset, size, mtime_ns = place
    return (
        f'{{"path":{quote(path)},"device":{device},"inode":{inode},"head_size":{head_size},"head":"{head}",'
        f'"mark_size":{mark_size},"mark":"{mark}","offset":{offset},"size":{size},"mtime_ns":{mtime_ns}}}'
    )


def encode(pattern: str, floor_ns: int, before: list[str], at: Place | None) -> str:
    """The text of a Position whose finished places are encoded already: they rarely change, chunks come often."""
    return (
        f'{{"v":{VERSION},"pattern":{quote(pattern)},"floor_ns":{floor_ns},"before":[{",".join(before)}],'
        f'"at":{"null" if at is None else encode_place(at)}}}'
    )


def decode(text: str) -> Position:
    """Read a position text. Raises ValueError with half a sentence: what is wrong with it."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(raw, dict) or raw.get("v") != VERSION:
        raise ValueError("it is not of this version of keeper")
    try:
        at = None if raw["at"] is None else _place(raw["at"])
        before = tuple(_place(each) for each in raw["before"])
        position = Position(_typed(raw, "pattern", str), _typed(raw, "floor_ns", int), before, at)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"it is damaged: {error}") from error
    return position


def _place(raw: Any) -> Place:
    if not isinstance(raw, dict):
        raise TypeError("a place is not an object")
    place = Place(*(_typed(raw, name, kind) for name, kind in _FIELDS.items()))
    sizes = (place.device, place.inode, place.head_size, place.mark_size, place.offset, place.size)
    if min(sizes) < 0 or place.head_size > HEAD or place.mark_size > min(MARK, place.offset):
        raise ValueError("its sizes contradict each other")
    return place


def _typed(raw: dict[str, Any], name: str, kind: type) -> Any:
    value = raw[name]
    if type(value) is not kind:
        raise TypeError(f"{name} is {type(value).__name__}")
    return value


_FIELDS = {name: str if name in ("path", "head", "mark") else int for name in Place._fields}
