"""What collectors measure, as Prometheus takes it: the newest value of each series, until it is too old.

The rule of names: every character but letters, digits and `_` becomes `_`, a leading digit gets a `_` before it; what
would look like keeper's own gets `collector_` before it, a counter `_total` behind it. Tags become labels the same way,
with one `_` in front at most; the script's name is the label `collector`, a tag of that name is `exported_collector`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from keeper.core.point import Series

MOST = 20_000  # series on the page, of all collectors together
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")

Labels = tuple[tuple[str, str], ...]


class _Shown(NamedTuple):
    name: str
    kind: str
    metric: str
    labels: Labels


class _Newest:
    """The newest value of a series, and until when it is shown."""

    __slots__ = ("shown", "until", "value")

    def __init__(self, shown: _Shown, value: float, until: float) -> None:
        self.shown = shown
        self.value = value
        self.until = until


def name_of(word: str) -> str:
    """A metric's or a tag's name as Prometheus allows it."""
    name = _NOT_IN_NAMES.sub("_", word)
    return f"_{name}" if name[:1].isdigit() else name


class Exposed(Collector):
    """Filled by one thread, read by another, and either may `count`. `counters` are the metrics that are counters, all
    others are gauges; `left_out` counts points for which there was no room."""

    def __init__(self, counters: Iterable[str], now: Callable[[], float], most: int = MOST) -> None:
        self.left_out = 0
        self._counters = frozenset(counters)
        self._now = now
        self._most = most
        self._lock = threading.Lock()
        self._newest: dict[str, dict[Series, _Newest]] = {}
        self._count = 0

    def take(self, collector: str, points: Iterable[tuple[Series, float]], until: float) -> None:
        """Show these from now until then."""
        with self._lock:
            newest = self._newest.setdefault(collector, {})
            for series, value in points:
                known = newest.get(series)
                if known is not None:
                    known.value, known.until = value, until
                elif self._count < self._most:
                    self._count += 1
                    newest[series] = _Newest(self._shown(collector, series), value, until)
                else:
                    self.left_out += 1

    def count(self, counters: Iterable[str]) -> None:
        """From now on these are the counters."""
        with self._lock:
            before, self._counters = self._counters, frozenset(counters)
            for collector, newest in self._newest.items():
                for series, one in newest.items():
                    if series.metric in before ^ self._counters:
                        one.shown = self._shown(collector, series)

    def forget(self, collector: str) -> None:
        with self._lock:
            self._count -= len(self._newest.pop(collector, {}))

    def drop_old(self) -> None:
        """Let go of what is not shown any more."""
        now = self._now()
        with self._lock:
            for newest in self._newest.values():
                for series in [series for series, one in newest.items() if one.until < now]:
                    del newest[series]
                    self._count -= 1

    def __len__(self) -> int:
        return self._count

    def collect(self) -> Iterator[Metric]:
        """One family for each name. Where two metrics or series come to one name and the same labels, the first in the
        order of their own names is shown."""
        now = self._now()
        with self._lock:
            every = [one for newest in self._newest.values() for one in newest.values()]
            shown = [(one.shown, one.value) for one in every if one.until >= now]
        families: dict[str, Metric] = {}  # by the name of their samples: a gauge may have that of a counter
        seen: set[tuple[str, Labels]] = set()
        for (name, kind, metric, labels), value in sorted(shown, key=lambda one: one[0]):
            sample = f"{name}_total" if kind == "counter" else name
            family = families.get(sample)
            if family is None:
                family = families[sample] = Metric(name, f"{metric} of collector scripts.", kind)
            if (sample, labels) not in seen:
                seen.add((sample, labels))
                family.add_sample(sample, dict(labels), value)
        return iter(families.values())

    def describe(self) -> list[Metric]:
        """Nothing is known before it is measured; without this, registering would ask."""
        return []

    def _shown(self, collector: str, series: Series) -> _Shown:
        kind = "counter" if series.metric in self._counters else "gauge"
        name = name_of(series.metric)
        if name.startswith("keeper_"):
            name = f"collector_{name}"
        if kind == "counter":
            name = name.removesuffix("_total")
        labels: dict[str, str] = {"collector": collector}
        for tag, value in series.tags:
            label = name_of(tag)
            if label.startswith("__"):  # Prometheus keeps these for itself
                label = f"_{label.lstrip('_')}"
            labels.setdefault("exported_collector" if label == "collector" else label, value)
        return _Shown(name, kind, series.metric, tuple(labels.items()))


def counters_of(types: Mapping[str, str]) -> list[str]:
    """The metrics the configuration says are counters."""
    return [metric for metric, kind in types.items() if kind == "counter"]
