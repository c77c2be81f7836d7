"""What the metrics say of collector scripts: written as the runner tells, so a quiet second costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from keeper.metrics import Metrics

COUNTED = ("runs", "killed", "lines", "points", "dropped")


class MeasureCollectors:
    """For one thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._m = metrics
        self._before: dict[str, dict[str, int]] = {}
        self._rejected: dict[str, dict[str, int]] = {}
        self._forwarded: dict[str, int] = {}
        self._left_out = 0

    def points(self, name: str, now: float) -> None:
        self._m.collector_last_point.labels(name).set(now)

    def stand(self, name: str, stand: Mapping[str, Any], *, failing: bool) -> None:
        m = self._m
        m.collector_failing.labels(name).set(failing)
        m.collector_series.labels(name).set(stand["series"])
        counters = {
            "runs": m.collector_runs,
            "killed": m.collector_killed,
            "lines": m.collector_lines,
            "points": m.collector_points,
            "dropped": m.collector_dropped,
        }
        before = self._before.setdefault(name, dict.fromkeys(COUNTED, 0))
        for word, counter in counters.items():
            counter.labels(name).inc(max(0, stand[word] - before[word]))
            before[word] = stand[word]
        rejected = self._rejected.setdefault(name, {})
        for reason, number in stand["rejected"].items():
            m.collector_rejected.labels(name, reason).inc(max(0, number - rejected.get(reason, 0)))
            rejected[reason] = number

    def forwarding(self, status: Mapping[str, Any]) -> None:
        """What is on its way to OpenTSDB."""
        m = self._m
        # Until something was sent, or could not be, nobody knows.
        known = status["last_sent"] is not None or not status["up"]
        m.tsdb_up.set(status["up"] if known else float("nan"))
        m.tsdb_waiting.set(status["waiting"])
        m.tsdb_bytes.set(status["bytes"])
        m.tsdb_oldest.set(status["oldest"] or 0.0)
        m.tsdb_held.set(status["held"])
        for word, counter in (
            ("sent", m.tsdb_sent),
            ("refused", m.tsdb_refused),
            ("repeated", m.tsdb_repeated),
            ("dropped", m.tsdb_dropped),
            ("retries", m.tsdb_failures),
        ):
            counter.inc(max(0, status[word] - self._forwarded.get(word, 0)))
            self._forwarded[word] = status[word]

    def left_out(self, points: int) -> None:
        """Points that found no room on the page, since keeper started."""
        self._m.collector_left_out.inc(points - self._left_out)
        self._left_out = points

    def another_forwarding(self) -> None:
        """It begins to count at nought."""
        self._forwarded.clear()

    def gone(self, name: str) -> None:
        """Remove its series: a frozen gauge would lie for ever."""
        self._before.pop(name, None)
        self._rejected.pop(name, None)
        for metric in vars(self._m).values():
            if isinstance(metric, MetricWrapperBase) and "collector" in metric._labelnames:
                metric.remove_by_labels({"collector": name})

    def runner_lost(self) -> None:
        """Another begins to count at nought."""
        self._m.collector_runner_losses.inc()
        self._before.clear()
        self._rejected.clear()
