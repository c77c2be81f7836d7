"""The table of rules, and what every rule must keep to."""

from __future__ import annotations

import dataclasses

import pytest

from keeper.core import event
from keeper.core.options import options_of
from keeper.core.verdict import State
from keeper.rules.rule import SEVERITIES, Rule
from keeper.rules.table import RULES
from tests.rules.build import Scene

EVENTS = {kind for kind in vars(event).values() if isinstance(kind, type) and hasattr(kind, "_fields")}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def test_names_are_keys() -> None:
    """Of the configuration, the metrics and the alerts."""
    assert {name: rule().name for name, rule in RULES.items()} == dict(zip(RULES, RULES, strict=True))


@every_rule
def test_a_rule_names_only_what_exists(rule: type[Rule]) -> None:
    """Causes are other rules, of a subject both judge; it listens to events."""
    for cause in rule.after:
        assert cause != rule().name
        assert set(RULES[cause].kinds) & set(rule.kinds)
    assert set(rule.wakes) <= EVENTS
    assert set(rule.kinds) <= {"node", "log", "endpoint", "agent", "collectors", "receiver", "keeper"}


@every_rule
def test_a_rule_is_a_value_whose_options_have_defaults_and_meanings(rule: type[Rule]) -> None:
    """Every field can be configured and is explained in a line."""
    made = rule()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.severity = "info"  # type: ignore[misc]  # that it cannot be is what is tested
    options = options_of(rule)
    assert {option.field for option in options} == {field.name for field in dataclasses.fields(rule)}
    for option in options:
        assert option.default is not None
        assert option.read(option.default) == getattr(made, option.field)
        assert 5 < len(option.meaning) < 100
    assert made.severity in SEVERITIES
    assert rule.__doc__


@every_rule
@pytest.mark.parametrize(
    "sources", [(), ("log",), ("api",), ("log", "api", "details", "reference"), ("endpoint",), ("status",)]
)
def test_a_rule_answers_before_anything_is_known(rule: type[Rule], sources: tuple[str, ...]) -> None:
    """With a sentence, and never FAILING."""
    for kind in rule.kinds:
        for producers in ((), ("a",)):
            for seen in (False, True):
                scene = Scene(kind=kind, sources=sources, producers=producers)
                for source in sources if seen else ():
                    scene.sees(source, 0)
                verdict = scene.verdict(rule(), 0)
                assert verdict.state is not State.FAILING
                assert verdict.reason
                assert "\n" not in verdict.reason
