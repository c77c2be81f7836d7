"""When a rotated file is finished, so that the next one may be read."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.lines import MAX_LINE
from keeper.sources.file_chain import Unread
from keeper.sources.log_file import LogFile


@dataclass(frozen=True, slots=True)
class FileTailSettings:
    """Seconds and bytes."""

    lookback: int = 1 << 20  # read of the log at the very first start, from the next line start on
    poll_interval: float = 0.25
    coalesce: float = 0.02  # least time between two looks while lines keep coming
    heartbeat: float = 1.0  # how often a log that is silent is said to be seen
    max_read: int = 1 << 20  # for one chunk
    max_line: int = MAX_LINE
    grace: float = 1.0  # a rotated file that is quiet for so long is finished
    overlap: float = 10.0  # a rotated file that does not become quiet makes the next one wait at most so long
    linger: float = 60.0  # a finished file is held open for late lines so long
    linger_deleted: float = 10.0  # the same for one that is deleted: it keeps its room on the disk meanwhile
    patience: float = 1.0  # before bytes that cannot be found are called lost: directories change while they are read
    archive_patience: float = 10.0  # before an archive that does not grow is called cut off
    absence: float = 5.0  # before a log whose file lost its name, and is quiet, is called down


@dataclass(slots=True)
class Following:
    """The file being read. Times are of the steady clock, None when it is not so."""

    log: LogFile
    grown_at: float
    told: bool = True  # a position in this file was handed out, or need not be
    scan_at: float = 0.0
    overtaken_since: float | None = None  # the next file has data
    absent_since: float | None = None  # no file has the log's name
    gap_since: float | None = None  # a rotation seems to be missing before the next file

    def overtaken(self, unread: list[Unread], now: float) -> None:
        """Note which files wait to be read after this one."""
        if not unread or not (unread[0].file.size or len(unread) > 1):
            self.overtaken_since = None
        elif self.overtaken_since is None:
            self.overtaken_since = now

    def finished(self, unread: list[Unread], now: float, settings: FileTailSettings) -> bool:
        """Whether the first of the `unread` files may be entered. Late lines are still read, but out of order."""
        if self.log.sealed or len(unread) > 1:
            return True
        if self.overtaken_since is None and self.log.links:
            return False  # the next file is empty: the writer may well go on here
        return self.quiet(now) >= settings.grace or self.outwaited(now, settings)

    def outwaited(self, now: float, settings: FileTailSettings) -> bool:
        """Whether the next file has waited long enough although this one still grows."""
        return self.overtaken_since is not None and now - self.overtaken_since >= settings.overlap

    def quiet(self, now: float) -> float:
        return now - self.grown_at

    def gap_is_sure(self, number: int | None, now: float, settings: FileTailSettings) -> bool:
        """Whether nothing is missing before the next file (`number` is None), or has been for a while."""
        if number is None:
            self.gap_since = None
            return True
        if self.gap_since is None:
            self.gap_since = now
        return now - self.gap_since >= settings.patience

    def absent_long(self, absent: bool, now: float, settings: FileTailSettings) -> bool:
        """Whether the log has had no file of its name for a while, in which this one was quiet too."""
        if not absent:
            self.absent_since = None
            return False
        if self.absent_since is None:
            self.absent_since = now
        return now - max(self.absent_since, self.grown_at) >= settings.absence
