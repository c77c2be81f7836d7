"""What it takes until a file is on the disk, and belongs to one process."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


def write_all(file: int, data: bytes, offset: int) -> None:
    """Write at an offset, however often the system takes less than it was given. Raises OSError."""
    left = memoryview(data)
    while left:
        written = os.pwrite(file, left, offset)
        left, offset = left[written:], offset + written


def begin_file(path: Path, head: bytes) -> int:
    """Make a file that was not there, with its first bytes, on the disk; a descriptor to go on writing. Raises OSError;
    then nothing is left of it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(file, head, 0)
        sync_folder(path.parent)
    except OSError:
        os.close(file)
        with suppress(OSError):
            path.unlink()
        raise
    return file


def sync_folder(folder: Path) -> None:
    """A file that was made is only there after a power cut if its folder is on the disk, too."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def make_folder(folder: Path) -> None:
    """For its owner only, and there after a power cut, with all above it. Raises OSError."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in new:
        sync_folder(path.parent)


def lock_folder(folder: Path) -> int:
    """Make the folder, for its owner only, and take its lock: a descriptor that holds it until it is closed or this
    process ends, whatever ends it. Raises BlockingIOError when another process has it, OSError."""
    make_folder(folder)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(lock)
        raise
    return lock
