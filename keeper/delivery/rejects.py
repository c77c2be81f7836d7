"""`collected-rejected`: packets that cannot be delivered as they are, each below a line with the reason.

The packets stand in the documented format, so that the file can be resent once the IDL or the server has been mended.
It only grows, and has each packet once.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from keeper.delivery.packet import Packet, packets
from keeper.errors import StateError

FILE = "collected-rejected"


class Rejects:
    """For one thread. Opens the file when the first packet comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: BinaryIO | None = None
        self._known: set[tuple[int, str]] = set()

    def add(self, packet: Packet, reason: str) -> None:
        """Raises StateError when it cannot be written."""
        self.count += 1
        try:
            if self._file is None:
                self._open()
            if packet.name in self._known or self._file is None:
                return
            self._known.add(packet.name)
            key = packet.key.encode("utf-8", "surrogateescape")
            why = reason.encode("utf-8", "backslashreplace").replace(b"\n", b" ")
            self._file.write(b"# %s\n%d: %s: %s\n" % (why, packet.id, key, packet.data))
            self._file.flush()
        except OSError as error:
            raise StateError(f"{self.path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self) -> None:
        torn = False
        if self.path.exists():
            self._known = {found.name for found in packets(self.path) if isinstance(found, Packet)}
            with self.path.open("rb") as old:
                size = old.seek(0, 2)
                old.seek(max(0, size - 1))
                torn = size > 0 and old.read(1) != b"\n"
        self._file = self.path.open("ab")
        if torn:
            self._file.write(b"\n")
