"""Which files of a directory are one log, and in which order they were written.

The names of rotated files: `app.log.1`, `app.log.2.gz`, `app.log-20261120`, `app.log.2026-11-20_12.gz`, `app.log.old`,
`app-2026-11-20.log`, `app.1.log.gz`. A glob names the files itself; their `.gz` and rotated forms belong to them.
"""

# ruff: noqa: PTH118, PTH119, PTH120, PTH122, PTH207 - paths stay text: they come as text, are compared and stored as text

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from fnmatch import translate
from pathlib import Path
from typing import NamedTuple

LISTINGS = 6  # tries to see a directory hold still
RELATIVES = 256  # files of one name looked into when a file is sought by its content

_ROTATED = re.compile(r"(?:[._-]+(?:(?P<number>\d{1,3})|\d[\dT:._+-]*|old|prev))?(?:\.gz)?")
# Before the extension only what is surely a rotation: `nodeos-2.log` may be the log of a second node.
_ROTATED_INSIDE = re.compile(r"\.(?P<number>\d{1,3})|[._-]+\d{4}[\dT:._+-]*")
_MAGIC = re.compile(r"[*?\[]")


class LogName(NamedTuple):
    """A regular file with the name of a log. `number` counts rotations: -1 is the log itself, 1 `.1`, None a date."""

    path: str
    device: int
    inode: int
    size: int
    mtime_ns: int
    number: int | None

    @property
    def ids(self) -> tuple[int, int]:
        return self.device, self.inode


class LogFamily:
    """The files of one pattern: a path or a glob."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.base = None if _MAGIC.search(pattern) else pattern
        """The path that is written to, None for a glob: there the newest file is."""
        self._directory, self._name = os.path.split(pattern)
        self._globbed = re.compile(translate(self._name))
        self._stem, self._extension = os.path.splitext(self._name)
        self._last: list[LogName] | None = None  # the listing before
        self._related = self._stem if self.base else _MAGIC.split(self._name)[0]

    def directories(self) -> list[str]:
        """Where the files are: for a symbolic link both its directory and that of its target."""
        if self.base is None:
            return sorted(glob.glob(self._directory)) if _MAGIC.search(self._directory) else [self._directory or "."]
        target = os.path.dirname(os.path.realpath(self.base))
        return list(dict.fromkeys((self._directory or ".", target)))

    def members(self) -> list[LogName] | None:
        """The files of the log, oldest first; None if the directory does not hold still long enough to tell."""
        for _ in range(LISTINGS):
            before, self._last = self._last, self._list()
            if same_files(self._last, before):
                return in_order(self._last)
        return None

    def newest(self, members: list[LogName]) -> LogName | None:
        """The file that is written to, None if it is not there."""
        newest = last_growing(members)
        return None if self.base is not None and newest is not None and newest.number != -1 else newest

    def relatives(self, extra: str) -> list[LogName]:
        """All regular files in the log's directories and in that of the path `extra`, whatever their names are."""
        directories = dict.fromkeys((*self.directories(), os.path.dirname(extra) or "."))
        paths = [os.path.join(directory, name) for directory in directories for name in _names(directory)]
        return [found for path in paths if (found := _regular(path, None)) is not None]

    def related(self, path: str) -> bool:
        """Whether a name is like the log's, so that it may be a copy of one of its files."""
        return os.path.basename(path).startswith(self._related)

    def number(self, name: str) -> tuple[bool, int | None]:
        """Whether a file name belongs to the log, and which rotation it is if they are counted."""
        if self.base is None:
            return self._globbed_name(name), None
        if name == self._name:
            return True, -1
        rotated = None
        if name.startswith(self._name):
            rotated = _ROTATED.fullmatch(name, len(self._name))
        if rotated is None and self._extension and name.startswith(self._stem):
            inner = name.removesuffix(".gz")
            if inner.endswith(self._extension):
                rotated = _ROTATED_INSIDE.fullmatch(inner, len(self._stem), len(inner) - len(self._extension))
        if rotated is None:
            return False, None
        return True, int(rotated["number"]) if rotated["number"] else None

    def _globbed_name(self, name: str) -> bool:
        if name.startswith(".") and not self._name.startswith("."):
            return False
        if self._globbed.match(name):
            return True
        ends = (i for i, letter in enumerate(name) if letter in "._-" and _ROTATED.fullmatch(name, i))
        return any(self._globbed.match(name[:end]) for end in ends)

    def _list(self) -> list[LogName]:
        members: dict[tuple[int, int], LogName] = {}
        for directory in self.directories():
            names = set(_names(directory))
            if self.base is not None and directory == (self._directory or "."):
                names.add(self._name)  # a directory that may not be listed may still be entered
            for name in sorted(names):
                belongs, number = self.number(name)
                # While both exist, the archive is being written from the plain file.
                twin = number != -1 and name.endswith(".gz") and name.removesuffix(".gz") in names
                if not belongs or twin:
                    continue
                found = _regular(os.path.join(directory, name), number)
                if found is not None and (found.ids not in members or number == -1):
                    members[found.ids] = found
        return list(members.values())


def last_growing(members: list[LogName]) -> LogName | None:
    """The newest file that is no archive, unless the log itself is one."""
    return next((f for f in reversed(members) if f.number == -1 or not f.path.endswith(".gz")), None)


def same_files(some: list[LogName], others: list[LogName] | None) -> bool:
    """Whether two listings show the same files under the same names."""
    return others is not None and {(f.path, f.ids) for f in some} == {(f.path, f.ids) for f in others}


def in_order(files: Iterable[LogName]) -> list[LogName]:
    """Oldest first: by modification, but numbers are right where times are wrong (archives made late), and the log
    itself is the newest."""
    ordered = sorted(files, key=lambda file: (file.mtime_ns, file.path))
    places = [index for index, file in enumerate(ordered) if file.number is not None]
    numbered = sorted((ordered[index] for index in places), key=lambda file: -(file.number or 0))
    for index, file in zip(places, numbered, strict=True):
        ordered[index] = file
    return sorted(ordered, key=lambda file: file.number == -1)


def _names(directory: str) -> Iterator[str]:
    try:
        with os.scandir(directory) as entries:
            yield from [entry.name for entry in entries]
    except OSError:  # gone or closed to us: its files cannot be seen, whoever misses one says so
        return


def _regular(path: str, number: int | None) -> LogName | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return LogName(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, number)
