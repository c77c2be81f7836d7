"""The metrics of handing the role over, from its status."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from keeper.failover.evidence import CONDITIONS
from keeper.failover.roles import STATES
from keeper.metrics import Metrics

RESULTS = ("took_over", "stepped_down", "not_resumed", "fence_failed")
UNKNOWN = float("nan")


class MeasureFailover:
    """Counts what has changed from one status to the next: `changes` and `refused` hold all there were."""

    def __init__(self, metrics: Metrics) -> None:
        self._m = metrics
        self._counted: dict[str, int] = {}

    def levels(self, status: dict[str, Any]) -> None:
        m, node = self._m, status["node"]
        for state in STATES:
            m.failover_state.labels(node, state).set(state == status["state"])
        m.failover_wanted.labels(node).set(status["wanted"])
        m.failover_observed.labels(node, status["cluster"]).set(_known(status["observed"]))
        m.lease_configured.labels(node).set(status["lease"])
        m.lease_held.labels(node).set(status["lease_held"])
        m.lease_expiry.labels(node).set(_stamp(status["lease_until"]))
        m.lease_epoch.labels(node).set(status["epoch"])
        paused = status["automation_paused"]
        m.automation_paused.labels(node).set(UNKNOWN if paused is None else bool(paused))
        m.takeovers_counted.labels(node).set(status["takeovers"])
        m.fuse_blown.labels(node).set(status["takeovers"] >= status["fuse"])
        m.failover_troubles.labels(node).set(len(status["troubles"]))
        m.failover_refused.labels(node).inc(status["refused"] - self._counted.get("refused", 0))
        self._counted["refused"] = status["refused"]
        against = {name for name, _ in status["against"]}
        for condition in CONDITIONS:
            m.why_not.labels(node, condition).set(condition in against)
        for result in RESULTS:
            now = status["changes"].get(result, 0)
            m.takeovers.labels(node, result).inc(now - self._counted.get(result, 0))
            self._counted[result] = now
        for result in ("good", "bad"):
            drill = status["last_drill"]
            if drill is not None and drill["good"] == (result == "good"):
                m.last_drill.labels(node, result).set(_stamp(drill["at"]))


def _known(value: bool | None) -> float:
    return UNKNOWN if value is None else float(value)


def _stamp(text: str | None) -> float:
    return 0.0 if text is None else datetime.fromisoformat(text).timestamp()
