"""A log in files, followed as one endless stream across every kind of rotation."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from functools import partial

from keeper.core.batch import Item
from keeper.core.source import Emit, Now, Wait
from keeper.errors import SourceError
from keeper.sources.file_chain import Unread, can_be_read, can_grow, missing_number, newer, trouble
from keeper.sources.file_following import FileTailSettings, Following
from keeper.sources.file_identity import Place, decode, encode
from keeper.sources.file_search import Found, Search, search
from keeper.sources.file_telling import Telling
from keeper.sources.file_trail import Trail
from keeper.sources.inotify import Bell, Watched, rest, watch_directory, watch_file
from keeper.sources.log_family import LogFamily, LogName, same_files
from keeper.sources.log_file import LogFile, PlainLog, What, cannot_read, open_log

__all__ = ["FileTail", "FileTailSettings"]

PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # the system's shortage, not the file's fault
SCAN_PAUSE = 0.05  # seconds between two looks into a directory


@dataclass(slots=True)
class Sought:
    """A place whose file is looked for. `left` is the file that held it until its content vanished, closed."""

    place: Place
    left: LogFile | None = None
    search: Search | None = None
    again_at: float = 0.0
    give_up_at: float | None = None


class FileTail:
    """A source: one path or a glob, whose files are one log. `poll` is a step, `run` the whole."""

    def __init__(self, name: str, pattern: str, saved: str | None, now: Now, settings: FileTailSettings) -> None:
        self._name = name
        self._saved = saved
        self._now = now
        self._settings = settings
        self._family = LogFamily(pattern)
        self._trail = Trail((), 0)
        self._telling = Telling(name, now, settings.heartbeat)
        self._following: Following | None = None
        self._sought: Sought | None = None
        self._opened = False  # the start is made: from a saved position or without one
        self._blocked: tuple[tuple[int, int], float] | None = None  # a rotated file that cannot be opened, since when
        self._sought_at = 0.0
        self.behind = False
        """After a poll: there is more to do right now."""

    @property
    def name(self) -> str:
        return self._name

    def run(self, emit: Emit, wait: Wait) -> None:
        try:
            bell = Bell()
        except OSError:  # no inotify instance left for this user: polling is the truth anyway
            bell = None
        settings = self._settings
        watched: tuple[tuple[int, int] | None, float] = (None, 0.0)
        try:
            while not wait(0.0):
                started = self._now()
                for item in self.poll():
                    emit(item)
                if self.behind:
                    continue
                ids = self._following.log.ids if self._following else None
                if bell is not None and (ids != watched[0] or started - watched[1] > settings.heartbeat):
                    watched = (ids, started)
                    if bell.watch(self._watched()):
                        continue
                rest(bell, wait, self._now, started, pause=settings.poll_interval, calm=settings.coalesce)
        finally:
            if bell is not None:
                bell.close()
            self.close()

    def close(self) -> None:
        """Close all files. What was read and not handed out will be read again."""
        if self._following is not None:
            self._following.log.close()
        if self._sought is not None and self._sought.search is not None:
            self._sought.search.close()
        self._trail.close_all()

    def poll(self) -> list[Item]:
        """Look once, never wait. Nothing returned and not `behind`: nothing is new until something happens."""
        self.behind = False
        now = self._now()
        self._read_late_lines(now)
        if self._following is not None:
            self._follow(self._following, now)
        elif self._sought is not None:
            self._seek(self._sought, now)
        elif not self._opened:
            self._open()
        else:
            self._go_on(now)
        return self._telling.take()

    # Beginning

    def _open(self) -> None:
        """Take up the saved position, or begin near the end of the log."""
        if self._saved is not None:
            try:
                position = decode(self._saved)
                if position.pattern != self._family.pattern:
                    raise ValueError(f"it belongs to {position.pattern}")
            except ValueError as error:
                reason = f"the saved position cannot be used, {error}; keeper begins as at its very first start"
                self._telling.lost(0, 0, self._family.pattern, reason, None)
                self._saved = None
            else:
                self._trail = Trail(position.before, position.floor_ns)
                # Of an empty file nothing is known: the oldest unread file is looked for instead.
                self._sought = Sought(position.at) if position.at is not None and position.at.head_size else None
                self._opened = self.behind = True
                return
        members = self._family.members()
        if members is None:
            return
        file = self._newest(members)
        if file is None:
            # Only what is there now is old: what comes is read from its first line, also after a restart.
            self._trail.begin(members, self._settings.max_line)
            self._opened = True
            self._telling.down(trouble(self._family, self._settings.max_line))
            self._telling.lines(b"", None, self._position())
            return
        try:
            log = open_log(file.path, self._settings.max_line)
        except (OSError, SourceError) as error:
            self._telling.down(cannot_read(file.path, error))
            return
        if isinstance(log, PlainLog):
            log.start_at_end(self._settings.lookback)
        self._trail.begin([each for each in members if each.ids != log.ids], self._settings.max_line)
        self._opened = True
        self._follow(self._begin(log), self._now(), at_start=True)

    def _newest(self, members: list[LogName]) -> LogName | None:
        """The file that is written to, None if it is not there."""
        if not members or (self._family.base is not None and members[-1].number != -1):
            return None
        return members[-1]

    def _begin(self, log: LogFile) -> Following:
        now = self._now()
        modified = log.mtime_ns / 1e9
        self._following = Following(log, modified if modified < now - self._settings.grace else now)
        self._sought = None
        self._telling.up()
        self.behind = True
        return self._following

    # Following a file

    def _follow(self, following: Following, now: float, at_start: bool = False) -> None:
        log = following.log
        offset = log.reading.offset
        if isinstance(log, PlainLog) and log.woke_up():
            # It was empty and is not any more. What it got first may have been moved away already: look around.
            log.close()
            self._following = None
            self._go_on(now)
            return
        try:
            look = log.look(self._settings.max_read)
        except OSError as error:
            self._telling.down(cannot_read(log.path, error))
            self._seek_from(log, None, now, self._settings.absence)
            return
        if log.reading.offset != offset:
            following.grown_at = now
        if look.lines or at_start:
            self._telling.lines(look.lines, log, self._position())
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
        following.scan_at = now + (settings.poll_interval if self._family.base is None else SCAN_PAUSE)
        members = self._family.members()
        if members is None:
            return
        unread = newer(members, log, self._trail, now, settings.max_line)
        here = next((file for file in members if file.ids == log.ids), None)
        newest = self._newest(members)
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

    # From file to file

    def _go_on(self, now: float) -> None:
        """No file is being read: the next one is the oldest unread, or the newest if it is known but not being read."""
        members = self._family.members()
        if members is None:
            return
        unread = newer(members, None, self._trail, now, self._settings.max_line)
        if unread:
            self._enter(members, unread, now, None)
            return
        newest = self._newest(members)
        place = self._trail.find(newest) if newest is not None else None
        if newest is None or place is None:
            self._telling.down(trouble(self._family, self._settings.max_line))
        elif can_grow(newest, self._settings.max_line):
            self._sought = Sought(self._trail.take(place))
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
            self._sought = Sought(self._trail.take(place))
            self.behind = True
        if missing is not None:
            where = f"{self._family.base}.{missing}"
            reason = f"{where} was gone before it was read; how much it held is not known, at least 0 bytes"
            self._telling.lost(0, 0, where, reason, self._position())
        self._telling.lines(b"", None, self._position())

    def _cannot_enter(self, file: LogName, error: OSError | SourceError, now: float, last: bool) -> None:
        """Wait for the newest file and for the system, pass over an older file that stays closed."""
        if last or getattr(error, "errno", None) in PASSING:
            self._telling.down(cannot_read(file.path, error))
        elif self._blocked is None or self._blocked[0] != file.ids:
            self._blocked = file.ids, now
        elif now - self._blocked[1] >= self._settings.patience:
            self._trail.add(unreadable(file), None, now)
            reason = f"{cannot_read(file.path, error)}; keeper went on with the next file"
            self._telling.lost(file.size, 0, file.path, reason, self._position())

    def _leave(self, now: float) -> None:
        """Count the file being read, if there is one, among the finished."""
        following = self._following
        if following is None:
            return
        log = following.log
        lines = b"" if following.outwaited(now, self._settings) else log.reading.flush()
        if lines:
            self._telling.lines(lines, log, self._position())
        keep = log if isinstance(log, PlainLog) and not log.sealed else None
        self._trail.add(log.place(), keep, now)
        self._following = None
        if keep is None:
            log.close()
        short = log.promised - log.reading.offset
        if short > 0:
            reason = "this copy of the log ends before bytes that were seen in the original"
            self._telling.lost(short, log.reading.offset, log.path, reason, self._position())

    def _give_up_archive(self, following: Following, why: str, total: int) -> None:
        """An archive that cannot be read to its end: hand out what it gave and say what is missing."""
        log = following.log
        lines = log.reading.flush()
        if lines:
            self._telling.lines(lines, log, self._position())
        offset = log.reading.offset
        missing = max(log.promised, total) - offset
        self._trail.add(log.place_at_end(), None, 0.0)
        log.close()
        self._following = None
        self.behind = True
        reason = f"{why}; at least {max(0, missing)} bytes of it could not be read"
        self._telling.lost(max(0, missing), offset, log.path, reason, self._position())

    def _read_late_lines(self, now: float) -> None:
        """Lines written to a file after it was finished come late rather than never."""
        for entry in self._trail.open_files():
            log = entry.log
            if log is None:
                continue
            try:
                look = log.look(self._settings.max_read)
            except OSError:
                self._trail.close(entry)
                continue
            lines = look.lines
            linger = self._settings.linger if log.links else self._settings.linger_deleted
            over = look.what is What.END and now - entry.grown_at >= linger
            if over:
                lines += log.reading.flush()
            if lines:
                self._trail.grew(entry, log.place(), now)
                self._telling.lines(lines, log, self._position())
            if over or look.what is What.GONE:
                self._trail.close(entry)
            elif look.what is What.MORE:
                self.behind = True

    # Looking for a place

    def _seek_from(self, log: LogFile, left: LogFile | None, now: float, pause: float = 0.0) -> None:
        self._sought = Sought(log.place(), left, None, now + pause)
        log.close()
        self._following = None
        # At once, but never in a tight circle, whatever a file does.
        self.behind = left is not None and now - self._sought_at > SCAN_PAUSE
        self._sought_at = now

    def _seek(self, sought: Sought, now: float) -> None:
        if sought.search is None:
            if now < sought.again_at:
                return
            max_line = self._settings.max_line
            sought.search = search(sought.place, self._family, partial(self._finished, now), max_line)
        try:
            next(sought.search)
        except StopIteration as stop:
            found: Found = stop.value
        else:
            self.behind = True
            return
        sought.search, sought.again_at = None, now + SCAN_PAUSE
        if found.log is not None and found.short is None:
            self._begin(found.log)
        elif found.short is not None:
            self._take_what_was_held(sought)
            if found.log is None:
                self._trail.add(found.short, None, now)
            self._end_search(sought, "it was cut back", always=False, entered=found.log)
        else:
            self._not_found(sought, found, now)

    def _finished(self, now: float, file: LogName) -> bool:
        seen = self._trail.seen(file, now, self._settings.max_line)
        return seen is not None and not seen.more

    def _not_found(self, sought: Sought, found: Found, now: float) -> None:
        """Wait a little, because directories change while they are read; then call the bytes lost."""
        members = self._family.members()
        if members is None:
            return
        newest = self._newest(members)
        ids = (sought.place.device, sought.place.inode)
        if not members or (found.closed is not None and (newest is None or newest.ids == ids)):
            # The whole directory may be away, not mounted yet, or the log closed to us for a moment.
            self._telling.down(found.closed or trouble(self._family, self._settings.max_line))
            sought.give_up_at = None
        elif sought.give_up_at is None:
            sought.give_up_at = now + self._settings.patience
        elif now >= sought.give_up_at:
            self._take_what_was_held(sought)
            self._trail.raise_floor(sought.place.mtime_ns - 1)
            why = (
                found.closed or "it was deleted or truncated, or compressed by something else than gzip, without a copy"
            )
            self._end_search(sought, why, always=True, entered=None)

    def _take_what_was_held(self, sought: Sought) -> None:
        """Hand out the unfinished line that was read before its file was gone."""
        if sought.left is not None:
            lines = sought.left.reading.flush()
            sought.place = sought.left.place()
            if lines:
                self._telling.lines(lines, sought.left, self._position())

    def _end_search(self, sought: Sought, why: str, always: bool, entered: LogFile | None) -> None:
        self._sought = None
        self.behind = True
        if entered is not None:
            self._begin(entered)
        place = sought.place
        count = place.size - place.offset
        if always or count > 0:
            reason = f"{place.path} cannot be read on, {why}; at least {count} bytes of it were never read"
            self._telling.lost(count, place.offset, place.path, reason, self._position())
        else:
            self._telling.lines(b"", None, self._position())

    def _position(self) -> str:
        floor_ns, before = self._trail.saved()
        at = self._sought.place if self._sought is not None else None
        if self._following is not None:
            at = self._following.log.place()
        return encode(self._family.pattern, floor_ns, before, at)

    def _watched(self) -> list[Watched]:
        following = self._following
        files = [watch_file(following.log.fileno())] if following is not None else []
        directories = [watch_directory(path) for path in self._family.directories()]
        return files + [each for each in directories if each is not None]


def unreadable(file: LogName) -> Place:
    """The place behind a file that is passed over."""
    return Place(file.path, file.device, file.inode, 0, "", 0, "", file.size, file.size, file.mtime_ns)
