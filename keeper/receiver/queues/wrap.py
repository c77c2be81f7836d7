"""A record as it stands in a queue that takes messages up to a size: squeezed where it is too large otherwise."""

from __future__ import annotations

import hashlib
import zlib

import orjson

PLAIN, SQUEEZED = b"=", b"z"  # the first byte of each message


def wrap(record: bytes, most: int) -> bytes | None:
    """A message of at most so many bytes; None when the record cannot be made so small."""
    if len(record) < most:
        return PLAIN + record
    squeezed = SQUEEZED + zlib.compress(record, 1)
    return squeezed if len(squeezed) <= most else None


def unwrap(message: bytes) -> bytes:
    """The record. What others put into the queue comes out as it is: it is no record, and the worker sets it aside."""
    if message[:1] == PLAIN:
        return message[1:]
    if message[:1] == SQUEEZED:
        try:
            return zlib.decompress(memoryview(message)[1:])
        except zlib.error:
            pass
    return message


def too_large(record: bytes, most: int, cure: str) -> str:
    return f"a packet of {len(record)} bytes is larger than the {most} bytes that the queue takes, squeezed too; {cure}"


def name(record: bytes) -> str | None:
    """The same for the same packet of the same source, whenever it came: the time when it came is left out. None when
    it is no record of keeper's."""
    try:
        source, number, kind, _, content = orjson.loads(record.partition(b"\n")[0])
        known = orjson.dumps([source, number, kind, content])
    except (ValueError, TypeError):
        return None
    return hashlib.sha256(known).hexdigest()[:32]
