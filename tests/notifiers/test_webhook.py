"""The body a webhook gets: a promise to programs of other people."""

from __future__ import annotations

import hashlib
import hmac
import time

from keeper.core.alert import Alert, Phase
from keeper.core.notice import Origin, describe
from keeper.notifiers import target_of_webhook
from keeper.settings import WebhookSettings
from tests.notifiers.receiver import Receiver

ORIGIN = Origin("tokyo-1", "A", "bp1", "eosstore", "", "")
FIRING = Alert(
    "head_stalled", "bp1", Phase.FIRING, 1_800_000_010.0, 1_800_000_000.25, reason="stands", number=12.0, incident=7
)


def test_the_body() -> None:
    """Every field, for a firing and a resolved notice."""
    resolved = FIRING._replace(phase=Phase.RESOLVED, resolved_at=1_800_000_060.0, reason="moves", number=None)
    with Receiver() as receiver:
        hook = target_of_webhook(WebhookSettings(name="chat", url=f"{receiver.url}/in"), time.time).notifier
        hook.send([describe(FIRING, "critical", ORIGIN)])
        hook.send([describe(resolved, "critical", ORIGIN)])
        first, second = receiver.received()
    assert first.path == "/in"
    assert "X-Keeper-Signature" not in first.headers
    assert first.json == {
        "version": 1,
        "id": "tokyo-1/head_stalled/bp1/7/firing",
        "status": "firing",
        "rule": "head_stalled",
        "subject": "bp1",
        "labels": {
            "alertname": "KeeperHeadStalled",
            "severity": "critical",
            "keeper": "tokyo-1",
            "role": "A",
            "node": "bp1",
            "producer": "eosstore",
        },
        "annotations": {
            "summary": "head_stalled on bp1: stands",
            "description": "Rule head_stalled about bp1, seen by keeper tokyo-1 (role A): stands",
            "reason": "stands",
            "value": "12",
        },
        "startsAt": "2027-01-15T08:00:00.250Z",
        "endsAt": None,
        "keeper": "tokyo-1",
    }
    assert second.json["id"] == "tokyo-1/head_stalled/bp1/7/resolved"
    assert (second.json["status"], second.json["endsAt"]) == ("resolved", "2027-01-15T08:01:00.000Z")


def test_the_signature() -> None:
    """HMAC-SHA256 of the body's bytes with the shared secret: the receiver can tell keeper from anybody else."""
    with Receiver() as receiver:
        settings = WebhookSettings(name="chat", url=receiver.url, secret="schlüssel")
        target_of_webhook(settings, time.time).notifier.send([describe(FIRING, "critical", ORIGIN)])
        (request,) = receiver.received()
    expected = hmac.new("schlüssel".encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Keeper-Signature"] == f"sha256={expected}"
