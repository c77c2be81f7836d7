"""The folder of the queue: the server's alone, and nothing else in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from keeper.durable import lock_folder
from keeper.errors import StateError
from keeper.receiver.queues.segments.segment import Segment, look_through, number_of, numbers

OURS = ("lock", "lost+found")


class Taken(NamedTuple):
    """`lock` is a descriptor that keeps other servers away until it is closed, `segments` are of former lives."""

    lock: int
    segments: list[Segment]


def waiting(folder: Path) -> int:
    """How many records of a folder are not done; none where it is not there. Raises StateError, OSError."""
    if not folder.exists() and not folder.is_symlink():  # a link into nothing: its disk is not mounted perhaps
        return 0
    return sum(look_through(folder, number).waiting for number in numbers(folder))


def take(folder: Path) -> Taken:
    """Make the folder, or take it over from a server that ended. Raises StateError, naming the cure."""
    try:
        lock = lock_folder(folder)
        try:
            for path in sorted(folder.iterdir()):
                if path.name not in OURS and number_of(path.name) is None:
                    raise StateError(f"{path} is not keeper's; move it away, or give the queue a folder of its own")
            return Taken(lock, [look_through(folder, number) for number in numbers(folder)])
        except BaseException:
            os.close(lock)
            raise
    except BlockingIOError as error:
        raise StateError(f"{folder} is in use by another keeper; let it end first") from error
    except OSError as error:
        raise StateError(f"{error.filename or folder} cannot be used: {error.strerror}") from error
