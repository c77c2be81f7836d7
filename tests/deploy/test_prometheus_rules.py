"""The Prometheus files of deploy/ are accepted by promtool, and each alert fires exactly when it should."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from keeper.core.notice import TEST, WATCHDOG, alertname
from keeper.metrics import Metrics
from keeper.receiver.metrics import Exposed
from keeper.rules.table import RULES as KEEPER_RULES
from tests.deploy.files import DASHBOARDS, PROMETHEUS, RULE_TESTS, RULES, RUNBOOK, anchors, prometheus_alerts
from tests.peers.prometheus import promtool
from tests.receiver.standings import LIVELY


def test_the_rules_are_accepted() -> None:
    """promtool finds no fault in the rule file."""
    checked = promtool("check", "rules", "--lint-fatal", str(RULES))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_configuration_is_accepted_and_finds_its_rules(tmp_path: Path) -> None:
    """prometheus.yml is valid and the rule file beside it is the one it names."""
    for path in (PROMETHEUS, RULES):
        shutil.copy(path, tmp_path)
    checked = promtool("check", "config", str(tmp_path / PROMETHEUS.name))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 rule files found" in checked.stdout


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    """The cases of keeper.rules.test.yml hold."""
    checked = promtool("test", "rules", str(RULE_TESTS))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("alert", prometheus_alerts())
def test_every_alert_has_its_case(alert: str) -> None:
    """Each alert of the rule file is seen firing in the cases."""
    cases = RULE_TESTS.read_text()
    fires = rf'alertname="{alert}", alertstate="firing"' in cases
    assert fires or re.search(rf"alertname: {alert}\n(?:.*\n)?\s+exp_alerts:\n", cases), alert


@pytest.mark.parametrize(("alert", "text"), prometheus_alerts().items())
def test_every_alert_links_to_its_section_of_the_runbook(alert: str, text: str) -> None:
    """`runbook_url` ends in an anchor docs/rules.md has, the alert's own."""
    [anchor] = re.findall(r"runbook_url: \S+#(\S+)", text)
    assert anchor == alert.lower()
    assert anchor in anchors(RUNBOOK)


def test_no_alert_has_the_name_of_one_of_keepers_own() -> None:
    """Prometheus' alerts and keeper's cannot be taken for each other by routes and silences."""
    own = {alertname(rule) for rule in (*KEEPER_RULES, WATCHDOG, TEST)}
    assert not own & prometheus_alerts().keys()


def test_the_rules_use_only_metrics_keeper_has() -> None:
    """Every keeper_* name in rules, cases and dashboards is a metric of keeper; recorded ones have colons."""
    registry = CollectorRegistry()
    Metrics(registry)
    registry.register(Exposed(lambda: LIVELY))
    known = {sample.name for metric in registry.collect() for sample in metric.samples}
    for metric in registry.collect():
        known |= {metric.name, f"{metric.name}_total", f"{metric.name}_info", f"{metric.name}_bucket"}
    for path in (RULES, RULE_TESTS, *DASHBOARDS.glob("*.json")):
        text = re.sub(r"(?m)#.*$", "", path.read_text()) if path.suffix == ".yml" else path.read_text()
        assert set(re.findall(r"(?<![\w:])keeper_\w+", text)) <= known, path


def test_the_metrics_page_is_accepted() -> None:
    """promtool finds no fault in the names, types and help texts of a fresh keeper's metrics."""
    registry = CollectorRegistry()
    Metrics(registry).build.info({"version": "0"})
    checked = promtool("check", "metrics", stdin=generate_latest(registry).decode())
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not checked.stderr
