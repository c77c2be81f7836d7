"""The configuration: what is read, and that one run shows every mistake with its place and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.config import load, parse
from keeper.core.ini import read_ini
from keeper.errors import ConfigError

GOOD = """
[keeper]
name = tokyo-1              ; default: the host name
role = A
state_dir = /var/lib/keeper
listen = 127.0.0.1:9877
[node]
producer = eosstore
log = file:/var/log/nodeos.log        ; or docker:CONTAINER; a glob is fine
api = http://127.0.0.1:8888
reference_apis = https://one.example, https://two.example
[node:other]
log = docker:nodeos
role = F
[rule:log_silent]
window = 1m30s
for = 5s
severity = warning
[alertmanager]
urls = http://127.0.0.1:9093, http://10.0.0.2:9093
"""


def problems(text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "config.ini", environment or {})
    return caught.value.problems


def test_the_documented_example_is_read_with_types_units_and_defaults() -> None:
    """Every value of the documented example arrives typed; what is not given has its default."""
    settings = parse(GOOD, "config.ini", {})
    assert settings.keeper.name == "tokyo-1"
    node, other = settings.nodes
    assert (node.name, node.role, node.producer) == ("node", "A", ("eosstore",))
    assert node.reference_apis == ("https://one.example", "https://two.example")
    assert (other.name, other.role, other.log) == ("other", "F", "docker:nodeos")
    rule = settings.rules["log_silent"]
    assert (rule.window, rule.for_, rule.severity) == (90.0, 5.0, "warning")  # type: ignore[attr-defined]
    assert settings.rules["http_down"].window == 5.0  # type: ignore[attr-defined]
    assert settings.alertmanager is not None
    assert settings.alertmanager.interval == 30.0


def test_one_run_shows_every_mistake_with_section_option_line_and_cure() -> None:
    """A file with many mistakes gives them all, in the order of its lines."""
    found = problems(
        "[keeper]\nrole = X\nlisten = 9877\nlisten = 127.0.0.1:1\n[nodes]\n[node]\nlog = /var/log/x\napii = http://x\n"
        "[rule:head_stoled]\n[rule:log_silent]\nwindow = 10\nsubjects = nobody\n[webhook]\n[alertmanager]\ntimeout=5s\n"
        "garbage\n[node]\n"
    )
    assert found == [
        "config.ini:2: [keeper] role: 'X' is not one of A, B, C, F",
        "config.ini:3: [keeper] listen: '9877' is not an address to listen on; write HOST:PORT such as 127.0.0.1:9877",
        "config.ini:4: [keeper] listen: given a second time; the first is on line 3",
        "config.ini:5: [nodes] is not a section keeper knows; did you mean node?",
        "config.ini:7: [node] log: '/var/log/x' is not a log; write file:/absolute/path (a glob is fine) "
        "or docker:CONTAINER",
        "config.ini:8: [node] apii: there is no such option; did you mean api?",
        *[p for p in found if ":9:" in p],
        "config.ini:11: [rule:log_silent] window: '10' is not a duration; write a number with a unit, such as 10s, "
        "500ms, 2m or 1h30m",
        "config.ini:13: [webhook] needs a name; write [webhook:NAME]",
        "config.ini:14: [alertmanager]: urls is missing (addresses of all Alertmanager instances, "
        "path prefix included)",
        "config.ini:16: 'garbage' is neither [section] nor option = value",
        "config.ini:17: [node] stands a second time; the first is on line 6",
    ]
    assert any(":9: [rule:head_stoled]: there is no rule" in p for p in found)


def test_nothing_to_watch_is_a_mistake() -> None:
    """A file without node, log and endpoint is refused with the cure."""
    assert "there is nothing to watch" in problems("[keeper]\nrole = A\n")[0]


def test_names_of_subjects_differ_and_a_node_needs_a_source() -> None:
    """Two subjects of one name and a node without log and api are named with their lines."""
    found = problems("[node:x]\nproducer = a\n[log:x]\nlog = file:/x\npattern.p = boom\n")
    assert any("config.ini:1: [node:x]: give it a log, an api, or both" in p for p in found)
    assert any("config.ini:3: [log:x]: there is a [node:x] already" in p for p in found)


def test_who_asks_less_often_than_a_rule_wants_answers_is_told() -> None:
    """A healthy node would raise an alert between two questions."""
    found = problems("[node]\napi = http://127.0.0.1:8888\napi_interval = 5s\n")
    assert found == [
        "config.ini:3: [node:node] api_interval: 5s is too long; ask more often, or raise window of [rule:http_down], "
        "which wants an answer within 5s"
    ]
    slow = "[endpoint:shop]\nurl = http://127.0.0.1:80/\ninterval = 1m\n"
    assert problems(slow)[0].startswith("config.ini:3: [endpoint:shop] interval: 60s is too long")
    assert parse(f"{slow}[rule:endpoint_failing]\nwindow = 150s\n", "config.ini", {}).endpoints[0].interval == 60


def test_secrets_come_from_the_environment_and_from_files_and_are_never_shown(tmp_path: Path) -> None:
    """${ENV} and file: are resolved; neither repr nor problem shows the value; what is missing is named."""
    (tmp_path / "token").write_text("s3cret\n")
    text = f"[node]\napi = http://x\n[webhook:a]\nurl = http://h/${{PATHPART}}\nsecret = file:{tmp_path}/token\n"
    settings = parse(text, "config.ini", {"PATHPART": "hook"})
    assert settings.webhooks[0].url == "http://h/hook"
    assert settings.webhooks[0].secret == "s3cret"
    assert "s3cret" not in repr(settings)
    assert "the environment has no PATHPART" in problems(text)[0]
    assert "cannot be read" in problems(text.replace("/token", "/nothing"), {"PATHPART": "x"})[0]


def test_credentials_of_an_address_are_not_shown_in_problems() -> None:
    """A wrong address with a password in it is quoted without the password."""
    assert "hunter2" not in problems("[node]\napi = ftp://me:hunter2@host/\n")[0]


@pytest.mark.parametrize("pattern", ["(a)\\1", "(?=x)y", "(unclosed"])
def test_patterns_that_cannot_run_in_linear_time_are_refused(pattern: str) -> None:
    """A pattern RE2 cannot do is a mistake with its line, not a hang at three in the morning."""
    found = problems(f"[log:app]\nlog = file:/x\npattern.bad = {pattern}\n")
    assert found[0].startswith("config.ini:3: [log:app] pattern.bad: ")


def test_unreadable_binary_and_huge_files_say_what_they_are(tmp_path: Path) -> None:
    """Errors of the file itself name the file and the reason."""
    missing = tmp_path / "none.ini"
    binary = tmp_path / "binary.ini"
    binary.write_bytes(b"[node]\n\xff\xfe\n")
    huge = tmp_path / "huge.ini"
    huge.write_bytes(b"#" * (2 << 20))
    for path, said in ((missing, "No such file"), (binary, ":2: byte 7 is not UTF-8"), (huge, "no configuration")):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert said in str(caught.value)


def test_ini_keeps_lines_continuations_and_comments() -> None:
    """Values continue on indented lines, comments end at the line, a ; inside a word is not one."""
    ini = read_ini("# c\n[a]\nx = 1 ; one\ny = p;q\n  more ; c\nz =\n\n; c\n[b]\n")
    assert [(e.line, e.option, e.value) for e in ini.entries] == [(3, "x", "1"), (4, "y", "p;q\nmore"), (6, "z", "")]
    assert [(h.line, h.section) for h in ini.headings] == [(2, "a"), (9, "b")]
