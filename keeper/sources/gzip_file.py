"""Reading gzip as a stream that may still be written, may be cut off, and may be broken."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import IO, Protocol, cast

try:
    from isal import isal_zlib
except ImportError:  # the extra `fast` is not installed
    isal_zlib = None  # type: ignore[assignment]  # mypy sees a module where it is installed

MAGIC = b"\x1f\x8b"
WBITS = 31  # a gzip header and trailer, checksum verified
PIECE = 64 << 10  # compressed bytes read at a time


class BrokenGzip(Exception):  # noqa: N818 - said like what it is
    """The compressed bytes are damaged. The message is half a sentence."""


class Inflate(Protocol):
    """What zlib's and isal's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def inflate() -> Inflate:
    """The fastest decompressor there is."""
    return isal_zlib.decompressobj(WBITS) if isal_zlib else zlib.decompressobj(WBITS)


ISAL_ERROR: type[Exception] = cast(type[Exception], isal_zlib.error) if isal_zlib else zlib.error
DAMAGED = (zlib.error, ISAL_ERROR)


class GzipStream:
    """The content of a gzip file, all members of it, in order and in bounded memory.

    `finished` is True when the end was reached and the last member is whole. Whatever follows a whole member and is
    not gzip is left out, as gzip(1) does.
    """

    def __init__(self, file: IO[bytes], new_inflate: Callable[[], Inflate] = inflate) -> None:
        self._file = file
        self._new_inflate = new_inflate
        self._inflate = new_inflate()
        self._input = b""
        self._more_inside = False
        self.finished = False

    def read(self, most: int) -> bytes:
        """Up to `most` bytes; empty if there are none just now, for good if `finished`. Raises BrokenGzip, OSError."""
        while not self.finished:
            if self._inflate.eof and not self._next_member():
                return b""
            if not self._input and not self._more_inside:
                self._input = self._file.read(PIECE)
                if not self._input:
                    return b""
            try:
                data = self._inflate.decompress(self._input, most)
            except DAMAGED as error:
                raise BrokenGzip(str(error).removesuffix(".")) from error
            self._input = self._inflate.unconsumed_tail
            # A full answer may have left output inside the decompressor although all input is consumed.
            self._more_inside = len(data) == most and not self._inflate.eof
            if data:
                return data
        return b""

    def _next_member(self) -> bool:
        """After a whole member: go on with the next one. False when there is none, or not yet enough of it."""
        rest = self._inflate.unused_data.lstrip(b"\0")
        while len(rest) < len(MAGIC):
            piece = self._file.read(PIECE)
            if not piece:
                self.finished = True
                return False
            rest = (rest + piece).lstrip(b"\0")
        if rest[: len(MAGIC)] != MAGIC:
            self.finished = True
            return False
        self._inflate = self._new_inflate()
        self._input, self._more_inside = rest, False
        return True


def size_in_trailer(fd: int, size: int) -> int:
    """What a gzip file of `size` bytes says at its end about its uncompressed size (its last 4 bytes, RFC 1952).

    Right for one whole member below 4 GiB; a hint otherwise.
    """
    return int.from_bytes(os.pread(fd, 4, size - 4), "little") if size >= 18 else 0
