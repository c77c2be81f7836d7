"""Finding the file a place lies in: under its own inode, or as a copy or an archive with another one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple, TypeAlias

from keeper.errors import SourceError
from keeper.sources.file_identity import Place
from keeper.sources.log_family import RELATIVES, LogFamily, LogName
from keeper.sources.log_file import LogFile, cannot_read, open_log
from keeper.sources.log_reading import Match
from keeper.sources.plain_log import PlainLog

MTIME_SLACK_NS = 2_000_000_000  # tools that keep a file's time keep it to the second or better


class Found(NamedTuple):
    """What a search came to. `log` is open and stands at the place.

    `short` is the end of a file with the same head that ends before the place: all of it was read. With a `log` too it
    is the very file, cut back; the log stands at its new end. `closed` is the very file, if it cannot be opened,
    and `why` says why not. `growing` are the bytes of an archive that may be the one when it is written to its end.
    """

    log: LogFile | None = None
    short: Place | None = None
    closed: LogName | None = None
    why: str = ""
    growing: int | None = None


Search: TypeAlias = Generator[None, None, Found]
"""Yields between two steps of a long search."""


def search(place: Place, family: LogFamily, finished: Callable[[LogName], bool], max_line: int) -> Search:
    """Look for the file of a place. `finished` knows files that were read to their end: they are surely others."""
    files = family.relatives(place.path)
    ids = (place.device, place.inode)
    own = [file for file in files if file.ids == ids]
    closed: LogName | None = None
    why, growing = "", None
    short: Place | None = None
    cut_back: str | None = None
    for file in [*own[:1], *(f for f in _likely(place, files, family) if not finished(f))]:
        try:
            log = open_log(file.path, max_line)
        except (OSError, SourceError) as error:
            if file.ids == ids and not isinstance(error, FileNotFoundError):
                closed, why = file, cannot_read(file.path, error)
            continue
        keep = False
        try:
            match = yield from log.resume(place)
            if match is Match.HERE:
                keep = True
                log.sealed = log.sealed or log.ids != ids
                return Found(log)
            if match is Match.UNSURE:
                growing = file.size
            if match is Match.SHORT and short is None:
                short = log.place()._replace(offset=log.size, size=log.size)
                if log.ids == ids and isinstance(log, PlainLog):
                    cut_back = file.path
        except OSError:
            continue  # its disk fails: the search goes on without it
        finally:
            if not keep:
                log.close()
    if short is not None and cut_back is not None:
        with contextlib.suppress(OSError, SourceError):
            log = open_log(cut_back, max_line)
            if (yield from log.resume(short)) is Match.HERE:
                return Found(log, short)
            log.close()
    return Found(None, short, closed, why, growing)


def _likely(place: Place, files: Iterable[LogName], family: LogFamily) -> list[LogName]:
    """Files that may hold a copy: first those not older than the place, oldest first, then the rest, newest first."""
    names = {file.path for file in files}
    candidates = [
        file
        for file in files
        if file.ids != (place.device, place.inode)
        and family.related(file.path)
        and not (file.path.endswith(".gz") and file.path.removesuffix(".gz") in names)
    ]
    since = place.mtime_ns - MTIME_SLACK_NS
    after = sorted((f for f in candidates if f.mtime_ns >= since), key=lambda f: (f.mtime_ns, f.path))
    before = sorted((f for f in candidates if f.mtime_ns < since), key=lambda f: (-f.mtime_ns, f.path))
    return (after + before)[:RELATIVES]
