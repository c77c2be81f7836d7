"""Which files of a log come after the one being read, and why the newest cannot be seen."""

from __future__ import annotations

from pathlib import Path

from keeper.errors import SourceError
from keeper.sources.file_trail import Trail
from keeper.sources.log_family import LogFamily, LogName
from keeper.sources.log_file import LogFile, cannot_read, open_log


def newer(members: list[LogName], log: LogFile | None, trail: Trail, now: float, max_line: int) -> list[LogName]:
    """The files still to be read after `log`, oldest first.

    Numbers decide where both have one; else a file is unread that is not among the finished and was modified after
    everything forgotten. A copy of `log`, or one that is being made of a newer file, is not one of them: it becomes
    one when its original is truncated.
    """
    here = next((file for file in members if log is not None and file.ids == log.ids), None)
    unread: list[LogName] = []
    for file in members:
        if here is not None and here.number is not None and file.number is not None:
            if file.number >= here.number:
                continue
        elif file is here or (file.number != -1 and file.mtime_ns <= trail.floor_ns):
            continue
        if not trail.knows(file, now, max_line):
            unread.append(file)
    if here is not None and here.number == -1:
        return []
    starts = [_start(file, max_line) for file in unread]
    originals = starts if log is None else [*starts, (log.reading.head, log.size)]
    return [
        file for index, file in enumerate(unread) if not any(_begins(o, starts[index]) for o in originals[index + 1 :])
    ]


def missing_number(here: LogName | None, following: LogName) -> int | None:
    """The rotation that should be between two files and is not there; None if nothing is missing."""
    if here is None or here.number is None or following.number is None:
        return None
    between = here.number - 1
    first = 0 if following.number == -1 and between == 0 else following.number  # some count from 0, most from 1
    return between if between > first else None


def trouble(family: LogFamily, max_line: int) -> str:
    """Why there is nothing to read: a sentence with its cure."""
    if family.base is None:
        if not any(Path(directory).is_dir() for directory in family.directories()):
            return f"the directory of {family.pattern} does not exist; create it or mend the path in the configuration"
        return f"no file matches {family.pattern}; keeper reads the first that appears from its first line"
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


def _start(file: LogName, max_line: int) -> tuple[bytes, int]:
    """The first bytes of a file's content and the content's size."""
    try:
        log = open_log(file.path, max_line)
    except (OSError, SourceError):
        return b"", 0
    try:
        return log.head(), log.total()
    except OSError:
        return b"", 0
    finally:
        log.close()


def _begins(other: tuple[bytes, int], file: tuple[bytes, int]) -> bool:
    """Whether one content may be the beginning of the other, or all of it."""
    common = min(len(file[0]), len(other[0]))
    return common > 0 and file[0][:common] == other[0][:common] and file[1] <= other[1]
