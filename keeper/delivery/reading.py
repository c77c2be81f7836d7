"""The plain bytes of a log, however it is packed, up to its end or to its damage."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from keeper.delivery.gunzip import DAMAGED, CutOff, gunzip, salvaged

PIECE = 1 << 18  # bytes handed out at a time: they stay in a processor's cache until all is made of them
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def packing_of(head: bytes) -> str | None:
    """What a file is packed with, told by its first bytes; None if it is plain."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


class Reading:
    """One pass over a log. Raises OSError where the file cannot be read.

    `taken` is how many bytes of the file itself were read so far, `given` how many plain bytes were handed out.
    `damage` is why reading ended too early, half a sentence; None if it did not.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.taken = 0
        self.given = 0
        self.damage: str | None = None

    def pieces(self, most: int = PIECE) -> Iterator[bytes]:
        """Yield the plain bytes, at most `most` at a time."""
        with self._path.open("rb") as file:
            for data in self._unpacked(file, most):
                self.taken = file.tell()
                self.given += len(data)
                yield data

    def _unpacked(self, file: IO[bytes], most: int) -> Iterator[bytes]:
        packing = packing_of(file.read(6))
        file.seek(0)
        if packing == "gzip":
            yield from self._gzip(file, most)
        elif packing in ("bzip2", "xz"):
            try:
                with bz2.BZ2File(file) if packing == "bzip2" else lzma.LZMAFile(file) as opened:
                    while data := opened.read1(most):
                        yield data
            except EOFError:
                self._cut_off()
            except (OSError, lzma.LZMAError) as error:
                self._damaged(error)
        elif packing == "zstd":
            self.damage = "it is packed with zstd, which keeper does not read; `zstd -d` unpacks it"
        else:
            while data := file.read(most):
                yield data

    def _gzip(self, file: IO[bytes], most: int) -> Iterator[bytes]:
        try:
            yield from gunzip(file, most)
        except CutOff:
            self._cut_off()
        except DAMAGED as error:
            file.seek(0)
            yield from salvaged(file, self.given)
            self._damaged(error)

    def _cut_off(self) -> None:
        self.damage = f"the archive is cut off; it ends after {self.given:,} plain bytes, all of which were used"

    def _damaged(self, error: Exception) -> None:
        self.damage = f"the archive is damaged ({error}); {self.given:,} plain bytes, up to where it showed, were used"
