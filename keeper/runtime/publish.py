"""What the outside sees of the loop: the newest finished status, swapped in whole, so that readers never wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from keeper import __version__
from keeper.core.alert import Alert, Phase
from keeper.core.silence import Silence
from keeper.pipeline import Pipeline
from keeper.runtime.clock import iso
from keeper.runtime.store import Entry
from keeper.status import subject_status

JOURNAL_SHOWN = 60


class Publisher:
    """Builds the status value. `journal` holds the newest entries, newest last."""

    def __init__(self, name: str, role: str, started: float) -> None:
        self._name = name
        self.role = role
        self._started = started
        self.journal: deque[Entry] = deque(maxlen=JOURNAL_SHOWN)
        self.status: dict[str, Any] = self._status(started, [], [], [], [], {}, {})

    def publish(
        self,
        now: float,
        pipelines: Iterable[Pipeline],
        silences: Sequence[Silence],
        targets: Sequence[dict[str, Any]],
        troubles: Sequence[str],
        failover: dict[str, Any] | None = None,
        collectors: dict[str, Any] | None = None,
    ) -> None:
        """Swap in what is known at `now`; `failover` and `collectors` are None where none are configured."""
        self.status = self._status(now, list(pipelines), silences, targets, troubles, failover or {}, collectors or {})

    def _status(
        self,
        now: float,
        pipelines: Sequence[Pipeline],
        silences: Sequence[Silence],
        targets: Sequence[dict[str, Any]],
        troubles: Sequence[str],
        failover: dict[str, Any],
        collectors: dict[str, Any],
    ) -> dict[str, Any]:
        return {
            "keeper": {
                "name": self._name,
                "role": self.role,
                "version": __version__,
                "started": iso(self._started),
                "now": iso(now),
                "troubles": list(troubles),
            },
            "failover": failover,
            "collectors": collectors,
            "subjects": [
                subject_status(p.memory, p.judge.judged, p.alarms.alerts, p.strips, now, p.delivery) for p in pipelines
            ],
            "alerts": [
                _alert(alert, pipeline.judge.judged[rule].rule.severity)
                for pipeline in pipelines
                for rule, alert in pipeline.alarms.alerts.items()
                if alert.phase in (Phase.PENDING, Phase.FIRING) and rule in pipeline.judge.judged
            ],
            "silences": [
                {"id": s.id, "until": iso(s.until), "subject": s.subject, "rule": s.rule, "why": s.why, "who": s.who}
                for s in silences
            ],
            "targets": list(targets),
            "journal": [
                {"at": iso(e.at), "kind": e.kind, "subject": e.subject, "text": e.text} for e in reversed(self.journal)
            ],
        }


def _alert(alert: Alert, severity: str) -> dict[str, Any]:
    return {
        "rule": alert.rule,
        "subject": alert.subject,
        "phase": alert.phase.value,
        "severity": severity,
        "started": iso(alert.started if alert.started is not None and alert.phase is Phase.FIRING else alert.since),
        "reason": alert.reason,
        "held": alert.held,
    }
