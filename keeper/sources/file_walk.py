"""Going through the files of a log, one after the other."""

from __future__ import annotations

import errno
import os
import stat

from keeper.core.source import Now
from keeper.errors import SourceError
from keeper.sources.file_chain import Unread, can_be_read, can_grow, missing_number, newer, trouble
from keeper.sources.file_following import FileTailSettings, Following
from keeper.sources.file_identity import Place, Position, encode
from keeper.sources.file_search import Found
from keeper.sources.file_seek import SCAN_PAUSE, Seek
from keeper.sources.file_telling import Telling
from keeper.sources.file_trail import Trail
from keeper.sources.log_family import LogFamily, LogName, same_files
from keeper.sources.log_file import LogFile, cannot_read, open_log
from keeper.sources.log_reading import What
from keeper.sources.plain_log import PlainLog

PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # the system's shortage, not the file's fault


class Walk:
    """Reads a file, sees when it is finished and which comes next, or looks for the file of a place.

    Exactly one of three at a time: a file is followed, a place is sought, or there is no next file yet. Everything it
    has to say goes into `telling`. `behind` is True when there is more to do right now.
    """

    def __init__(
        self, family: LogFamily, position: Position | None, telling: Telling, now: Now, settings: FileTailSettings
    ) -> None:
        self._family = family
        self._telling = telling
        self._now = now
        self._settings = settings
        self._following: Following | None = None
        self._seek: Seek | None = None
        self._sought_at = 0.0
        self._blocked: tuple[tuple[int, int], float] | None = None  # a rotated file that cannot be opened, since when
        self.behind = False
        self.trail = Trail((), 0)
        if position is not None:
            self.trail = Trail(position.before, position.floor_ns)
            # Of an empty file nothing is known: the oldest unread file is taken instead.
            if position.at is not None and position.at.head_size:
                self._seek = Seek(position.at)

    @property
    def file(self) -> LogFile | None:
        """The file that is followed."""
        return self._following.log if self._following is not None else None

    def step(self, now: float) -> None:
        """Look once. Trouble with a disk becomes SourceDown, and the same place is looked for again later."""
        self.behind = False
        try:
            self._read_late_lines(now)
            if self._following is not None:
                self._follow(self._following, now)
            elif self._seek is not None:
                self._search(self._seek, now)
            else:
                self._go_on(now)
        except OSError as error:
            self._telling.down(cannot_read(self._family.pattern, error))
            if self._following is not None:
                self._seek_from(self._following.log, None, now, self._settings.absence)

    def close(self) -> None:
        if self._following is not None:
            self._following.log.close()
        if self._seek is not None:
            self._seek.close()
        self.trail.close_all()

    def start(self, log: LogFile) -> None:
        """Begin with this file, wherever it stands, and tell the position with its first lines or without any."""
        self._begin(log).told = False
        self.step(self._now())

    def _begin(self, log: LogFile) -> Following:
        now = self._now()
        modified = log.mtime_ns / 1e9
        self._following = Following(log, modified if modified < now - self._settings.grace else now)
        self._seek = None
        self._telling.up()
        self.behind = True
        return self._following

    def _follow(self, following: Following, now: float) -> None:
        log = following.log
        offset = log.reading.offset
        if isinstance(log, PlainLog) and log.woke_up():
            # It was empty and is not any more. What it got first may have been moved away already: look around.
            log.close()
            self._following = None
            self._go_on(now)
            return
        look = log.look(self._settings.max_read)
        if log.reading.offset != offset:
            following.grown_at = now
        if look.lines or not following.told:
            following.told = True
            self._telling.lines(look.lines, log, self.position())
        if look.what is What.MORE:
            self.behind = True
        elif look.what is What.END:
            self._at_end(following, now)
        elif look.what is What.GONE:
            self._seek_from(log, log, now)
        elif look.what is What.BROKEN:
            self._give_up_archive(following, f"the archive is damaged ({look.reason})", log.total())
        elif following.quiet(now) >= self._settings.archive_patience:
            self._give_up_archive(following, "the archive is cut off", 0)

    def _at_end(self, following: Following, now: float) -> None:
        """All of the file is read. See whether it still is the newest, else whether it is finished."""
        log, settings = following.log, self._settings
        absent = False
        if self._family.base is not None:
            try:
                status = os.stat(self._family.base)  # noqa: PTH116 - at every look, and twice as fast
                if (status.st_dev, status.st_ino) == log.ids:
                    following.absent_since = following.overtaken_since = None
                    self._telling.up()
                    self._telling.still_up(now)
                    return
                absent = not stat.S_ISREG(status.st_mode)
            except OSError:
                absent = True
        if now < following.scan_at:
            return
        following.scan_at = now + settings.poll_interval
        members = self._family.members()
        if members is None:
            return
        unread = newer(members, log, self.trail, now, settings.max_line)
        here = next((file for file in members if file.ids == log.ids), None)
        newest = self._family.newest(members)
        following.overtaken(unread, now)
        if following.absent_long(absent or newest is None, now, settings):
            self._telling.down(trouble(self._family, settings.max_line))
        elif following.overtaken_since is None and (not unread or can_be_read(unread[0].file, settings.max_line)):
            self._telling.up()
            self._telling.still_up(now)
        if not unread:
            # Either a finished file is the newest again, or nobody will ever write to this one.
            back = newest is not None and newest is not here and following.quiet(now) >= settings.grace
            if back or (not log.links and following.quiet(now) >= settings.linger):
                self._leave(now)
            return
        missing = missing_number(members, here, unread[0].file)
        if following.finished(unread, now, settings) and following.gap_is_sure(missing, now, settings):
            self._enter(members, unread, now, missing)

    def _go_on(self, now: float) -> None:
        """No file is being read: the next one is the oldest unread, or the newest if it is known but not being read."""
        members = self._family.members()
        if members is None:
            return
        unread = newer(members, None, self.trail, now, self._settings.max_line)
        if unread:
            self._enter(members, unread, now, None)
            return
        newest = self._family.newest(members)
        place = self.trail.find(newest) if newest is not None else None
        if newest is None or place is None:
            self._telling.down(trouble(self._family, self._settings.max_line))
        elif can_grow(newest, self._settings.max_line):
            self._seek = Seek(self.trail.take(place))
            self.behind = True
        else:
            self._telling.still_up(now)

    def _enter(self, members: list[LogName], unread: list[Unread], now: float, missing: int | None) -> None:
        """Go on with the next file, if it can be opened."""
        file, place = unread[0]
        try:
            log = open_log(file.path, self._settings.max_line)
        except FileNotFoundError:
            return
        except (OSError, SourceError) as error:
            self._cannot_enter(file, error, now, last=len(unread) == 1)
            return
        # A rotation since the files were listed may have put another one before this, or other content into it.
        if log.ids != file.ids or not same_files(members, self._family.members()):
            log.close()
            self.behind = True
            return
        if place is not None:  # its beginning was read under another name: the place is looked for like any other
            log.close()
        self._leave(now)
        if place is None:
            self._begin(log)
        else:
            self._seek = Seek(self.trail.take(place))
            self.behind = True
        if missing is not None:
            where = f"{self._family.base}.{missing}"
            reason = f"{where} was gone before it was read; how much it held is not known, at least 0 bytes"
            self._telling.lost(0, 0, where, reason, self.position())
        self._telling.lines(b"", None, self.position())

    def _cannot_enter(self, file: LogName, error: OSError | SourceError, now: float, last: bool) -> None:
        """Wait for the newest file and for the system, pass over an older file that stays closed."""
        if last or getattr(error, "errno", None) in PASSING:
            self._telling.down(cannot_read(file.path, error))
        elif self._blocked is None or self._blocked[0] != file.ids:
            self._blocked = file.ids, now
        elif now - self._blocked[1] >= self._settings.patience:
            self.trail.add(unreadable(file), None, now)
            reason = f"{cannot_read(file.path, error)}; keeper went on with the next file"
            self._telling.lost(file.size, 0, file.path, reason, self.position())

    def _leave(self, now: float) -> None:
        """Count the file being read, if there is one, among the finished."""
        following = self._following
        if following is None:
            return
        log = following.log
        lines = b"" if following.outwaited(now, self._settings) else log.reading.flush()
        if lines:
            self._telling.lines(lines, log, self.position())
        keep = log if isinstance(log, PlainLog) and not log.sealed else None
        self.trail.add(log.place(), keep, now)
        self._following = None
        if keep is None:
            log.close()
        short = log.promised - log.reading.offset
        if short > 0:
            reason = "this copy of the log ends before bytes that were seen in the original"
            self._telling.lost(short, log.reading.offset, log.path, reason, self.position())

    def _give_up_archive(self, following: Following, why: str, total: int) -> None:
        """An archive that cannot be read to its end: hand out what it gave and say what is missing."""
        log = following.log
        lines = log.reading.flush()
        if lines:
            self._telling.lines(lines, log, self.position())
        offset = log.reading.offset
        missing = max(log.promised, total) - offset
        self.trail.add(log.place_at_end(), None, 0.0)
        log.close()
        self._following = None
        self.behind = True
        reason = f"{why}; at least {max(0, missing)} bytes of it could not be read"
        self._telling.lost(max(0, missing), offset, log.path, reason, self.position())

    def _read_late_lines(self, now: float) -> None:
        """Lines written to a file after it was finished come late rather than never."""
        for entry in self.trail.open_files():
            log = entry.log
            if log is None:
                continue
            try:
                look = log.look(self._settings.max_read)
            except OSError:
                self.trail.close(entry)
                continue
            lines = look.lines
            linger = self._settings.linger if log.links else self._settings.linger_deleted
            over = look.what is What.END and now - entry.grown_at >= linger
            if over:
                lines += log.reading.flush()
            if lines:
                self.trail.grew(entry, log.place(), now)
                self._telling.lines(lines, log, self.position())
            if over or look.what is What.GONE:
                self.trail.close(entry)
            elif look.what is What.MORE:
                self.behind = True

    def _seek_from(self, log: LogFile, left: LogFile | None, now: float, pause: float = 0.0) -> None:
        self._seek = Seek(log.place(), left, now + pause)
        log.close()
        self._following = None
        # At once, but never in a tight circle, whatever a file does.
        self.behind = left is not None and now - self._sought_at > SCAN_PAUSE
        self._sought_at = now

    def _search(self, seek: Seek, now: float) -> None:
        found = seek.step(self._family, lambda file: self._is_finished(file, now), self._telling, now, self._settings)
        if found is None:
            self.behind = seek.busy
        elif found.log is not None and found.short is None:
            self._begin(found.log)
        else:
            self._accept_loss(seek, found, now)

    def _is_finished(self, file: LogName, now: float) -> bool:
        seen = self.trail.seen(file, now, self._settings.max_line)
        return seen is not None and not seen.more

    def _accept_loss(self, seek: Seek, found: Found, now: float) -> None:
        """The place is nowhere, or its file ends before it: say what is missing and go on behind it."""
        if seek.left is not None:  # an unfinished line was read before its file was gone
            lines = seek.left.reading.flush()
            seek.place = seek.left.place()
            if lines:
                self._telling.lines(lines, seek.left, self.position())
        self._seek = None
        self.behind = True
        place = seek.place
        if found.log is not None:
            self._begin(found.log)
        elif found.short is not None:
            self.trail.add(found.short, None, now)
        if found.closed is not None:
            place = place._replace(size=max(place.size, found.closed.size))
            self.trail.add(unreadable(found.closed), None, now)
        size = place.size - place.offset
        if found.short is None or size > 0:
            nowhere = "it was deleted or truncated, or compressed by something else than gzip, without a copy"
            why = "it was cut back" if found.short is not None else found.why or nowhere
            reason = f"{place.path} cannot be read on, {why}; at least {size} bytes of it were never read"
            self._telling.lost(size, place.offset, place.path, reason, self.position())
        else:
            self._telling.lines(b"", None, self.position())

    def position(self) -> str:
        floor_ns, before = self.trail.saved()
        at = self._seek.place if self._seek is not None else None
        if self._following is not None:
            at = self._following.log.place()
        return encode(self._family.pattern, floor_ns, before, at)


def unreadable(file: LogName) -> Place:
    """The place behind a file that is passed over."""
    return Place(file.path, file.device, file.inode, 0, "", 0, "", file.size, file.size, file.mtime_ns)
