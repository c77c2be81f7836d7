"""Waking up when a file is written to, by inotify. Only a doorbell: who is rung looks for himself."""

from __future__ import annotations

import contextlib
import os
import select
from typing import NamedTuple

from inotify_simple import INotify, flags

from keeper.core.source import Now, Wait

FILE_EVENTS = flags.MODIFY | flags.ATTRIB | flags.MOVE_SELF
# Names only: in a directory of many logs everybody would be rung for every line of each.
DIRECTORY_EVENTS = flags.CREATE | flags.MOVED_TO | flags.ONLYDIR
STOP_SLICE = 0.25  # seconds until a stop is heard while nothing rings


class Watched(NamedTuple):
    """What shall ring: the file behind a descriptor, or a directory. `device` and `inode` make it comparable."""

    device: int
    inode: int
    path: str
    events: int


def watch_file(fd: int) -> Watched:
    """The very file that is open, whatever its name has become."""
    status = os.fstat(fd)
    return Watched(status.st_dev, status.st_ino, f"/proc/self/fd/{fd}", FILE_EVENTS)


def watch_directory(path: str) -> Watched | None:
    """None while there is no such directory."""
    try:
        status = os.stat(path)  # noqa: PTH116 - once a second for each missing log
    except OSError:
        return None
    return Watched(status.st_dev, status.st_ino, path, DIRECTORY_EVENTS)


class Bell:
    """One inotify instance. Raises OSError when the system has none left (fs.inotify.max_user_instances)."""

    def __init__(self) -> None:
        self._inotify = INotify(nonblocking=True)
        self._poll = select.poll()
        self._poll.register(self._inotify.fileno(), select.POLLIN)
        self._watches: dict[tuple[int, int], int] = {}

    def watch(self, wanted: list[Watched]) -> bool:
        """Ring for these and no others. True if a new one was added: what came before must be looked for."""
        keys = {(each.device, each.inode) for each in wanted}
        for key in self._watches.keys() - keys:
            with contextlib.suppress(OSError):  # the kernel drops the watch of a deleted file by itself
                self._inotify.rm_watch(self._watches.pop(key))
        added = False
        for each in wanted:
            key = (each.device, each.inode)
            if key not in self._watches:
                with contextlib.suppress(OSError):  # no watches left or gone again: polling finds what happens
                    self._watches[key] = self._inotify.add_watch(each.path, each.events)
                    added = True
        return added

    def wait(self, seconds: float) -> bool:
        """Wait up to so long; True if it rang."""
        return bool(self._poll.poll(seconds * 1000))

    def hush(self) -> None:
        """Forget that it rang. What rings from now on rings anew."""
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self._inotify.fileno(), 1 << 16)) > 1 << 15:
                pass

    def close(self) -> None:
        self._inotify.close()


def rest(bell: Bell | None, wait: Wait, now: Now, started: float, *, pause: float, calm: float) -> None:
    """Wait until the bell rings, `pause` seconds after `started` at most, and not less than `calm` after it.

    Returns early when `wait` says stop: the caller asks it again.
    """
    if bell is None:
        wait(pause)
        return
    while (left := started + pause - now()) > 0:
        if bell.wait(min(left, STOP_SLICE)):
            early = started + calm - now()
            if early <= 0 or not wait(early):
                bell.hush()
            return
        if wait(0.0):
            return
