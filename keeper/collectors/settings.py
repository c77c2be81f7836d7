"""The sections about collector scripts: [collectors], and [collector:NAME] for a single one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from keeper.collectors.launch import Care
from keeper.core.options import count, duration, flag, option, read_size

Pair = tuple[str, str]

LEAST_MEMORY = 16 << 20
TYPES = ("gauge", "counter")
SHIPPED = ("load", "memory", "disk", "network", "tcp", "process")
_TAG = re.compile(r"[-_./a-zA-Z0-9]+=[-_./a-zA-Z0-9]+")
_METRIC = re.compile(r"[-_./a-zA-Z0-9]+")
_LOGIN = re.compile(r"[a-z_][a-z0-9_-]{0,31}\$?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_folder(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError(f"{value!r} is not an absolute path")
    return value.rstrip("/") if value != "/" else value


def read_tags(value: str) -> tuple[Pair, ...]:
    """`name=value`, several with commas; no name twice."""
    tags: dict[str, str] = {}
    for word in (part.strip() for part in re.split(r"[,\n]", value)):
        if not word:
            continue
        if not _TAG.fullmatch(word):
            raise ValueError(f"{word!r} is no tag; write name=value with letters, digits and -_./")
        name, _, content = word.partition("=")
        if name in tags:
            raise ValueError(f"the tag {name} stands twice")
        tags[name] = content
    return tuple(tags.items())


def read_host(value: str) -> str:
    if value and not _METRIC.fullmatch(value):
        raise ValueError(f"{value!r} cannot be a tag's value; letters, digits and -_./ are allowed")
    return value


def read_shipped(value: str) -> tuple[str, ...]:
    """`load, memory, process:NAME`."""
    found = []
    for word in (part.strip() for part in re.split(r"[,\n]", value)):
        kind, colon, name = word.partition(":")
        if not word:
            continue
        if kind not in SHIPPED or (kind == "process") != bool(name) or (colon and not name):
            known = ", ".join(f"{one}:NAME" if one == "process" else one for one in SHIPPED)
            raise ValueError(f"{word!r} is no collector keeper has; known are {known}")
        found.append(word)
    return tuple(dict.fromkeys(found))


def read_user(value: str) -> str:
    if value and not _LOGIN.fullmatch(value):
        raise ValueError(f"{value!r} is no login name")
    return value


def read_nice(value: str) -> int:
    if not re.fullmatch(r"-?\d{1,2}", value) or not -20 <= int(value) <= 19:
        raise ValueError(f"{value!r} is not a niceness from -20 to 19")
    return int(value)


def read_cpu(value: str) -> int:
    if not re.fullmatch(r"\d{1,6}s?", value):
        raise ValueError(f"{value!r} is no whole number of seconds, such as 10s; 0 for no limit")
    return int(value.removesuffix("s"))


def read_memory(value: str) -> int:
    number = read_size(value)
    if 0 < number < LEAST_MEMORY:
        raise ValueError(f"{value} is too little for any script; the least is 16MiB, 0 is no limit")
    return number


@dataclass(frozen=True, kw_only=True)
class CareSettings:
    """What may be said of a single script and of all of them. `env.NAME = VALUE` is added to the environment."""

    user: str = option("", read_user, "login name it runs as; empty: keeper's own. Needs keeper to be root")
    memory: int = option("0", read_memory, "address space it may use; 0: no limit")
    cpu: int = option("0", read_cpu, "seconds of processor time a run may use; 0: no limit")
    nice: int = option("0", read_nice, "its niceness, 19 being the politest")
    silent: float = duration("0s", "how long a long-lived one may print nothing until it is restarted; 0s: ever")
    envs: Mapping[str, str] = field(default_factory=dict)

    def care(self) -> Care:
        return Care(self.user, self.memory, self.cpu, self.nice, self.silent, dict(self.envs))


@dataclass(frozen=True, kw_only=True)
class CollectorSettings(CareSettings):
    """[collector:NAME]: one script, by the name of its file. What [collectors] says of all does not hold for it."""

    name: str = ""


@dataclass(frozen=True, kw_only=True)
class CollectorsSettings(CareSettings):
    """[collectors]: the scripts of a folder, as tcollector runs them. `type.METRIC = counter` says what Prometheus
    shall take a metric for."""

    dir: str = option("", read_folder, "folder with <seconds>/<executable>; 0 seconds: long-lived")
    shipped: tuple[str, ...] = option("", read_shipped, "keeper's own: load, memory, disk, network, tcp, process:NAME")
    every: float = duration("15s", "how often keeper's own measure", minimum=1)
    host: str = option("", read_host, "the tag host of every point in OpenTSDB; empty: this host's name")
    tags: tuple[Pair, ...] = option("", read_tags, "more tags there: name=value, several with commas")
    stale: float = duration("5m", "how long a point of a long-lived script counts as known", minimum=10)
    max_series: int = count("1000", "series a script may have; more are rejected and counted", minimum=1)
    max_tags: int = count("8", "tags a point may have in OpenTSDB, host and tags included", minimum=1, maximum=64)
    statistics: bool = flag("yes", "send keeper's own statistics to OpenTSDB, under tcollector's names")
    types: Mapping[str, str] = field(default_factory=dict)


def why_not_variable(name: str) -> str:
    """Why it cannot be the name of an environment variable; empty when it can."""
    return "" if _VARIABLE.fullmatch(name) else f"{name!r} is no name of a variable; letters, digits and _ are allowed"


def why_not_type(metric: str, value: str) -> str:
    if not _METRIC.fullmatch(metric):
        return f"{metric!r} is no metric"
    return "" if value in TYPES else f"{value!r} is not one of {', '.join(TYPES)}"
