"""Reads config.ini into Settings, or says everything that is wrong with it: file, line, section, option, cure."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

from keeper.build import COLLECTORS, RECEIVER
from keeper.collectors.mistakes import mistakes
from keeper.collectors.settings import CollectorSettings, CollectorsSettings, why_not_type, why_not_variable
from keeper.core.ini import Entry, Heading, read_ini
from keeper.core.options import Option, options_of
from keeper.errors import ConfigError
from keeper.failover.plan import why_unsafe
from keeper.formats.patterns import check_pattern
from keeper.formats.pyrepr import NotAValue
from keeper.formats.pyrepr import parse as parse_value
from keeper.receiver.mistakes import mistakes as mistakes_of_receiver
from keeper.rules.metric import MetricRule
from keeper.rules.rule import Rule
from keeper.rules.table import RULES
from keeper.settings import (
    SECTIONS,
    AgentSettings,
    KeeperSettings,
    LogSettings,
    Settings,
    read_name,
)

MAX_CONFIG_BYTES = 1 << 20
MAX_SECRET_BYTES = 64 << 10
_ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAMED = ("log", "endpoint", "webhook", "agent", "collector", "source", "rule")  # sections that must have a name
_SINGLE = ("keeper", "alertmanager", "failover", "collectors", "opentsdb", "receiver")  # sections that have none
_DOTTED: dict[type, dict[str, str]] = {
    LogSettings: {"pattern": "pattern.NAME"},
    AgentSettings: {"method": "method.TYPE", "default": "default.STRUCT.FIELD"},
    CollectorsSettings: {"env": "env.NAME", "type": "type.METRIC"},
    CollectorSettings: {"env": "env.NAME"},
}
"""Options of which there may be any number, by the word before the first dot, and how to write them."""


Mistakes = Iterable[tuple[str, str, str]]
"""The section, the option (empty: the section itself) and a sentence, for each."""


def load(
    path: Path,
    environment: Mapping[str, str] | None = None,
    further: Callable[[Settings], Mistakes] = lambda settings: (),
) -> Settings:
    """Read and check the file. Raises ConfigError with every problem in it, in the order of its lines. `further` finds
    more of them in settings that are good by themselves."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    if len(raw) > MAX_CONFIG_BYTES:
        raise ConfigError([f"{path}: {len(raw)} bytes are no configuration; the most is {MAX_CONFIG_BYTES}"])
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: byte {error.start} is not UTF-8; save the file as UTF-8"]) from error
    return parse(text, str(path), os.environ if environment is None else environment, further)


def parse(
    text: str,
    where: str,
    environment: Mapping[str, str],
    further: Callable[[Settings], Mistakes] = lambda settings: (),
) -> Settings:
    """The same from text. `where` is the file's name for the messages."""
    reading = _Reading(text, where, environment)
    settings = reading.settings()
    if not reading.problems:
        reading.found(further(settings))
    if reading.problems:
        raise ConfigError([sentence for _, sentence in sorted(reading.problems, key=lambda p: p[0])])
    return settings


class _Reading:
    """One pass over the file; problems are collected, so that one run shows them all."""

    def __init__(self, text: str, where: str, environment: Mapping[str, str]) -> None:
        self.where = where
        self.environment = environment
        self.problems: list[tuple[int, str]] = []
        ini = read_ini(text)
        for line, sentence in ini.problems:
            self.wrong(line, sentence)
        self.sections: dict[str, tuple[Heading, list[Entry]]] = {}
        for heading in ini.headings:
            if heading.section in self.sections:
                first = self.sections[heading.section][0].line
                self.wrong(heading.line, f"[{heading.section}] stands a second time; the first is on line {first}")
            else:
                self.sections[heading.section] = (heading, [])
        for entry in ini.entries:
            self.sections[entry.section][1].append(entry)

    def wrong(self, line: int, sentence: str) -> None:
        self.problems.append((line, f"{self.where}:{line}: {sentence}" if line else f"{self.where}: {sentence}"))

    def settings(self) -> Settings:
        found: dict[str, dict[str, Any]] = {kind: {} for kind in (*SECTIONS, "rule")}
        for section, (heading, entries) in self.sections.items():
            kind, name = self.kind_and_name(section, heading.line)
            if kind == "rule" and name:
                rule = RULES.get(name)
                if rule is not None:
                    found["rule"][name] = self.section(rule, section, heading, entries, {})
                elif any(entry.option == "metric" for entry in entries):
                    found["rule"][name] = self.section(MetricRule, section, heading, entries, {"name": name})
                else:
                    said = f"there is no rule {name!r}{_meant(name, RULES)}; one of your own needs metric = ..."
                    self.wrong(heading.line, f"[{section}]: {said}")
            elif kind:
                fixed: dict[str, Any] = {} if kind in _SINGLE else {"name": name or kind}
                found[kind][name] = self.section(SECTIONS[kind], section, heading, entries, fixed)
        rules: dict[str, Rule] = {name: found["rule"].get(name) or made() for name, made in RULES.items()}
        rules |= {name: rule for name, rule in found["rule"].items() if name not in RULES and rule is not None}
        settings = Settings(
            keeper=found["keeper"].get("") or KeeperSettings(name=KeeperSettings.host_name()),
            nodes=tuple(n for n in found["node"].values() if n),
            logs=tuple(n for n in found["log"].values() if n),
            endpoints=tuple(n for n in found["endpoint"].values() if n),
            rules=rules,
            alertmanager=found["alertmanager"].get(""),
            webhooks=tuple(n for n in found["webhook"].values() if n),
            agents=tuple(n for n in found["agent"].values() if n),
            failover=found["failover"].get(""),
            collectors=found["collectors"].get(""),
            collector=tuple(one for one in found["collector"].values() if one),
            opentsdb=found["opentsdb"].get(""),
            receiver=found["receiver"].get(""),
            sources=tuple(one for one in found["source"].values() if one),
        )
        self.check(settings)
        return replace(settings, nodes=tuple(replace(n, role=n.role or settings.keeper.role) for n in settings.nodes))

    def kind_and_name(self, section: str, line: int) -> tuple[str, str]:
        kind, colon, name = section.partition(":")
        kinds = (*SECTIONS, "rule")
        if kind not in kinds:
            self.wrong(line, f"[{section}] is not a section keeper knows{_meant(kind, kinds)}")
            return "", ""
        if colon and kind in _SINGLE:
            self.wrong(line, f"[{section}]: this section has no name; write [{kind}]")
            return "", ""
        if kind in _NAMED and not name:
            self.wrong(line, f"[{section}] needs a name; write [{kind}:NAME]")
            return "", ""
        if name:
            try:
                read_name(name)
            except ValueError as error:
                self.wrong(line, f"[{section}]: {error}")
                return "", ""
        return kind, name

    def section(self, made: type, section: str, heading: Heading, entries: list[Entry], fixed: dict[str, Any]) -> Any:
        """One section as its settings class; None when something in it is wrong."""
        options = {option.key: option for option in options_of(made)}
        values = dict(fixed)
        seen: dict[str, int] = {}
        dotted = _DOTTED.get(made, {})
        given: dict[str, dict[str, Any]] = {word: {} for word in dotted}
        before = len(self.problems)
        for entry in entries:
            place = f"[{section}] {entry.option}"
            if entry.option in seen:
                self.wrong(entry.line, f"{place}: given a second time; the first is on line {seen[entry.option]}")
                continue
            seen[entry.option] = entry.line
            word, dot, name = entry.option.partition(".")
            if dot and word in dotted:
                self.dotted(word, name, entry, place, given[word])
            elif entry.option not in options:
                known = [*options, *dotted.values()]
                self.wrong(entry.line, f"{place}: there is no such option{_meant(entry.option, known)}")
            else:
                self.value(entry, options[entry.option], place, values)
        values |= {f"{word}s": found for word, found in given.items()}
        if made is LogSettings and not given["pattern"]:
            self.wrong(heading.line, f"[{section}]: nothing to look for; give it one pattern.NAME = REGEX or more")
        for option in options.values():
            if option.default is None and option.key not in seen:
                if made is KeeperSettings and option.key == "name":
                    values["name"] = KeeperSettings.host_name()
                else:
                    self.wrong(heading.line, f"[{section}]: {option.key} is missing ({option.meaning})")
        return made(**values) if len(self.problems) == before else None

    def value(self, entry: Entry, option: Option, place: str, values: dict[str, Any]) -> None:
        text = self.resolved(entry, place, option.secret)
        if text is None:
            return
        try:
            values[option.field] = option.read(text)
        except ValueError as error:
            said = "its value is not usable" if option.secret else str(error)
            self.wrong(entry.line, f"{place}: {said}")

    def resolved(self, entry: Entry, place: str, is_secret: bool) -> str | None:
        """Replace ${ENV}, and file:/path where a secret is asked for. None when that is not possible."""
        missing = [name for name in _ENV.findall(entry.value) if name not in self.environment]
        if missing:
            self.wrong(entry.line, f"{place}: the environment has no {', '.join(missing)}")
            return None
        text = _ENV.sub(lambda match: self.environment[match[1]], entry.value)
        if is_secret and text.startswith("file:"):
            path = Path(text[5:])
            try:
                with path.open("rb") as opened:
                    text = opened.read(MAX_SECRET_BYTES).decode().strip()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                self.wrong(entry.line, f"{place}: the file {path} cannot be read: {why}")
                return None
        return text

    def dotted(self, word: str, name: str, entry: Entry, place: str, found: dict[str, Any]) -> None:
        """One of `pattern.NAME`, `method.TYPE`, `default.STRUCT.FIELD`, `env.NAME`, `type.METRIC`."""
        if word in ("env", "type"):
            self.of_collectors(word, name, entry, place, found)
            return
        try:
            read_name(name)
        except ValueError as error:
            self.wrong(entry.line, f"{place}: {error}")
        found[name] = entry.value
        if word == "pattern" and (problem := check_pattern(entry.value)):
            self.wrong(entry.line, f"{place}: {problem}")
        elif word == "method" and not entry.value.isidentifier():
            self.wrong(entry.line, f"{place}: {entry.value!r} is not the name of a method")
        elif word == "default":
            if name.count(".") != 1:
                self.wrong(entry.line, f"{place}: write default.STRUCT.FIELD = VALUE")
            try:
                found[name] = parse_value(entry.value.encode())
            except NotAValue as error:
                self.wrong(entry.line, f"{place}: {entry.value!r} is not a value such as 0, 'text' or False: {error}")

    def of_collectors(self, word: str, name: str, entry: Entry, place: str, found: dict[str, Any]) -> None:
        problem = why_not_variable(name) if word == "env" else why_not_type(name, entry.value)
        if problem:
            self.wrong(entry.line, f"{place}: {problem}")
        if word == "type":
            found[name] = entry.value
        elif (text := self.resolved(entry, place, True)) is not None:
            found[name] = text

    def check(self, settings: Settings) -> None:
        """What only the whole file shows."""
        watches = (settings.nodes, settings.logs, settings.endpoints, settings.agents, settings.collectors)
        if not any((*watches, settings.receiver)) and not self.problems:
            self.wrong(0, "there is nothing to watch; add a [node] with log = file:/path and api = http://HOST:PORT")
        known: dict[str, str] = {}
        watched = [("node", n.name) for n in settings.nodes]
        watched += [("log", n.name) for n in settings.logs] + [("endpoint", n.name) for n in settings.endpoints]
        watched += [("agent", n.name) for n in settings.agents if n.log]
        ours = {COLLECTORS: settings.collectors, RECEIVER: settings.receiver}
        single = [name for name, section in ours.items() if section is not None]
        taken = {"keeper": "keeper itself", **{name: f"[{name}]" for name in single}}
        for kind, name in watched:
            line = self.line_of(kind, name)
            if name in taken:
                self.wrong(line, f"[{kind}:{name}]: the name {name} is taken by {taken[name]}")
            if name in known:
                self.wrong(line, f"[{kind}:{name}]: there is a [{known[name]}:{name}] already; names must differ")
            known[name] = kind
        for node in settings.nodes:
            if not node.log and not node.api:
                self.wrong(self.line_of("node", node.name), f"[node:{node.name}]: give it a log, an api, or both")
        self.check_intervals(settings)
        self.check_failover(settings)
        self.check_collectors(settings)
        self.check_receiver(settings)
        known |= dict(zip(single, single, strict=True))
        self.check_agents(settings)
        for name, rule in settings.rules.items():
            for subject in rule.subjects:
                if subject not in known:
                    line = self.line_of("rule", name)
                    self.wrong(line, f"[rule:{name}] subjects: nothing is called {subject!r}{_meant(subject, known)}")

    def check_agents(self, settings: Settings) -> None:
        for agent in settings.agents:
            if agent.wire == "thrift" and agent.url and not agent.idl:
                line = self.line_of("agent", agent.name)
                self.wrong(line, f"[agent:{agent.name}]: wire = thrift needs the site's idl; or write wire = json")
            if agent.confirm_source and not agent.confirm:
                line = self.line_of("agent", agent.name, "confirm_source")
                self.wrong(line, f"[agent:{agent.name}] confirm_source: it needs confirm, too")
            if agent.unknown_outcome == "ask" and (agent.script or not agent.confirm):
                what = "is not for a script" if agent.script else "needs confirm, the address of keeper's receiver"
                self.wrong(self.line_of("agent", agent.name), f"[agent:{agent.name}]: unknown_outcome = ask {what}")

    def check_failover(self, settings: Settings) -> None:
        if self.problems:
            return  # what is missing in it may be why it looks unsafe
        self.found(why_unsafe(settings))

    def check_collectors(self, settings: Settings) -> None:
        if settings.collectors is not None or "collectors" not in self.sections:  # else it is there, and wrong
            self.found(mistakes(settings))

    def check_receiver(self, settings: Settings) -> None:
        sections = sum(section.partition(":")[0] in (RECEIVER, "source") for section in self.sections)
        if sections == len(settings.sources) + (settings.receiver is not None):  # else one of them is there, and wrong
            self.found(mistakes_of_receiver(settings))

    def found(self, mistakes: Mistakes) -> None:
        for section, option, sentence in mistakes:
            kind, _, name = section.partition(":")
            self.wrong(self.line_of(kind, name, option), sentence)

    def check_intervals(self, settings: Settings) -> None:
        """Who asks less often than a rule wants answers would raise an alert over a healthy node."""
        asked = [("node", n.name, "api_interval", n.api_interval, "http_down") for n in settings.nodes if n.api]
        asked += [("endpoint", e.name, "interval", e.interval, "endpoint_failing") for e in settings.endpoints]
        for kind, name, option, interval, rule in asked:
            window = getattr(settings.rules[rule], "window", inf)
            if settings.rules[rule].enabled and interval >= window:
                cure = f"ask more often, or raise window of [rule:{rule}], which wants an answer within {window:g}s"
                self.wrong(
                    self.line_of(kind, name, option), f"[{kind}:{name}] {option}: {interval:g}s is too long; {cure}"
                )

    def line_of(self, kind: str, name: str, option: str = "") -> int:
        for section in (f"{kind}:{name}", kind):
            if section in self.sections:
                heading, entries = self.sections[section]
                return next((entry.line for entry in entries if entry.option == option), heading.line)
        return 0


def _meant(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}"
