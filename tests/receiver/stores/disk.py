"""A disk of its own that is small enough to be filled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import require
from tests.peers.process import run


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """`size` in bytes. Needs root."""
    require(os.geteuid() == 0, "a disk of its own needs root (mount)")
    place.mkdir()
    done = run(["mount", "-t", "tmpfs", "-o", f"size={size}", "keeper-test", str(place)])
    require(done.returncode == 0, f"a disk of its own cannot be mounted: {done.stderr}")
    try:
        yield place
    finally:
        run(["umount", "--lazy", str(place)])


def fill(place: Path) -> Path:
    """Take all the room there is; removing the file gives it back."""
    path = place / "ballast"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path
