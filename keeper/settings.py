"""What can be configured: one frozen dataclass a section. The fields are the options, their defaults and meanings."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from keeper.actions.kill import read_kill
from keeper.collectors.settings import CollectorSettings, CollectorsSettings
from keeper.core.options import (
    choice,
    count,
    duration,
    factor,
    flag,
    names,
    number,
    option,
    read_url,
    secret,
    shown_url,
    size,
    text,
    url,
    urls,
)
from keeper.opentsdb.settings import OpentsdbSettings
from keeper.receiver.settings import CONFIRMED, ReceiverSettings, SourceSettings
from keeper.rules.rule import Rule

ROLES = ("A", "B", "C", "F")


def read_log(value: str) -> str:
    """`file:/path/or/glob` or `docker:CONTAINER`."""
    kind, colon, rest = value.partition(":")
    if kind == "file" and colon and rest.startswith("/"):
        return value
    if kind == "docker" and colon and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", rest):
        return value
    raise ValueError(f"{value!r} is not a log; write file:/absolute/path (a glob is fine) or docker:CONTAINER")


def read_listen(value: str) -> str:
    """`HOST:PORT`, `[v6]:PORT`."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})", value)
    if not match or int(match[2]) > 65535:
        raise ValueError(f"{value!r} is not an address to listen on; write HOST:PORT such as 127.0.0.1:9877")
    return value


def read_dir(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError(f"{value!r} is not an absolute path")
    return value


def read_script(value: str) -> str:
    return read_dir(value) if value else ""


def read_ca_file(value: str) -> str:
    return read_dir(value) if value else ""


def read_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", value):
        raise ValueError(f"{value!r} is not a name; use letters, digits, dot, dash and underscore")
    return value


def choice_or_empty(value: str, words: tuple[str, ...]) -> str:
    if value and value not in words:
        raise ValueError(f"{value!r} is not one of {', '.join(words)}")
    return value


@dataclass(frozen=True, kw_only=True)
class KeeperSettings:
    """[keeper]"""

    name: str = option(None, read_name, "this keeper's name in alerts and metrics; default: the host name")
    role: str = choice("F", ROLES, "A produces, B and C stand by with the key, F only watches")
    state_dir: str = option("/var/lib/keeper", read_dir, "where positions, alert states and the journal are kept")
    listen: str = option("127.0.0.1:9877", read_listen, "where the page, /metrics and the status are served")
    ring_events: int = count("4000", "events remembered of each kind and subject", minimum=100)
    ring_bytes: int = size("4MiB", "memory for the events of each kind and subject", minimum=65536)
    late: float = duration("2s", "how late keeper's own loop may be before verdicts are distrusted", minimum=0.5)
    clock_jump: float = duration("2s", "how far the clock may jump before verdicts are distrusted", minimum=0.5)
    log_level: str = choice("info", ("debug", "info", "warning", "error"), "what keeper itself logs to stderr")

    @staticmethod
    def host_name() -> str:
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:63].lstrip("-._")
        return name or "keeper"


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """[node] or [node:NAME]: an Antelope node. It needs a log, an api, or best both."""

    name: str = "node"
    producer: tuple[str, ...] = names("", "our producer account (several with commas); empty: the node only follows")
    role: str = option("", lambda v: choice_or_empty(v, ROLES), "role of this node; empty: the role of [keeper]")
    log: str = option("", lambda v: read_log(v) if v else "", "file:/path, a glob, or docker:CONTAINER")
    api: str = url("", "address of the node's HTTP API")
    reference_apis: tuple[str, ...] = urls("", "other people's nodes, to tell this node from the network")
    api_interval: float = duration("1s", "how often get_info is asked", minimum=0.2)
    api_timeout: float = duration("2s", "how long an answer may take", minimum=0.1)
    reference_interval: float = duration("3s", "how often the reference nodes are asked", minimum=0.5)
    ca_file: str = option("", read_ca_file, "certificates to trust for these addresses instead of the system's")
    window_grace: float = duration("1s", "how late a window's last block may come before it counts as missed")
    lookback: int = size("1MiB", "how much of the log is read at the very first start")


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """[log:NAME]: any other log, searched for named patterns: `pattern.NAME = REGEX` (RE2 syntax)."""

    name: str = ""
    log: str = option(None, read_log, "file:/path, a glob, or docker:CONTAINER")
    lookback: int = size("0", "how much of the log is read at the very first start")
    patterns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """[endpoint:NAME]: any HTTP endpoint: its status, and if wanted a field of its JSON answer."""

    name: str = ""
    url: str = url(None, "address that is asked")
    status: int = count("200", "the status a good answer has", minimum=100, maximum=599)
    field: str = text("", "JSON field to watch, such as result.height; empty: none")
    interval: float = duration("1s", "how often it is asked", minimum=0.2)
    timeout: float = duration("2s", "how long an answer may take", minimum=0.1)
    ca_file: str = option("", read_ca_file, "certificates to trust instead of the system's")
    changes_within: float = duration("0s", "the field must change within this time; 0s: it need not")
    least: float | None = number("", "the field must not be below this number")
    most: float | None = number("", "the field must not be above this number")


@dataclass(frozen=True, kw_only=True)
class AlertmanagerSettings:
    """[alertmanager]: every instance of the cluster is told, as its documentation asks."""

    urls: tuple[str, ...] = urls(None, "addresses of all Alertmanager instances, path prefix included")
    interval: float = duration("30s", "how often firing alerts are sent again", minimum=1)
    timeout: float = duration("5s", "how long one delivery may take", minimum=0.5)
    username: str = text("", "for basic authentication")
    password: str = secret("", "for basic authentication")
    token: str = secret("", "bearer token")
    ca_file: str = option("", read_ca_file, "certificates to trust instead of the system's")
    runbook_url: str = url("", "page that explains the rules; the rule's name is appended as #name")


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """[webhook:NAME]: each firing and each resolution is posted as JSON, in order."""

    name: str = ""
    url: str = url(None, "address that is posted to")
    timeout: float = duration("5s", "how long one delivery may take", minimum=0.5)
    secret: str = secret("", "key of the HMAC-SHA256 signature in X-Keeper-Signature; empty: none")


def read_confirm(value: str) -> str:
    """Where keeper's receiver is; which question it is asked is not for the configuration to say."""
    address = read_url(value) if value else ""
    parts = urlsplit(address)
    if parts.query or parts.fragment or parts.path.endswith(CONFIRMED):
        where = shown_url(urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix(CONFIRMED), "", "")))
        raise ValueError(f"it says more than where the receiver is; write {where.rstrip('/')}")
    return address


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """[agent:NAME]: a statistics agent, and the server to which what it lost is sent again. `method.TYPE = METHOD` is
    the method of a type, `default.STRUCT.FIELD = VALUE` (a Python literal) the value of a field that an event lacks."""

    name: str = ""
    url: str = url("", "address of the statistics server")
    wire: str = choice("thrift", ("thrift", "json"), "how packets are written: Thrift's binary protocol, or JSON")
    idl: str = option("", lambda v: read_dir(v) if v else "", "the site's .thrift file")
    ca_file: str = option("", read_ca_file, "certificates to trust instead of the system's")
    token: str = secret("", "bearer token for url and confirm, where they have no user and password")
    confirm: str = option("", read_confirm, "address of the receiver that says what it has; empty: none")
    confirm_source: str = option(
        "", lambda v: read_name(v) if v else "", "what the agent is called there; empty: what its credentials say"
    )
    skip: tuple[str, ...] = names("", "types that are never sent again")
    unknown_outcome: str = choice(
        "resend", ("resend", "hold", "if_deduplicates", "ask"), "what to do with packets the server may have accepted"
    )
    deduplicates: bool = flag("no", "the server stores a packet once, however often it comes")
    pacing: str = choice("adaptive", ("adaptive", "classic"), "how fast packets are sent again")
    in_flight: int = count(
        "8", "the most packets under way at once; classic never has more than 4", minimum=1, maximum=64
    )
    event_pause: float = duration("50ms", "how long classic rests for each event of a packet")
    connect_timeout: float = duration("60s", "how long connecting may take", minimum=0.1)
    request_timeout: float = duration("300s", "how long sending a packet and its answer may take", minimum=0.1)
    log: str = option("", lambda v: read_log(v) if v else "", "the agent's own log: file:/path, a glob, or docker:NAME")
    lookback: int = size("0", "how much of the log is read at the very first start")
    answer_within: float = duration("2m", "how long an answer may take before there is none", minimum=1)
    keep_packets: int = count("100000", "undelivered packets kept; the oldest fall out", minimum=1)
    keep_bytes: int = size("64MiB", "and what they may hold together", minimum=1 << 20)
    automatic: bool = flag("yes", "send them again by itself when the server takes packets again")
    recovered_packets: int = count("20", "so many live packets accepted in a row end an outage", minimum=1)
    recovered_for: float = duration("30s", "and they were accepted for so long")
    budget: int = count("20000", "the most packets sent again by itself in an hour", minimum=1)
    slow: float = factor("2", "live answers that take so many times the usual stop it")
    rest: float = duration("1m", "how long it rests after it was stopped; twice as long each further time", minimum=1)
    script: str = option("", read_script, "a program that sends them instead of keeper; it gets their folder")
    script_timeout: float = duration("1h", "how long that program may run", minimum=1)
    attempts: int = count("5", "how often one run sends a packet that is not accepted", minimum=1)
    give_up: float = duration("30m", "how long a run goes on when nothing is accepted", minimum=1)
    id_shift: int = count("100000000", "is added to the ids in the log of what was sent again", maximum=999_999_999)
    methods: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)


def read_lease(value: str) -> tuple[str, ...]:
    """`none`, or `etcd:` and the addresses of the cluster's members."""
    if value == "none":
        return ()
    kind, _, rest = value.partition(":")
    endpoints = tuple(read_url(part) for part in (p.strip() for p in rest.split(",")) if part) if kind == "etcd" else ()
    if not endpoints:
        raise ValueError(f"{value!r} is not a store of leases; write none, or etcd:http://HOST:2379, http://HOST2:2379")
    return endpoints


def read_kill_option(value: str) -> str:
    if value:
        read_kill(value, lambda: 0.0)
    return value


def read_way(value: str) -> str:
    """`api`, or `script:/path`: the path; empty for the API."""
    if value == "api":
        return ""
    kind, _, path = value.partition(":")
    if kind == "script" and path.startswith("/"):
        return path
    raise ValueError(f"{value!r} is neither api nor script:/path")


@dataclass(frozen=True, kw_only=True)
class FailoverSettings:
    """[failover]: hand the producing role over. Without this section keeper only watches."""

    lease: tuple[str, ...] = option("none", read_lease, "none, or etcd: and the addresses of its members, with commas")
    cluster: str = option("", lambda v: read_name(v) if v else "", "what the lease is about; empty: our producer")
    node: str = text("", "which [node:NAME] is handed over; empty: the one that has a producer")
    api: str = text("", "address of its producer API; empty: the api of the node")
    takeover: str = option("api", read_way, "how the node is resumed: api, or script:/path")
    step_down: str = option("api", read_way, "how the node is paused: api, or script:/path before the api")
    kill: str = option(
        "", read_kill_option, "how a node that does not pause is ended: systemd:, docker:, pidfile: or script:"
    )
    docker: str = text("", "address of the Docker engine for kill; empty: DOCKER_HOST or its usual socket")
    ttl: float = duration("15s", "how long the lease is good without being renewed", minimum=3)
    renew: float = duration("2s", "how often it is renewed", minimum=0.2)
    request_timeout: float = duration("1s", "how long the store may take to answer", minimum=0.1)
    act_within: float = duration("6s", "how long stopping the node may take, whatever hangs", minimum=2)
    margin: float = duration("2s", "what clocks of two hosts may differ by over one ttl", minimum=0.1)
    pause_within: float = duration("2s", "of act_within: for pausing the node and reading back", minimum=0.5)
    kill_within: float = duration("3s", "of act_within: for killing it and looking", minimum=0.5)
    tick: float = duration("500ms", "how often wanted and observed are compared", minimum=0.1)
    settle: float = duration("2s", "how long a resume may take until it is seen", minimum=0.5)
    windows: int = count("0", "windows of ours missed in a row until it takes over; 0: by its role", maximum=100)
    vacant: float = duration("0s", "or nobody has held the lease for so long; 0s: by its role")
    behind: float = duration("8s", "how old the head of a node that takes over may be", minimum=7)
    flat: float = duration("20s", "how long its LIB may have stood", minimum=1)
    ill: float = duration("10s", "how long a node that produces may be silent or behind", minimum=7)
    cool_down: float = duration("60s", "how long it rests after it took over or stepped down", minimum=1)
    fuse: int = count("3", "so many takeovers by itself within fuse_window, and then a person must look", minimum=1)
    fuse_window: float = duration("1d", "over how much time takeovers are counted", minimum=60)
    returns: str = choice("stay", ("stay", "return", "ask"), "what A does when it is fit again and another produces")
    healthy: int = count("3", "so many rounds it must have been fit", minimum=1, maximum=10_000)
    clear: float = duration("4s", "a planned switch begins no later than this before our window", minimum=2)
    pre_takeover: str = option("", read_script, "is asked before a takeover and may veto it")
    post_takeover: str = option("", read_script, "is told of a takeover")
    pre_step_down: str = option("", read_script, "is told of a step down while it happens")
    post_step_down: str = option("", read_script, "is told of a step down")
    script_timeout: float = duration("5s", "how long each of these may run", minimum=0.5)
    username: str = text("", "user of etcd")
    password: str = secret("", "and its password")
    ca_file: str = option("", read_ca_file, "certificates to trust for etcd instead of the system's")
    node_config: str = option("", read_script, "the node's config.ini, to check that it starts paused and has a key")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything, complete and checked: after start no key is ever missing."""

    keeper: KeeperSettings
    nodes: tuple[NodeSettings, ...]
    logs: tuple[LogSettings, ...]
    endpoints: tuple[EndpointSettings, ...]
    rules: Mapping[str, Rule]
    alertmanager: AlertmanagerSettings | None
    webhooks: tuple[WebhookSettings, ...]
    agents: tuple[AgentSettings, ...] = ()
    failover: FailoverSettings | None = None
    collectors: CollectorsSettings | None = None
    collector: tuple[CollectorSettings, ...] = ()
    opentsdb: OpentsdbSettings | None = None
    receiver: ReceiverSettings | None = None
    sources: tuple[SourceSettings, ...] = ()


SECTIONS: dict[str, Any] = {
    "keeper": KeeperSettings,
    "node": NodeSettings,
    "log": LogSettings,
    "endpoint": EndpointSettings,
    "alertmanager": AlertmanagerSettings,
    "webhook": WebhookSettings,
    "agent": AgentSettings,
    "failover": FailoverSettings,
    "collectors": CollectorsSettings,
    "collector": CollectorSettings,
    "opentsdb": OpentsdbSettings,
    "receiver": ReceiverSettings,
    "source": SourceSettings,
}
"""Sections by the word before the colon; `rule` is looked up in RULES, or is one of the site."""
