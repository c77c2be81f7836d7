"""Opening a file of a log, whatever it is, and saying why it cannot be opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TypeAlias

from keeper.errors import SourceError
from keeper.sources.gzip_file import MAGIC
from keeper.sources.gzip_log import GzipLog
from keeper.sources.plain_log import PlainLog

LogFile: TypeAlias = PlainLog | GzipLog

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def irregular(mode: int) -> str | None:
    """What a path is that is no regular file, None if it is one."""
    if stat.S_ISREG(mode):
        return None
    return next((kind for test, kind in _KINDS if test(mode)), "no regular file")


def open_log(path: str, max_line: int) -> LogFile:
    """Open a file to read it from its start. Raises OSError, or SourceError if it is no regular file."""
    if kind := irregular(Path(path).stat().st_mode):  # first, because opening a device can do something
        raise SourceError(f"{path} is {kind}; name a regular file, or a glob that matches regular files")
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if kind := irregular(os.fstat(fd).st_mode):
            raise SourceError(f"{path} is {kind}; name a regular file, or a glob that matches regular files")
        if path.endswith(".gz") or os.pread(fd, len(MAGIC), 0) == MAGIC:
            return GzipLog(path, fd, max_line)
        return PlainLog(path, fd, max_line)
    except BaseException:
        os.close(fd)
        raise


def cannot_read(path: str, error: OSError | SourceError) -> str:
    """A sentence with its cure for an error of opening or reading."""
    if isinstance(error, SourceError):
        return str(error)
    if isinstance(error, PermissionError):
        return f"{path} cannot be read: permission denied; put keeper's user into the group that may read it"
    return f"{path} cannot be read: {error.strerror or error}"
