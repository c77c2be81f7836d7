"""The files of a log that were read to their end: none is read twice, and what is written to them late is read."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from keeper.errors import SourceError
from keeper.sources.file_identity import PLACES_KEPT, Place, encode_place, same_head
from keeper.sources.log_family import LogName
from keeper.sources.log_file import LogFile, open_log
from keeper.sources.log_reading import Match, Resume
from keeper.sources.plain_log import PlainLog

REMEMBERED = 64  # files; of more, a glob that is written to in all of them at once is no log
HELD_OPEN = 2


@dataclass(slots=True)
class Finished:
    """A finished file; `log` is held open while late lines are expected."""

    place: Place
    text: str
    log: PlainLog | None
    grown_at: float
    checked: LogName | None = None


class Seen(NamedTuple):
    """A file that was read up to a place; `more` if there is something behind it."""

    place: Place
    more: bool


class Trail:
    """Finished files, the one that grew last at the end. Files it has forgotten were modified up to `floor_ns`."""

    def __init__(self, places: tuple[Place, ...], floor_ns: int) -> None:
        self._entries = [Finished(place, encode_place(place), None, 0.0) for place in places]
        self._floor_ns = floor_ns

    @property
    def floor_ns(self) -> int:
        return self._floor_ns

    def saved(self) -> tuple[int, list[str]]:
        """What a position text says of it: the floor, and the newest places encoded."""
        newest = [entry.text for entry in self._entries[-PLACES_KEPT:]]
        if len(self._entries) <= PLACES_KEPT:
            return self._floor_ns, newest
        return max(self._floor_ns, *(entry.place.mtime_ns for entry in self._entries[:-PLACES_KEPT])), newest

    def begin(self, files: list[LogName], max_line: int) -> None:
        """At the very first start: all these are old. The newest are remembered as finished, as they are."""
        for file in files[:-REMEMBERED]:
            self.raise_floor(file.mtime_ns)
        for file in files[-REMEMBERED:]:
            try:
                log = open_log(file.path, max_line)
                with closing(log):
                    self.add(log.place_at_end(), None, 0.0)
            except (OSError, SourceError):
                self.raise_floor(file.mtime_ns)

    def take(self, place: Place) -> Place:
        """Forget that a file is finished, because it is read on."""
        for entry in [each for each in self._entries if each.place == place]:
            self._entries.remove(entry)
            self._release(entry)
        return place

    def find(self, file: LogName) -> Place | None:
        """The place of a finished file that has this inode."""
        places = (e.place for e in reversed(self._entries) if (e.place.device, e.place.inode) == file.ids)
        return next(places, None)

    def open_files(self) -> list[Finished]:
        return [entry for entry in self._entries if entry.log is not None]

    def add(self, place: Place, log: PlainLog | None, now: float) -> None:
        self._entries.append(Finished(place, encode_place(place), log, now))
        while len(self._entries) > REMEMBERED:
            oldest = self._entries.pop(0)
            self.raise_floor(oldest.place.mtime_ns)
            self._release(oldest)
        self._hold_few()

    def raise_floor(self, mtime_ns: int) -> None:
        self._floor_ns = max(self._floor_ns, mtime_ns)

    def grew(self, entry: Finished, place: Place, now: float) -> None:
        self._move(entry, place)
        entry.grown_at = now
        self._entries.remove(entry)
        self._entries.append(entry)

    def close(self, entry: Finished) -> None:
        self._release(entry)

    def close_all(self) -> None:
        for entry in self._entries:
            self._release(entry)

    def seen(self, file: LogName, now: float, max_line: int) -> Seen | None:
        """How far a file was read, under whatever name, copied or compressed; None if it is none of the finished.

        A plain file that has grown since is opened, to be read on from its place together with the next ones.
        """
        for entry in reversed(self._entries):
            if (entry.place.device, entry.place.inode) != file.ids:
                continue
            if entry.log is not None or entry.checked == file:
                return Seen(entry.place, more=False)  # an inode cannot become another file's while it is open
            same = self._is(entry, file, now, max_line)
            if same:
                entry.checked = file
                return Seen(entry.place, more=False)
            if same is False:  # the inode was given to another file
                self._move(entry, entry.place._replace(inode=0))
        return self._seen_content(file, max_line)

    def _is(self, entry: Finished, file: LogName, now: float, max_line: int) -> bool | None:
        """Whether a file with the same inode is the same file; None if it cannot be opened just now."""
        place = entry.place
        if not place.head_size:  # nothing was ever read of it: it was empty, or could not be read
            return file.size >= place.offset if place.offset else not file.size
        try:
            log = open_log(file.path, max_line)
        except (OSError, SourceError):
            return None
        keep = False
        try:
            if log.ids != file.ids:
                return None
            if isinstance(log, PlainLog) and at_once(log.resume(place)) is Match.HERE:
                keep = log.size > place.offset
                if keep:
                    entry.log, entry.grown_at = log, now
                    self._hold_few()
                return True
            return not isinstance(log, PlainLog) and _begins_like(log, place) and log.total() <= place.offset
        except OSError:
            return None
        finally:
            if not keep:
                log.close()

    def _seen_content(self, file: LogName, max_line: int) -> Seen | None:
        if not any(entry.place.head_size for entry in self._entries):
            return None
        try:
            log = open_log(file.path, max_line)
        except (OSError, SourceError):
            return None
        try:
            for entry in reversed(self._entries):
                if _begins_like(log, entry.place):
                    if log.total() > entry.place.offset:
                        return Seen(entry.place, more=True)
                    if entry.log is None:
                        self._move(entry, entry.place._replace(path=file.path, device=file.device, inode=file.inode))
                        entry.checked = file
                    return Seen(entry.place, more=False)
        except OSError:
            return None
        finally:
            log.close()
        return None

    def _move(self, entry: Finished, place: Place) -> None:
        entry.place, entry.text, entry.checked = place, encode_place(place), None

    def _hold_few(self) -> None:
        held = sorted(self.open_files(), key=lambda entry: entry.grown_at)
        for entry in held[:-HELD_OPEN]:
            self._release(entry)

    def _release(self, entry: Finished) -> None:
        if entry.log is not None:
            entry.log.close()
            entry.log = None


def _begins_like(log: LogFile, place: Place) -> bool:
    """Whether a file begins like a finished one of which something is known."""
    return same_head(log.head(), place)


def at_once(resume: Resume) -> Match:
    """Run a search through without a pause."""
    while True:
        try:
            next(resume)
        except StopIteration as stop:
            match: Match = stop.value
            return match
