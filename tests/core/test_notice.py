"""What other people see of an alert."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.alert import Alert, Phase
from keeper.core.notice import Notice, Origin, alertname, describe, from_json, to_json, trial, watchdog

ORIGIN = Origin("tokyo-1", "A", "bp1", "eosstore", "http://10.0.0.1:9877/", "https://docs.example/rules")
FIRING = Alert(
    "head_stalled", "bp1", Phase.FIRING, 110.0, started=100.0, reason="head 1,823 stands", number=12.0, incident=3
)
RESOLVED = FIRING._replace(phase=Phase.RESOLVED, since=140.0, resolved_at=140.0, reason="head moves", number=None)


def test_a_firing_alert() -> None:
    """Identity in the labels, what changes in the annotations, the beginning of the failure as its start."""
    assert describe(FIRING, "critical", ORIGIN) == Notice(
        id="tokyo-1/head_stalled/bp1/3/firing",
        rule="head_stalled",
        subject="bp1",
        labels={
            "alertname": "KeeperHeadStalled",
            "severity": "critical",
            "keeper": "tokyo-1",
            "role": "A",
            "node": "bp1",
            "producer": "eosstore",
        },
        annotations={
            "summary": "head_stalled on bp1: head 1,823 stands",
            "description": "Rule head_stalled about bp1, seen by keeper tokyo-1 (role A): head 1,823 stands",
            "reason": "head 1,823 stands",
            "value": "12",
            "runbook_url": "https://docs.example/rules#head_stalled",
        },
        starts_at=100.0,
        ends_at=None,
        generator_url="http://10.0.0.1:9877/",
    )


def test_a_resolved_alert_has_the_identity_of_the_firing_one() -> None:
    """Otherwise the receiver would go on waiting for the end of the first."""
    firing, resolved = describe(FIRING, "critical", ORIGIN), describe(RESOLVED, "critical", ORIGIN)
    assert resolved.labels == firing.labels
    assert (resolved.starts_at, resolved.ends_at, resolved.status) == (100.0, 140.0, "resolved")
    assert resolved.id != firing.id


def test_a_resolution_stays_one_while_it_is_pending_again() -> None:
    """A pending alert is nobody's business yet: what stands is the resolution of the incident before."""
    again = RESOLVED._replace(phase=Phase.PENDING, since=150.0, counts_from=150.0)
    assert describe(again, "critical", ORIGIN) == describe(RESOLVED, "critical", ORIGIN)


def test_never_ends_before_it_starts() -> None:
    """Alertmanager answers 400 to that; a clock set back must not make it."""
    assert describe(RESOLVED._replace(resolved_at=90.0), "critical", ORIGIN).ends_at == 100.0


def test_what_never_fired_has_no_notice() -> None:
    """That is a mistake of the caller."""
    with pytest.raises(ValueError, match="never fired"):
        describe(Alert("head_stalled", "bp1"), "critical", ORIGIN)


def test_what_is_no_node_is_told_apart_by_its_own_label() -> None:
    """Two endpoints under one rule are two alerts; the watchdog is one for each keeper."""
    nowhere = replace(ORIGIN, node="", producer="")
    one = describe(FIRING._replace(subject="shop"), "warning", nowhere)
    two = describe(FIRING._replace(subject="mail"), "warning", nowhere)
    assert one.labels != two.labels
    assert one.labels["subject"] == "shop"
    assert "node" not in one.labels
    guard = watchdog(nowhere, 50.0)
    assert guard.labels == {"alertname": "KeeperWatchdog", "severity": "none", "keeper": "tokyo-1", "role": "A"}
    assert guard.ends_at is None
    assert trial(nowhere, 60.0).labels["alertname"] == "KeeperTest"


@pytest.mark.parametrize(("rule", "name"), [("http_down", "KeeperHttpDown"), ("fork", "KeeperFork")])
def test_names(rule: str, name: str) -> None:
    """As Prometheus' own rules are named."""
    assert alertname(rule) == name


@given(st.text(), st.text(min_size=1), st.floats(0, 1e10), st.none() | st.floats(0, 1e10))
def test_survives_the_database(reason: str, subject: str, starts_at: float, ends_at: float | None) -> None:
    """Any text goes to JSON and comes back as it was; what UTF-8 cannot carry was replaced before."""
    alert = FIRING._replace(reason=reason, subject=subject)
    notice = replace(describe(alert, "critical", ORIGIN), starts_at=starts_at, ends_at=ends_at)
    assert from_json(to_json(notice)) == notice
    for text in (*notice.labels.values(), *notice.annotations.values()):
        text.encode()


def test_a_lone_surrogate_is_replaced() -> None:
    """A file name that is no UTF-8 can get into a reason; no receiver could read it."""
    assert describe(FIRING._replace(reason="no \udcff"), "critical", ORIGIN).annotations["reason"] == "no ?"


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"x"', "{}", '{"id": "a", "more": 1}'])
def test_refuses_what_it_did_not_write(text: str) -> None:
    """A row of another version is told apart, not half understood."""
    with pytest.raises(ValueError, match=r"."):
        from_json(text)
