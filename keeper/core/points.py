"""Bounded memory of measurements, by series: what rules about metrics are judged by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from keeper.core.event import PointSeen

MAX_SERIES = 2000  # series remembered; rules that match more say less, and it is counted

Tags = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """`at` is the arrival on keeper's steady clock, `time` what the collector says; `lasts` as in PointSeen."""

    at: float
    time: float
    value: float
    lasts: float


class Track:
    """The newest samples of a series. `changed` is the arrival of the first that had the value of the last."""

    __slots__ = ("changed", "metric", "samples", "tags")

    def __init__(self, metric: str, tags: Tags, most: int) -> None:
        self.metric = metric
        self.tags = tags
        self.samples: deque[Sample] = deque(maxlen=most)
        self.changed = 0.0

    @property
    def last(self) -> Sample:
        return self.samples[-1]

    @property
    def known_until(self) -> float:
        return self.last.at + self.last.lasts

    @property
    def text(self) -> str:
        return " ".join((self.metric, *(f"{name}={value}" for name, value in self.tags)))

    def add(self, sample: Sample) -> None:
        """A gap in which the value was not known ends its sameness, too."""
        if not self.samples or sample.value != self.last.value or sample.at > self.known_until:
            self.changed = sample.at
        self.samples.append(sample)

    def steps(self) -> Iterator[tuple[Sample, Sample]]:
        """Each sample with the one before it, newest first, back to the last gap."""
        newer = self.last
        for older in list(self.samples)[-2::-1]:
            if newer.at > older.at + older.lasts:
                return
            yield newer, older
            newer = older


class PointMemory:
    """Tracks by metric. `forgotten` counts the series that found no room."""

    def __init__(self, most: int, series: int = MAX_SERIES) -> None:
        self.forgotten = 0
        self._most = most
        self._series = series
        self._count = 0
        self._tracks: dict[str, dict[Tags, Track]] = {}

    def __len__(self) -> int:
        return self._count

    def take(self, events: Sequence[PointSeen]) -> None:
        for at, metric, tags, time, value, lasts in events:
            tracks = self._tracks.setdefault(metric, {})
            track = tracks.get(tags)
            if track is None:
                if self._count >= self._series:
                    self._drop_old(at)
                if self._count >= self._series:
                    self.forgotten += 1
                    continue
                track = tracks[tags] = Track(metric, tags, self._most)
                self._count += 1
            track.add(Sample(at, time, value, lasts))

    def of(self, metric: str, tags: Iterable[tuple[str, str]] = ()) -> list[Track]:
        """The series of a metric that have these tags; `*` stands for any value."""
        wanted = list(tags)
        found = []
        for track in self._tracks.get(metric, {}).values():
            own = dict(track.tags)
            if all(name in own and value in ("*", own[name]) for name, value in wanted):
                found.append(track)
        return found

    def _drop_old(self, now: float) -> None:
        for tracks in self._tracks.values():
            for tags in [tags for tags, track in tracks.items() if track.known_until < now]:
                del tracks[tags]
                self._count -= 1
