"""Gzip files as streams: all archives in a file, and what a damaged one still holds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO, cast

try:
    from isal import isal_zlib
except ImportError:  # the extra `fast` is not installed
    isal_zlib = None  # type: ignore[assignment]  # mypy sees a module where it is installed

# isal names its error by an instance's type in its stubs; it is an exception class like zlib's.
DAMAGED: tuple[type[Exception], ...] = (zlib.error, *((cast(type[Exception], isal_zlib.error),) if isal_zlib else ()))
MAGIC = b"\x1f\x8b"
_WBITS = 31  # a gzip header and trailer, checksum verified
_PACKED = 64 << 10  # packed bytes read at a time
_SIP = 512  # the same where every byte counts
_NEAR = 8 << 20  # plain bytes: from here on states are kept to go back to


class CutOff(Exception):  # noqa: N818  # said like what it is
    """The file ends before the archive in it does."""


def gunzip(file: IO[bytes], most: int) -> Iterator[bytes]:
    """Yield the plain bytes, at most `most` at a time. What follows a whole archive and is none is left out, as gzip(1)
    does. Raises CutOff, one of DAMAGED, OSError."""
    new = isal_zlib.decompressobj if isal_zlib else zlib.decompressobj
    inflate = new(_WBITS)
    packed = file.read(_PACKED)
    while True:
        data = inflate.decompress(packed, most)
        if data:
            yield data
        packed = inflate.unconsumed_tail
        if inflate.eof:
            packed = _next_archive(file, inflate.unused_data, _PACKED)
            if not packed:
                return
            inflate = new(_WBITS)
        elif not packed and len(data) < most:  # a full answer may have left something inside
            packed = file.read(_PACKED)
            if not packed:
                raise CutOff


def salvaged(file: IO[bytes], given: int) -> Iterator[bytes]:
    """Unpack again from the beginning; yield what comes after the first `given` plain bytes, up to the damage.

    A decompressor that meets damage throws away all that it made in the same step. So the last steps are repeated
    byte by byte: what is missing then is what one byte stood for.
    """
    inflate, position = zlib.decompressobj(_WBITS), 0
    packed = file.read(_SIP)
    while packed:
        before = inflate.copy() if position > given - _NEAR else None
        try:
            data = inflate.decompress(packed)
        except zlib.error:
            data = b"".join(_bytewise(before, packed)) if before else b""
            yield data[max(0, given - position) :]
            return
        if position + len(data) > given:
            yield data[max(0, given - position) :]
        position += len(data)
        if inflate.eof:
            packed = _next_archive(file, inflate.unused_data, _SIP)
            inflate = zlib.decompressobj(_WBITS)
        else:
            packed = file.read(_SIP)


def _next_archive(file: IO[bytes], rest: bytes, size: int) -> bytes:
    """The beginning of the archive that follows in the same file; empty if there is none."""
    rest = rest.lstrip(b"\0")  # tapes are padded
    while len(rest) < len(MAGIC) and (more := file.read(size)):
        rest = (rest + more).lstrip(b"\0")
    return rest if rest.startswith(MAGIC) else b""


def _bytewise(inflate: zlib._Decompress, packed: bytes) -> Iterator[bytes]:
    try:
        for byte in packed:
            yield inflate.decompress(bytes((byte,)))
    except zlib.error:
        return
