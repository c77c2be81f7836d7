"""Alertmanager's API v2: everything that stands, to one instance, again and again.

Its contract (docs/alerts_api.md and high_availability.md of prometheus/alertmanager): an alert is its label set; the
client repeats what fires and says itself until when that holds; it repeats a resolution for five minutes; it tells
every instance, never a load balancer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from keeper.core.notice import Notice
from keeper.core.source import Now
from keeper.notifiers.post import Poster
from keeper.runtime.clock import iso

PATH = "/api/v2/alerts"
BATCH = 64
HELD_INTERVALS = 4  # as Prometheus: two repetitions may fail and nobody is told that the alert is over
TOLERANCE = 5.0  # seconds the clocks may differ before it matters


class Alertmanager:
    """Tells one instance. `poster` posts to its address with PATH; `interval` seconds is how often all is repeated."""

    def __init__(self, poster: Poster, now: Now, interval: float = 30.0) -> None:
        self._poster = poster
        self._now = now
        self._interval = interval

    @property
    def batch(self) -> int:
        return BATCH

    @property
    def resend(self) -> float:
        return self._interval

    def send(self, notices: Sequence[Notice]) -> None:
        """Post them together. Raises SendError or Rejected."""
        ahead = self._poster.ahead if abs(self._poster.ahead) > TOLERANCE else 0.0
        holds_until = self._now() + HELD_INTERVALS * self._interval
        self._poster.post(json.dumps([_alert(notice, holds_until, ahead) for notice in notices]).encode())


def _alert(notice: Notice, holds_until: float, ahead: float) -> dict[str, Any]:
    """The alert in Alertmanager's words.

    Alertmanager compares `endsAt` with its own clock: one that is minutes ahead of ours would take every alert for
    over when it comes, one that is behind would go on with one that is over. So ends are moved by what is between the
    clocks; starts are only shown.
    """
    ends_at = holds_until + max(ahead, 0.0) if notice.ends_at is None else notice.ends_at + min(ahead, 0.0)
    return {
        "labels": dict(notice.labels),
        "annotations": dict(notice.annotations),
        "startsAt": iso(min(notice.starts_at, ends_at)),
        "endsAt": iso(ends_at),
        "generatorURL": notice.generator_url,
    }
