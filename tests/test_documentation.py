"""Every option, rule and metric that exists is documented, and everything documented exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from keeper.cli import COMMANDS
from keeper.config import parse
from keeper.core.notice import TEST, WATCHDOG
from keeper.core.options import Option, options_of
from keeper.metrics import Metrics
from keeper.receiver.metrics import Exposed
from keeper.rules.metric import MetricRule
from keeper.rules.rule import Rule
from keeper.rules.table import RULES
from keeper.settings import SECTIONS
from tests.deploy.files import prometheus_alerts
from tests.receiver.standings import LIVELY

TOP = Path(__file__).parents[1]
EXAMPLE = TOP / "config.ini.example"
RUNBOOK = TOP / "docs" / "rules.md"
METRICS = TOP / "docs" / "metrics.md"

HEADING = re.compile(r";?\[([a-z]+(?::[\w.-]+)?)\]")
OPTION = re.compile(r";?([a-z_]+(?:\.\w+)*) =(?: (.*?))?(?:\s+;.*)?")


def documented() -> dict[str, dict[str, str]]:
    """The sections of the example with their options and values, switched off or not: prose stands behind `#`."""
    sections: dict[str, dict[str, str]] = {}
    for line in EXAMPLE.read_text().splitlines():
        if heading := HEADING.fullmatch(line):
            assert heading[1] not in sections, f"[{heading[1]}] stands twice"
            here = sections[heading[1]] = {}
        elif option := OPTION.fullmatch(line):
            assert option[1] not in here, f"{option[1]} stands twice in one section"
            here[option[1]] = option[2] or ""
        else:
            assert not line or line.startswith("#"), f"neither prose nor an option: {line!r}"
    return sections


def existing() -> dict[str, type[Any]]:
    """Every kind of section by what stands before its colon; rules by their whole heading."""
    return {**SECTIONS, **{f"rule:{name}": rule for name, rule in RULES.items()}, "rule:disk_full": MetricRule}


def section_of(kind: str) -> dict[str, str]:
    sections = documented()
    [name] = [name for name in sections if name == kind or name.split(":")[0] == kind]
    return sections[name]


# -- config.ini.example --------------------------------------------------------------------------------------------


def test_the_example_is_a_configuration_as_it_stands() -> None:
    """A copy of it starts a keeper."""
    settings = parse(EXAMPLE.read_text(), EXAMPLE.name, {})
    assert [node.name for node in settings.nodes] == ["node"]
    assert settings.alertmanager is not None
    assert settings.rules == {name: rule() for name, rule in RULES.items()}, "the example changes no default"


def test_the_example_is_a_configuration_with_everything_switched_on() -> None:
    """Removing every `;` breaks nothing: each line that is shown may be used as it is."""
    lines = (re.sub(r"^;", "", line) for line in EXAMPLE.read_text().splitlines())
    settings = parse("\n".join(lines), EXAMPLE.name, {})
    assert (len(settings.logs), len(settings.endpoints), len(settings.webhooks)) == (1, 1, 1)


def test_the_lines_that_are_enough_are_enough() -> None:
    """The few lines at the top are a whole configuration."""
    prose = EXAMPLE.read_text().split("\n\n", 1)[0]
    few = [line.removeprefix("#   ") for line in prose.splitlines() if re.match(r"#   (\[|\w+ = )", line)]
    assert len(few) <= 10
    settings = parse("\n".join(few), "few", {})
    assert settings.nodes[0].producer
    assert settings.alertmanager


def test_the_example_has_every_section_and_no_other() -> None:
    """Each section of the settings and each rule has one example."""
    kinds = [name if name.startswith("rule:") else name.split(":")[0] for name in documented()]
    assert sorted(kinds) == sorted(existing())


@pytest.mark.parametrize("kind", existing())
def test_a_section_of_the_example_has_every_option_with_its_true_default(kind: str) -> None:
    """No option is missing, none is invented, and what is shown is what holds when it is left out."""
    shown = section_of(kind)
    options = {option.key: option for option in options_of(existing()[kind])}
    open_ended = {
        "log": ("pattern.",),
        "agent": ("method.", "default."),
        "collectors": ("env.", "type."),
        "collector": ("env.",),
    }.get(kind, ())
    invented = {name for name in shown if name not in options and not name.startswith(open_ended)}
    assert not invented
    assert not options.keys() - shown.keys()
    for key, option in options.items():
        if option.default is not None and (kind, key) not in SHOWN_IN_USE:
            assert same(option, shown[key]), f"[{kind}] {key} = {shown[key]}, but its default is {option.default!r}"


# With the empty defaults the example would watch nothing, and its agent and its source could not be switched on.
SHOWN_IN_USE = {
    ("node", "producer"),
    ("node", "log"),
    ("node", "api"),
    ("agent", "url"),
    ("agent", "idl"),
    ("collectors", "shipped"),
    ("source", "addresses"),
}


def same(option: Option, value: str) -> bool:
    return bool(option.read(value) == option.read(option.default or ""))


# -- docs/rules.md -------------------------------------------------------------------------------------------------


def sections_of(page: Path) -> dict[str, str]:
    """The sections of a page by their second-level headings."""
    parts = re.split(r"(?m)^## (.+)\n", re.sub(r"(?m)^# .*$", "", page.read_text()))[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_runbook_has_a_section_for_every_alert_and_no_other() -> None:
    """Rules, the two alerts that are no rules, and the alerts of Prometheus."""
    assert sections_of(RUNBOOK).keys() == {*RULES, WATCHDOG, TEST, *prometheus_alerts()}


@pytest.mark.parametrize(("name", "rule"), RULES.items())
def test_a_section_of_the_runbook_says_what_it_means_and_what_to_do(name: str, rule: type[Rule]) -> None:
    """Meaning, importance, where to look, what to do; and every option of its own."""
    text = sections_of(RUNBOOK)[name]
    for part in ("Means", "Matters", "Look first", "Do"):
        assert f"\n**{part}**:" in f"\n{text}", part
    own = {option.key for option in options_of(rule)} - {option.key for option in options_of(Rule)}
    said = text.partition("**Options**:")[2]
    assert own <= set(re.findall(r"`(\w+)`", said))


@pytest.mark.parametrize("alert", prometheus_alerts())
def test_a_section_about_an_alert_of_prometheus_says_what_to_do(alert: str) -> None:
    """Meaning and what to do."""
    text = sections_of(RUNBOOK)[alert]
    assert "**Means**:" in text
    assert "**Do**:" in text or "see " in text


def test_the_runbook_lists_the_options_every_rule_has() -> None:
    """The table at its top is complete."""
    table = re.findall(r"(?m)^\| `(\w+)` \|", RUNBOOK.read_text().split("\n# ", 1)[0])
    assert table == [option.key for option in options_of(Rule)]


# -- docs/metrics.md -----------------------------------------------------------------------------------------------


def exported() -> set[tuple[str, str, tuple[str, ...]]]:
    """Name as Prometheus shows it, type, and labels of every metric keeper and its receiver have."""
    return exported_by_keeper() | exported_by_receiver()


def exported_by_receiver() -> set[tuple[str, str, tuple[str, ...]]]:
    suffixes = {"counter": "_total", "info": "_info"}
    found = set()
    for family in Exposed(lambda: LIVELY).collect():
        labels = [label for label in family.samples[0].labels if label != "le"]
        assert all(sample.labels.keys() - {"le"} == set(labels) for sample in family.samples), family.name
        shown = "gauge" if family.type == "info" else family.type
        found.add((family.name + suffixes.get(family.type, ""), shown, tuple(labels)))
    return found


def exported_by_keeper() -> set[tuple[str, str, tuple[str, ...]]]:
    suffixes = {"counter": "_total", "info": "_info"}
    found = set()
    for metric in vars(Metrics(CollectorRegistry())).values():
        if isinstance(metric, MetricWrapperBase):
            kind = str(metric._type)
            labels = ("version",) if kind == "info" else tuple(metric._labelnames)
            shown = "gauge" if kind == "info" else kind
            found.add((metric._name + suffixes.get(kind, ""), shown, labels))
    return found


def test_the_table_of_metrics_is_complete_and_true() -> None:
    """Every metric stands in it once, with its type and labels, and nothing else does."""
    rows = re.findall(r"(?m)^\| `(keeper_\w+)` \| (\w+) \|(.*?)\| (.+) \|$", METRICS.read_text())
    listed = [(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows]
    assert len(listed) == len(set(listed))
    assert set(listed) == exported()


def test_the_labels_of_metrics_are_explained() -> None:
    """Each label in the table of metrics has a line in the table of labels."""
    used = {label for _, _, labels in exported() for label in labels} - {"version"}
    assert set(re.findall(r"(?m)^\| `(\w+)` \| [^|]+ \|$", METRICS.read_text())) == used


# -- the commands they speak of ------------------------------------------------------------------------------------


def test_every_command_the_documents_tell_people_to_run_exists() -> None:
    """`keeper WORD` in documents, unit, example and dashboards is a command."""
    places = [EXAMPLE, RUNBOOK, METRICS, *TOP.glob("deploy/*"), *TOP.glob("grafana/dashboards/*")]
    text = "\n".join(place.read_text() for place in places if place.is_file())
    said = set(re.findall(r"(?m)(?:`|bin/|^#   |sudo )keeper ([a-z][a-z-]+)", text))
    assert said <= COMMANDS.keys()
    assert {"run", "check-config", "replay", "silence", "history", "status", "test-alert", "parse"} <= said
