"""Where the files for operators are, and how the tests read them."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
RULES = DEPLOY / "prometheus" / "keeper.rules.yml"
RULE_TESTS = DEPLOY / "prometheus" / "keeper.rules.test.yml"
PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
UNIT = DEPLOY / "keeper.service"
RECEIVER_UNIT = DEPLOY / "keeper-receive.service"
DOCKERFILE = DEPLOY / "Dockerfile"
DASHBOARDS = TOP / "grafana" / "dashboards"
RUNBOOK = TOP / "docs" / "rules.md"
SHIPPED = TOP / "docs" / "collectors_shipped.md"


def prometheus_alerts() -> dict[str, str]:
    """The alerts of the rule file by name, with the text of their rules. The file's layout is ours: no YAML reader."""
    parts = re.split(r"(?m)^      - (?:alert|record): ", RULES.read_text())[1:]
    alerts = {part.split("\n", 1)[0]: part for part in parts}
    return {name: text for name, text in alerts.items() if name[0].isupper()}


def anchors(page: Path) -> set[str]:
    """The anchors a Markdown page has: its headings, as the usual renderers spell them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
