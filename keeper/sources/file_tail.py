"""A log in files, followed as one endless stream across every kind of rotation."""

from __future__ import annotations

from keeper.core.batch import Item
from keeper.core.source import Emit, Now, Wait
from keeper.errors import SourceError
from keeper.sources.file_chain import trouble
from keeper.sources.file_following import FileTailSettings
from keeper.sources.file_identity import Position, decode
from keeper.sources.file_telling import Telling
from keeper.sources.file_walk import Walk
from keeper.sources.inotify import Bell, Watched, rest, watch_directory, watch_file
from keeper.sources.log_family import LogFamily
from keeper.sources.log_file import cannot_read, open_log
from keeper.sources.plain_log import PlainLog

__all__ = ["FileTail", "FileTailSettings"]


class FileTail:
    """A source: one path or a glob, whose files are one log. `poll` is a step, `run` the whole."""

    def __init__(self, name: str, pattern: str, saved: str | None, now: Now, settings: FileTailSettings) -> None:
        self._name = name
        self._saved = saved
        self._now = now
        self._settings = settings
        self._family = LogFamily(pattern)
        self._telling = Telling(name, now, settings.heartbeat)
        self._walk: Walk | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def behind(self) -> bool:
        """After a poll: there is more to do right now."""
        return self._walk is not None and self._walk.behind

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
                file = self._walk.file if self._walk is not None else None
                ids = file.ids if file is not None else None
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
        if self._walk is not None:
            self._walk.close()

    def poll(self) -> list[Item]:
        """Look once, never wait. Nothing returned and not `behind`: nothing is new until something happens."""
        if self._walk is None:
            self._open()
        else:
            self._walk.step(self._now())
        return self._telling.take()

    def _open(self) -> None:
        """Take up the saved position, or begin near the end of the log."""
        position = self._saved_position()
        if position is not None:
            self._walk = self._new_walk(position)
            self._walk.behind = True
        else:
            self._open_first()

    def _saved_position(self) -> Position | None:
        if self._saved is None:
            return None
        try:
            position = decode(self._saved)
            if position.pattern != self._family.pattern:
                raise ValueError(f"it belongs to {position.pattern}")
        except ValueError as error:
            reason = f"the saved position cannot be used, {error}; keeper begins as at its very first start"
            self._telling.lost(0, 0, self._family.pattern, reason, None)
            self._saved = None
            return None
        return position

    def _open_first(self) -> None:
        """Begin with the last lines of the newest file; all others are old."""
        members = self._family.members()
        if members is None:
            return
        settings = self._settings
        file = self._family.newest(members)
        if file is None:
            # Only what is there now is old: what comes is read from its first line, also after a restart.
            walk = self._new_walk(None)
            walk.trail.begin(members, settings.max_line)
            self._walk = walk
            self._telling.down(trouble(self._family, settings.max_line))
            self._telling.lines(b"", None, walk.position())
            return
        try:
            log = open_log(file.path, settings.max_line)
            if isinstance(log, PlainLog):
                log.start_at_end(settings.lookback)
        except (OSError, SourceError) as error:
            self._telling.down(cannot_read(file.path, error))
            return
        walk = self._new_walk(None)
        walk.trail.begin([each for each in members if each.ids != log.ids], settings.max_line)
        self._walk = walk
        walk.start(log)

    def _new_walk(self, position: Position | None) -> Walk:
        return Walk(self._family, position, self._telling, self._now, self._settings)

    def _watched(self) -> list[Watched]:
        file = self._walk.file if self._walk is not None else None
        files = [watch_file(file.fileno())] if file is not None else []
        directories = [watch_directory(path) for path in self._family.directories()]
        return files + [each for each in directories if each is not None]
