"""What the configuration says of collectors, and every mistake in it."""

from __future__ import annotations

import pytest

from keeper.collectors.plan import added_tags, terms_of
from keeper.config import parse
from keeper.errors import ConfigError
from keeper.rules.metric import MetricRule

GENERAL = "[collectors]\nshipped = load\n"
RULE = "[rule:load_high]\nmetric = proc.loadavg.1min above 4 for 5m\n"


def test_there_may_be_any_number_of_rules_of_the_site() -> None:
    """Each with a name of its own and the options of every rule."""
    more = "severity = critical\nfor = 1m\n[rule:flat]\nmetric = x flat for 1m\n"
    settings = parse(GENERAL + RULE + more, "c.ini", {})
    rule = settings.rules["load_high"]
    assert isinstance(rule, MetricRule)
    assert (rule.name, rule.severity, rule.for_) == ("load_high", "critical", 60.0)
    assert settings.rules["flat"].name == "flat"


def test_a_section_of_its_own_is_all_that_holds_for_a_script(tmp_path: object) -> None:
    """And secrets in its environment may come from keeper's, or from a file."""
    text = GENERAL + "nice = 5\nenv.A = b\n[collector:x.py]\nenv.PASSWORD = ${SECRET}\nmemory = 64MiB\ncpu = 10s\n"
    settings = parse(text, "c.ini", {"SECRET": "s3cret"})
    assert settings.collectors is not None
    terms = terms_of(settings.collectors, settings.collector, tmp_path)  # type: ignore[arg-type]
    assert (terms.general.nice, dict(terms.general.environment)) == (5, {"A": "b"})
    care = terms.care["x.py"]
    assert (care.nice, care.memory, care.cpu, dict(care.environment)) == (0, 64 << 20, 10, {"PASSWORD": "s3cret"})


def test_every_point_gets_the_host_and_the_tags_of_the_site() -> None:
    """The host first; a tag of that name is it."""
    settings = parse(GENERAL + "host = here\ntags = dc=fra, rack=3\n", "c.ini", {})
    assert settings.collectors is not None
    assert added_tags(settings.collectors) == (("host", "here"), ("dc", "fra"), ("rack", "3"))
    settings = parse(GENERAL + "tags = host=there\n", "c.ini", {})
    assert settings.collectors is not None
    assert added_tags(settings.collectors) == (("host", "there"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[collectors]\n", "1: [collectors]: nothing to run; give it dir = /path, or shipped = load, memory, disk"),
        ("[collectors]\ndir = relative\n", "2: [collectors] dir: 'relative' is not an absolute path"),
        ("[collectors]\nshipped = process\n", "2: [collectors] shipped: 'process' is no collector keeper has"),
        (GENERAL + "tags = a=b, a=c\n", "3: [collectors] tags: the tag a stands twice"),
        (GENERAL + "tags = a b\n", "3: [collectors] tags: 'a b' is no tag"),
        (GENERAL + "host = a b\n", "3: [collectors] host: 'a b' cannot be a tag's value"),
        (GENERAL + "user = nosuchuser\n", "3: [collectors] user: this host has no user 'nosuchuser'"),
        (GENERAL + "user = No Such\n", "3: [collectors] user: 'No Such' is no login name"),
        (GENERAL + "memory = 1MiB\n", "3: [collectors] memory: 1MiB is too little for any script"),
        (GENERAL + "cpu = much\n", "3: [collectors] cpu: 'much' is no whole number of seconds"),
        (GENERAL + "nice = 30\n", "3: [collectors] nice: '30' is not a niceness"),
        (GENERAL + "max_tags = 1\n", "3: [collectors] max_tags: 1 tags are added to each point"),
        (GENERAL + "type.a.b = meter\n", "3: [collectors] type.a.b: 'meter' is not one of gauge, counter"),
        (GENERAL + "env.A-B = x\n", "3: [collectors] env.A-B: 'A-B' is no name of a variable"),
        (GENERAL + "env.A = ${NOT_THERE}\n", "3: [collectors] env.A: the environment has no NOT_THERE"),
        (GENERAL + "[collector:a]\nnice = 30\n", "4: [collector:a] nice: '30' is not a niceness"),
        ("[node]\nlog = file:/x\n[collector:a]\nnice = 5\n", "3: [collector:a]: there is no [collectors]"),
        (GENERAL + "[log:collectors]\nlog = file:/x\npattern.a = b\n", "the name collectors is taken by [collectors]"),
        (
            GENERAL + RULE.replace("above 4", "over 4"),
            "4: [rule:load_high] metric: 'proc.loadavg.1min over 4",
        ),
        (GENERAL + RULE.replace("metric", "metrik"), "3: [rule:load_high]: there is no rule 'load_high'"),
        ("[node]\nlog = file:/x\n" + RULE, "4: [rule:load_high] metric: there is no [collectors]"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_cure(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text, "c.ini", {})
    assert [problem for problem in raised.value.problems if said in problem], raised.value.problems
