"""Which files of a log come after the one being read, and why the newest cannot be seen."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from keeper.errors import SourceError
from keeper.sources.file_identity import Place
from keeper.sources.file_trail import Trail
from keeper.sources.log_family import LogFamily, LogName, last_growing
from keeper.sources.log_file import LogFile, cannot_read, open_log
from keeper.sources.plain_log import PlainLog


class Unread(NamedTuple):
    """A file with something to read: from its first line, or from the place up to which its content was read."""

    file: LogName
    place: Place | None


def newer(members: list[LogName], log: LogFile | None, trail: Trail, now: float, max_line: int) -> list[Unread]:
    """The files still to be read after `log`, oldest first.

    Numbers decide where both have one; else a file is unread that is not among the finished and was modified after
    everything forgotten. A copy of `log`, or one that is being made of a newer file, is not one of them: it becomes
    one when its original is truncated. Nor is an empty file, if it is not the newest. While `log` is empty, its name
    says nothing about what was read: what was written to it may have been moved away already.
    """
    here = next((file for file in members if log is not None and file.ids == log.ids and log.reading.head), None)
    unread: list[Unread] = []
    for file in members:
        if log is not None and file.ids == log.ids:
            continue
        if here is not None and here.number is not None and file.number is not None:
            if file.number >= here.number:
                continue
        elif file.number != -1 and file.mtime_ns <= trail.floor_ns:
            continue
        seen = trail.seen(file, now, max_line)
        if seen is None or seen.more:
            unread.append(Unread(file, seen.place if seen is not None else None))
    if here is not None and here.number == -1:
        return []
    starts = [_start(each.file, max_line) for each in unread]
    originals = starts if log is None else [*starts, Start(log.reading.head, log.size)]
    return [
        each
        for index, (each, start) in enumerate(zip(unread, starts, strict=True))
        if not any(start.is_copy_of(original) for original in originals[index + 1 :])
        and (not start.empty or each.file is last_growing(members))
    ]


def missing_number(members: list[LogName], here: LogName | None, following: LogName) -> int | None:
    """The rotation that should be between two files and is not there; None if nothing is missing."""
    if here is None or here.number is None or following.number is None:
        return None
    there = {file.number for file in members} | {0}  # few count from 0
    between = range(here.number - 1, following.number, -1)
    return next((number for number in between if number not in there), None)


def trouble(family: LogFamily, max_line: int) -> str:
    """Why there is nothing to read: a sentence with its cure."""
    if family.base is None:
        if not any(Path(directory).is_dir() for directory in family.directories()):
            return f"the directory of {family.pattern} does not exist; create it or mend the path in the configuration"
        return f"no file but archives matches {family.pattern}; keeper reads the first that appears from its first line"
    path = Path(family.base)
    try:
        open_log(family.base, max_line).close()
    except FileNotFoundError:
        if not path.parent.is_dir():
            return f"the directory {path.parent} does not exist; create it or mend the path in the configuration"
        return f"{path} is not there; keeper waits and will read it from its first line"
    except (OSError, SourceError) as error:
        return cannot_read(family.base, error)
    return f"{path} could not be opened just now; keeper tries again"


def can_be_read(file: LogName, max_line: int) -> bool:
    try:
        open_log(file.path, max_line).close()
    except (OSError, SourceError):
        return False
    return True


def can_grow(file: LogName, max_line: int) -> bool:
    """Whether lines may still be appended to a file: not to an archive."""
    try:
        log = open_log(file.path, max_line)
    except (OSError, SourceError):
        return False
    log.close()
    return isinstance(log, PlainLog)


class Start(NamedTuple):
    """The first bytes of a file's content, and the content's size."""

    head: bytes
    size: int
    empty: bool = False

    def is_copy_of(self, other: Start) -> bool:
        """Whether this content may be the beginning of the other, or all of it."""
        common = min(len(self.head), len(other.head))
        return common > 0 and self.head[:common] == other.head[:common] and self.size <= other.size


def _start(file: LogName, max_line: int) -> Start:
    try:
        log = open_log(file.path, max_line)
    except (OSError, SourceError):
        return Start(b"", 0)
    try:
        head = log.head()
        return Start(head, log.total(), empty=not head and log.ended())
    except OSError:
        return Start(b"", 0)
    finally:
        log.close()
