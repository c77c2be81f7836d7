"""The real Prometheus and Alertmanager of the tests do what the tests rely on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.peers.alertmanager import Alertmanager, amtool
from tests.peers.ask import eventually, post_json
from tests.peers.prometheus import Prometheus, promtool


def test_prometheus_scrapes_a_target_and_answers(new_prometheus: Callable[..., Prometheus]) -> None:
    """It scrapes what it is told (itself here: a real exporter), answers queries, and refuses a bad one aloud."""
    prometheus = new_prometheus()
    prometheus.reload(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: keeper, static_configs: [{{targets: ['127.0.0.1:{prometheus.port}']}}]}}]\n"
    )
    [sample] = prometheus.wait_for('up{job="keeper"} == 1')
    assert sample["metric"]["instance"] == f"127.0.0.1:{prometheus.port}"
    assert prometheus.query("1 + 1")[0]["value"][1] == "2"
    with pytest.raises(requests.HTTPError, match="parse error"):
        prometheus.query("up{")


def test_a_rule_file_fires_into_alertmanager_and_the_inbox(
    new_prometheus: Callable[..., Prometheus], new_alertmanager: Callable[..., Alertmanager], tmp_path: Path
) -> None:
    """An alerting rule reaches Alertmanager, and Alertmanager's notification reaches the inbox."""
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: g, rules: [{alert: Always, expr: vector(1), labels: {severity: info}}]}]\n")
    alertmanager = new_alertmanager()
    prometheus = new_prometheus(rules=[rules], alertmanagers=[f"127.0.0.1:{alertmanager.port}"])
    prometheus.wait_for('ALERTS{alertname="Always", alertstate="firing"}')
    alertmanager.inbox.wait_for(lambda inbox: inbox.notified(alertname="Always"), "the alert")
    assert alertmanager.alerts(alertname="Always")[0]["labels"]["severity"] == "info"


def test_alertmanager_notifies_firing_and_resolved_over_a_restart(
    new_alertmanager: Callable[..., Alertmanager],
) -> None:
    """A pushed alert is notified at once; after a stop and start on the same port it resolves once, not twice."""
    alertmanager = new_alertmanager()
    firing = [{"labels": {"alertname": "Test", "node": "a"}, "annotations": {"reason": "why"}}]
    post_json(f"{alertmanager.url}/api/v2/alerts", firing)
    alertmanager.inbox.wait_for(lambda inbox: inbox.notified(alertname="Test"), "the firing alert")
    [first] = alertmanager.inbox.notified(alertname="Test", node="a")
    assert first.status == "firing"
    assert first.annotations == {"reason": "why"}

    # Its notification log has the alert once the group comes round a second time; before, a stop would forget it.
    eventually(lambda: alertmanager.metric("alertmanager_nflog_queries_total") >= 2, "a second round of the group")
    alertmanager.stop()
    with pytest.raises(requests.ConnectionError):
        alertmanager.alerts()
    alertmanager.start()
    assert alertmanager.alerts() == []
    post_json(f"{alertmanager.url}/api/v2/alerts", firing)
    eventually(alertmanager.alerts, "the alert to be known again")
    post_json(f"{alertmanager.url}/api/v2/alerts", [{**firing[0], "endsAt": "2020-01-01T00:00:00Z"}])
    alertmanager.inbox.wait_for(lambda inbox: len(inbox.notified()) > 1, "the resolved alert")
    assert [alert.status for alert in alertmanager.inbox.notified()] == ["firing", "resolved"]


def test_the_tools_judge_files(tmp_path: Path) -> None:
    """promtool and amtool say yes to a good file and no, with a reason, to a bad one."""
    good = tmp_path / "good.yml"
    good.write_text("route: {receiver: r}\nreceivers: [{name: r}]\n")
    assert amtool("check-config", str(good)).returncode == 0
    bad = tmp_path / "bad.yml"
    bad.write_text("route: {receiver: nobody}\nreceivers: []\n")
    assert "nobody" in amtool("check-config", str(bad)).stdout
    assert promtool("check", "metrics", stdin="# HELP a_total b\n# TYPE a_total counter\na_total 1\n").returncode == 0
    assert promtool("check", "metrics", stdin="a 1\na 2\n").returncode != 0
