"""What a damaged gzip file still holds right before its damage."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO

from keeper.sources.gzip_file import MAGIC, WBITS

_SIP = 512  # compressed bytes unpacked at a time
_NEAR = 8 << 20  # plain bytes: from here on states are kept to go back to


def salvaged(file: IO[bytes], given: int) -> Iterator[bytes]:
    """Unpack again from the beginning; yield what comes after the first `given` plain bytes, up to the damage.

    A decompressor that meets damage throws away all that it made in the same step. So the last steps are repeated
    byte by byte: what is missing then is what one byte stood for.
    """
    inflate, position = zlib.decompressobj(WBITS), 0
    sip = file.read(_SIP)
    while sip:
        before = inflate.copy() if position > given - _NEAR else None
        try:
            data = inflate.decompress(sip)
        except zlib.error:
            data = b"".join(_bytewise(before, sip)) if before else b""
            yield data[max(0, given - position) :]
            return
        if position + len(data) > given:
            yield data[max(0, given - position) :]
        position += len(data)
        sip = file.read(_SIP)
        if inflate.eof:  # another archive may follow in the same file
            sip = (inflate.unused_data + sip).lstrip(b"\0")
            while 0 < len(sip) < len(MAGIC) and (more := file.read(_SIP)):
                sip += more
            if not sip.startswith(MAGIC):
                return
            inflate = zlib.decompressobj(WBITS)


def _bytewise(inflate: zlib._Decompress, sip: bytes) -> Iterator[bytes]:
    try:
        for byte in sip:
            yield inflate.decompress(bytes((byte,)))
    except zlib.error:
        return
