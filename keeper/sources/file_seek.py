"""Looking for a place until its file is found or its bytes must be called lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keeper.sources.file_chain import trouble
from keeper.sources.file_following import FileTailSettings
from keeper.sources.file_identity import Place
from keeper.sources.file_search import Found, Search, search
from keeper.sources.file_telling import Telling
from keeper.sources.log_family import LogFamily, LogName
from keeper.sources.log_file import LogFile

SCAN_PAUSE = 0.05  # seconds between two looks into a directory


@dataclass(slots=True)
class Seek:
    """A place whose file is looked for. `left` is the file that held it until its content vanished, closed by now."""

    place: Place
    left: LogFile | None = None
    again_at: float = 0.0
    give_up_at: float | None = None
    growing: int | None = None
    search: Search | None = None

    def step(
        self,
        family: LogFamily,
        finished: Callable[[LogName], bool],
        telling: Telling,
        now: float,
        settings: FileTailSettings,
    ) -> Found | None:
        """Search on for a moment. None: not decided yet; `busy` says whether to go on at once."""
        if self.search is None:
            if now < self.again_at:
                return None
            self.search = search(self.place, family, finished, settings.max_line)
        try:
            next(self.search)
        except StopIteration as stop:
            found: Found = stop.value
        else:
            return None
        self.search, self.again_at = None, now + SCAN_PAUSE
        if found.log is not None or found.short is not None:
            return found
        return self._give_up(found, family, telling, now, settings)

    @property
    def busy(self) -> bool:
        return self.search is not None

    def close(self) -> None:
        if self.search is not None:
            self.search.close()

    def _give_up(
        self, found: Found, family: LogFamily, telling: Telling, now: float, settings: FileTailSettings
    ) -> Found | None:
        """Wait a while first, because directories change while they are read and archives while they are written."""
        members = family.members()
        if members is None:
            return None
        newest = family.newest(members)
        if not members or (found.closed is not None and (newest is None or newest.ids == found.closed.ids)):
            # The whole directory may be away, not mounted yet, or the log closed to us for a moment.
            telling.down(found.why or trouble(family, settings.max_line))
            self.give_up_at = None
        elif self.give_up_at is None or found.growing != self.growing:
            patience = settings.patience if found.growing is None else settings.archive_patience
            self.give_up_at, self.growing = now + patience, found.growing
        elif now >= self.give_up_at:
            return found
        return None
