"""The files of a log that were read to their end: none is read twice, and what is written to them late is read."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.errors import SourceError
from keeper.sources.file_identity import HEAD, PLACES_KEPT, Place, digest, encode_place
from keeper.sources.log_family import LogName
from keeper.sources.log_file import GzipLog, LogFile, Match, PlainLog, Resume, open_log

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
        forgotten = [entry.place.mtime_ns for entry in self._entries[:-PLACES_KEPT]]
        return max([self._floor_ns, *forgotten]), [entry.text for entry in self._entries[-PLACES_KEPT:]]

    def begin(self, files: list[LogName], max_line: int) -> None:
        """At the very first start: all these are old. The newest are remembered as finished, as they are."""
        for file in files[:-PLACES_KEPT]:
            self.raise_floor(file.mtime_ns)
        for file in files[-PLACES_KEPT:]:
            try:
                log = open_log(file.path, max_line)
            except (OSError, SourceError):
                self.raise_floor(file.mtime_ns)
                continue
            self.add(log.place_at_end(), None, 0.0)
            log.close()

    def take(self, file: LogName, max_line: int) -> Place | None:
        """Forget that a plain file is finished, because it is the newest again; its place if it was known."""
        entry = next((e for e in self._entries if (e.place.device, e.place.inode) == file.ids), None)
        if entry is None:
            return None
        try:
            log = open_log(file.path, max_line)
        except (OSError, SourceError):
            return None
        log.close()
        if not isinstance(log, PlainLog):
            return None
        self._entries.remove(entry)
        self._release(entry)
        return entry.place

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

    def knows(self, file: LogName, now: float, max_line: int) -> bool:
        """Whether a file is one of the finished, under whatever name, copied or compressed.

        One that has grown since is opened, to be read on from its place.
        """
        for entry in reversed(self._entries):
            if (entry.place.device, entry.place.inode) != file.ids:
                continue
            if entry.log is not None or entry.checked == file:
                return True  # an inode cannot become another file's while it is open
            same = self._is(entry, file, now, max_line)
            if same:
                entry.checked = file
                return True
            if same is False:  # the inode was given to another file
                self._move(entry, entry.place._replace(inode=0))
        return self._knows_content(file, max_line)

    def _is(self, entry: Finished, file: LogName, now: float, max_line: int) -> bool | None:
        """Whether a file with the same inode is the same file; None if it cannot be opened just now."""
        place = entry.place
        if not place.head_size:  # nothing was ever read of it: it was empty, or could not be read
            return file.size >= place.offset if place.offset else not file.size
        try:
            log = open_log(file.path, max_line)
        except (OSError, SourceError):
            return None
        if log.ids != file.ids:
            log.close()
            return None
        if isinstance(log, PlainLog) and at_once(log.resume(place)) is Match.HERE:
            if log.size > place.offset:
                entry.log, entry.grown_at = log, now
                self._hold_few()
            else:
                log.close()
            return True
        same = isinstance(log, GzipLog) and _same_content(log, place)
        log.close()
        return same

    def _knows_content(self, file: LogName, max_line: int) -> bool:
        if not any(entry.place.head_size for entry in self._entries):
            return False
        try:
            log = open_log(file.path, max_line)
        except (OSError, SourceError):
            return False
        try:
            for entry in reversed(self._entries):
                if _same_content(log, entry.place):
                    if entry.log is None:
                        self._move(entry, entry.place._replace(path=file.path, device=file.device, inode=file.inode))
                        entry.checked = file
                    return True
        except OSError:
            return False
        finally:
            log.close()
        return False

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


def _same_content(log: LogFile, place: Place) -> bool:
    """Whether a file begins like a finished one; a short beginning must be followed by the same number of bytes."""
    if not place.head_size:
        return False
    head = log.head()[: place.head_size]
    if len(head) < place.head_size or digest(head) != place.head:
        return False
    return place.head_size == HEAD or log.total() == place.offset


def at_once(resume: Resume) -> Match:
    """Run a search through without a pause."""
    while True:
        try:
            next(resume)
        except StopIteration as stop:
            match: Match = stop.value
            return match
