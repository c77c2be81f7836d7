"""What keeper tells other people of an alert, and what tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from keeper.core.alert import Alert, Phase

WATCHDOG = "watchdog"
TEST = "test"


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert as others see it. It fires as long as `ends_at` is None. `labels` are its identity and never hold a
    number or reason that changes; those are annotations. `id` is stable: a receiver that sees it twice got it twice.
    """

    id: str
    rule: str
    subject: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float | None
    generator_url: str

    @property
    def status(self) -> str:
        return "firing" if self.ends_at is None else "resolved"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who speaks, and about whom: `keeper` and `role` of this keeper, `node` and `producer` of the subject (empty where
    it has none). `page` is where keeper shows its status; `runbook` explains rules, `#rule` is appended; both may be
    empty."""

    keeper: str
    role: str
    node: str
    producer: str
    page: str
    runbook: str


class Receipt(NamedTuple):
    """Names one owed notice: the target it is for and the notice's id."""

    target: str
    key: str


class Owed(NamedTuple):
    """A notice a target has not accepted yet, as it is stored. `body` is `to_json` of it."""

    target: str
    key: str
    body: str

    @property
    def receipt(self) -> Receipt:
        return Receipt(self.target, self.key)


class Notifier(Protocol):
    """Tells one receiver.

    `batch` is how many notices one `send` takes. `resend` is after how many seconds everything that stands is said
    again, whether it was said or not; None for a receiver that is told each change once, in order.
    """

    @property
    def batch(self) -> int: ...

    @property
    def resend(self) -> float | None: ...

    def send(self, notices: Sequence[Notice]) -> None:
        """Deliver all of them within a bounded time. Raises SendError (try again) or Rejected (never will)."""


def describe(alert: Alert, severity: str, origin: Origin) -> Notice:
    """The notice of an alert that fires or was resolved (also when it is pending again since)."""
    if alert.started is None:
        raise ValueError(f"{alert.rule} on {alert.subject} has never fired")
    firing = alert.phase is Phase.FIRING
    # Alertmanager refuses an alert that ends before it starts, which a clock set back over a restart could make.
    ends_at = None if firing else max(alert.started, alert.started if alert.resolved_at is None else alert.resolved_at)
    kind = "firing" if firing else "resolved"
    return _notice(
        origin,
        key=f"{origin.keeper}/{alert.rule}/{alert.subject}/{alert.incident}/{kind}",
        rule=alert.rule,
        subject=alert.subject,
        severity=severity,
        reason=alert.reason,
        value="" if alert.number is None else f"{alert.number:g}",
        starts_at=alert.started,
        ends_at=ends_at,
    )


def watchdog(origin: Origin, started: float) -> Notice:
    """The alert that always fires. Where it is missing, keeper or the way to the receiver is dead."""
    return _notice(
        origin,
        key=f"{origin.keeper}/{WATCHDOG}",
        rule=WATCHDOG,
        subject=origin.keeper,
        severity="none",
        reason="keeper is alive and can deliver alerts; when this alert is missing, it is not or cannot",
        starts_at=started,
    )


def trial(origin: Origin, now: float) -> Notice:
    """An alert for trying a channel out. It ends by itself when it is not repeated."""
    return _notice(
        origin,
        key=f"{origin.keeper}/{TEST}/{now:.3f}",
        rule=TEST,
        subject=origin.keeper,
        severity="info",
        reason="somebody tries out this channel; nothing is wrong",
        starts_at=now,
    )


def alertname(rule: str) -> str:
    """`head_stalled` → `KeeperHeadStalled`."""
    return "Keeper" + "".join(word.capitalize() for word in rule.split("_"))


def to_json(notice: Notice) -> str:
    """The notice as the state database keeps it."""
    return json.dumps(
        {
            "id": notice.id,
            "rule": notice.rule,
            "subject": notice.subject,
            "labels": dict(notice.labels),
            "annotations": dict(notice.annotations),
            "starts_at": notice.starts_at,
            "ends_at": notice.ends_at,
            "generator_url": notice.generator_url,
        }
    )


def from_json(text: str) -> Notice:
    """Raises ValueError for anything `to_json` did not write."""
    try:
        stored: dict[str, Any] = json.loads(text)
        return Notice(**stored)
    except TypeError as error:
        raise ValueError(f"not a stored notice: {error}") from error


def _notice(
    origin: Origin,
    *,
    key: str,
    rule: str,
    subject: str,
    severity: str,
    reason: str,
    starts_at: float,
    value: str = "",
    ends_at: float | None = None,
) -> Notice:
    labels = {
        "alertname": alertname(rule),
        "severity": severity,
        "keeper": origin.keeper,
        "role": origin.role,
        "node": origin.node,
        "producer": origin.producer,
        # What is not a node (a log, an endpoint, keeper itself) needs a name of its own, or two alerts were one.
        "subject": "" if subject in (origin.node, origin.keeper) else subject,
    }
    annotations = {
        "summary": f"{rule} on {subject}: {reason}",
        "description": f"Rule {rule} about {subject}, seen by keeper {origin.keeper} (role {origin.role}): {reason}",
        "reason": reason,
        "value": value,
        "runbook_url": f"{origin.runbook}#{rule}" if origin.runbook else "",
    }
    return Notice(
        id=valid(key),
        rule=rule,
        subject=valid(subject),
        # Alertmanager takes an empty label for an absent one: two forms of one identity are one too many.
        labels={name: valid(text) for name, text in labels.items() if text},
        annotations={name: valid(text) for name, text in annotations.items() if text},
        starts_at=starts_at,
        ends_at=ends_at,
        generator_url=origin.page,
    )


def valid(text: str) -> str:
    """The text with everything replaced that UTF-8 cannot carry: a lone surrogate of a strange file name or JSON."""
    return text.encode("utf-8", "replace").decode()
