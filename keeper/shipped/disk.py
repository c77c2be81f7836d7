"""How full the file systems are, asked in a way that one which hangs keeps nobody waiting twice."""

from __future__ import annotations

import os
import re
import time
from threading import Thread
from typing import NamedTuple

from keeper.shipped.point import Point, Say, tag
from keeper.shipped.pressure import pressure
from keeper.shipped.procfs import text, text_if_any

MOST = 64  # mounts
PATIENCE = 2.0  # seconds for all answers of a round

LOCAL = "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs jfs reiserfs nilfs2 vfat exfat ntfs ntfs3 hfsplus ufs"

# They answer when another program or host does. `fuse.*` belongs to them, though some of those are local.
REMOTE = "nfs nfs4 cifs smb3 smbfs afs ceph glusterfs lustre beegfs 9p virtiofs gfs2 ocfs2 orangefs fuse fuseblk"

# Where a tmpfs belongs to the system; elsewhere somebody mounted it to keep something in, such as a chain's state.
SYSTEM = re.compile(r"/(?:dev|run|sys|proc)(?:/|$)")

ESCAPE = re.compile(r"\\([0-7]{3})")  # space, tab, newline and backslash in /proc/mounts


class Mount(NamedTuple):
    path: str
    kind: str

    @property
    def tags(self) -> str:
        return f"mount={tag(self.path)} fstype={tag(self.kind)}"


class Disks:
    """Asks each file system in a thread of its own, and none again that has not answered yet."""

    def __init__(self, remote: bool, say: Say) -> None:
        self._remote = remote
        self._say = say
        self._asked: dict[str, Thread] = {}  # by path; those that still wait for an answer

    def __call__(self) -> list[Point]:
        found = mounts(text("/proc/mounts"), self._remote)
        if len(found) > MOST:
            self._say(f"disk: more than {MOST} mounts, only the first {MOST} are shown")
        answers = self._ask(found[:MOST])
        return [
            *(point for mount, answer in answers.items() for point in usage(mount, answer)),
            *pressure(text_if_any("/proc/pressure/io"), "io"),
        ]

    def _ask(self, wanted: list[Mount]) -> dict[Mount, os.statvfs_result]:
        answers: dict[Mount, os.statvfs_result] = {}

        def ask(mount: Mount) -> None:
            try:
                answers[mount] = os.statvfs(mount.path)
            except OSError as error:
                self._say(f"disk: {mount.path} is left out: {error.strerror}")

        self._asked = {path: thread for path, thread in self._asked.items() if thread.is_alive()}
        asked = [mount for mount in wanted if mount.path not in self._asked]
        threads = {mount.path: Thread(target=ask, args=(mount,), daemon=True) for mount in asked}
        self._asked |= threads
        for thread in threads.values():
            thread.start()
        end = time.monotonic() + PATIENCE
        for path, thread in threads.items():
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                self._say(f"disk: {path} does not answer: it is left out until it does")
        return {mount: answers[mount] for mount in asked if mount in answers}


def mounts(told: str, remote: bool) -> list[Mount]:
    """Read /proc/mounts: each file system that holds something, once, at its shortest path; sorted by path."""
    by_path: dict[str, tuple[str, str]] = {}
    for line in filter(None, told.split("\n")):  # a path may hold what splitlines() takes for an end
        device, path, kind, *_ = line.split(" ")
        by_path[ESCAPE.sub(_byte, path)] = (device, kind)  # what was mounted last covers what was there before
    shown = {path: told for path, told in by_path.items() if _shown(path, told[1], remote)}
    shortest: dict[str, str] = {}
    for path in sorted(shown, key=lambda path: (len(path), path)):
        device, kind = shown[path]
        # Bind mounts and subvolumes repeat a device; file systems without one repeat a mere word.
        shortest.setdefault(path if kind in ("tmpfs", "overlay") else device, path)
    return [Mount(path, shown[path][1]) for path in sorted(shortest.values())]


def _shown(path: str, kind: str, remote: bool) -> bool:
    if kind == "tmpfs":
        return not SYSTEM.match(path)
    if kind == "overlay":
        return path == "/"  # the root of our own container; others show the disk they lie on once more
    return kind in LOCAL.split() or (remote and (kind in REMOTE.split() or kind.startswith("fuse.")))


def _byte(escaped: re.Match[str]) -> str:
    return chr(int(escaped[1], 8))


def usage(mount: Mount, answer: os.statvfs_result) -> list[Point]:
    """Say in bytes and inodes what df(1) shows; `available` is what is left for others than root."""
    unit, tags = answer.f_frsize, mount.tags
    points: list[Point] = [
        *_shares("df.bytes", answer.f_blocks * unit, answer.f_bfree * unit, tags),
        ("df.bytes.available", answer.f_bavail * unit, tags),
    ]
    if answer.f_files:  # btrfs and vfat have no fixed number
        points += _shares("df.inodes", answer.f_files, answer.f_ffree, tags)
    return points


def _shares(name: str, total: int, free: int, tags: str) -> list[Point]:
    return [
        (f"{name}.total", total, tags),
        (f"{name}.used", total - free, tags),
        (f"{name}.free", free, tags),
        (f"{name}.percentused", f"{100 * (total - free) / total if total else 0:.2f}", tags),
    ]
