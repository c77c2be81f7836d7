"""From the configuration to what a host may do, and why a configuration must not be used."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

from keeper.actions.brief_http import read_address
from keeper.actions.trust import why_not_trusted
from keeper.errors import KeeperError
from keeper.failover.lease import Timing
from keeper.failover.terms import VACANT_WITH_LEASE, WINDOWS_WITH_LEASE, WINDOWS_WITHOUT, Terms
from keeper.settings import FailoverSettings, NodeSettings, Settings

HOOKS = ("pre_takeover", "post_takeover", "pre_step_down", "post_step_down")
LONGEST_PLACE = 90  # bytes of a folder's path: a socket's may have 107
MAX_NODE_CONFIG = 1 << 20  # bytes
# What two hosts must not have different ideas of, or the promise is none.
SHARED = ("ttl", "renew", "request_timeout", "act_within", "margin", "pause_within", "kill_within", "tick", "clear")

Unsafe = tuple[str, str, str]
"""Section, option (may be empty), sentence."""


def node_of(settings: Settings) -> NodeSettings | None:
    """The node that is handed over; None when it is not clear which."""
    if settings.failover is None:
        return None
    if settings.failover.node:
        return next((node for node in settings.nodes if node.name == settings.failover.node), None)
    found = [node for node in settings.nodes if node.producer and node.role in ("", settings.keeper.role)]
    return found[0] if len(found) == 1 else None


def cluster_of(settings: Settings) -> str:
    """What the lease is about, the same on all hosts."""
    node = node_of(settings)
    if settings.failover is not None and settings.failover.cluster:
        return settings.failover.cluster
    return "+".join(sorted(node.producer)) if node is not None else ""


def api_of(failover: FailoverSettings, node: NodeSettings) -> str:
    return failover.api or node.api


def terms_of(settings: Settings) -> Terms:
    """What this host may do and when. For settings without `why_unsafe`."""
    failover, node = settings.failover, node_of(settings)
    if failover is None or node is None:
        raise KeeperError("there is no [failover] section, or no node to hand over")
    role = node.role or settings.keeper.role
    lease = bool(failover.lease)
    by_role = WINDOWS_WITH_LEASE if lease else WINDOWS_WITHOUT
    return Terms(
        host=settings.keeper.name,
        role=role,
        lease=lease,
        windows=failover.windows or by_role.get(role, 1),
        vacant=failover.vacant or VACANT_WITH_LEASE.get(role, 10.0),
        timing=Timing(failover.ttl, failover.renew, failover.request_timeout, failover.act_within, failover.margin),
        behind=failover.behind,
        flat=failover.flat,
        ill=failover.ill,
        cool_down=failover.cool_down,
        fuse=failover.fuse,
        hook=bool(failover.pre_takeover),
        hook_within=failover.script_timeout,
        pause_within=failover.pause_within,
        kill_within=failover.kill_within,
        killer=bool(failover.kill),
        settle=max(failover.settle, failover.script_timeout) if failover.takeover else failover.settle,
        tick=failover.tick,
        returns=failover.returns,
        healthy=failover.healthy,
        clear=failover.clear,
    )


def fingerprint(settings: Settings) -> str:
    """The same on hosts whose ideas of the lease and of who we are agree; sixteen hex digits."""
    failover, node = settings.failover, node_of(settings)
    if failover is None or node is None:
        return ""
    said = {name: getattr(failover, name) for name in SHARED}
    said |= {"cluster": cluster_of(settings), "producers": sorted(node.producer)}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def promise_of(terms: Terms) -> str:
    """The promise in one sentence, for all who look."""
    if terms.lease:
        return (
            "at most one node with the key is un-paused at any time, as long as clocks run at nearly the same rate and "
            "nodes start paused"
        )
    return (
        "best effort: it listens before it acts; when the network falls apart two hosts may sign until one hears the "
        "other"
    )


def why_unsafe(settings: Settings) -> Iterator[Unsafe]:
    """Everything about [failover] that cannot be used as it stands."""
    failover = settings.failover
    if failover is None:
        return
    node = node_of(settings)
    if node is None:
        yield "failover", "node", _which_node(settings, failover)
        return
    yield from _node_lacks(failover, node)
    yield from _terms_lack(settings, failover)
    yield from _scripts_lack(failover)
    if failover.lease and len(settings.keeper.state_dir.encode()) > LONGEST_PLACE:
        why = f"{LONGEST_PLACE} bytes are the most: the guard listens on a socket in it"
        yield "keeper", "state_dir", f"[keeper] state_dir: too long for a lease; {why}"
    if failover.node_config:
        for sentence in why_not_a_standby(Path(failover.node_config), node.producer):
            yield "failover", "node_config", f"[failover] node_config: {sentence}"
    if failover.username and not failover.password:
        yield "failover", "username", "[failover] username: it needs a password, such as file:/etc/keeper/etcd"


def notes(settings: Settings) -> Iterator[str]:
    """What is no mistake, and should be known before the night in which it matters."""
    failover = settings.failover
    if failover is None:
        return
    terms = terms_of(settings)
    yield f"[failover] promises: {promise_of(terms)}"
    members = len(failover.lease)
    if members in (1, 2):
        lost = "it" if members == 1 else "one of the two"
        yield f"[failover] lease: while {lost} is away nobody can take over and who produces stops; name three members"
    if terms.role in "ABC" and not failover.node_config:
        yield "[failover] node_config is not given: whether the node starts paused is not checked"


def _which_node(settings: Settings, failover: FailoverSettings) -> str:
    names = ", ".join(node.name for node in settings.nodes if node.producer) or "none"
    if failover.node:
        return f"[failover] node: there is no [node:{failover.node}]; known with a producer are: {names}"
    if names == "none":
        return "[failover]: no [node] has a producer; write producer = ACCOUNT there"
    return f"[failover] node: say which of these is handed over: {names}"


def _node_lacks(failover: FailoverSettings, node: NodeSettings) -> Iterator[Unsafe]:
    here = f"node:{node.name}"
    text = api_of(failover, node)
    if not node.producer:
        yield here, "producer", f"[{here}]: failover needs its producer; write producer = ACCOUNT"
    if not node.log:
        yield here, "log", f"[{here}]: failover needs the node's log to see who signs; write log = file:/path"
    if not text:
        yield here, "api", f"[{here}]: failover needs the node's producer API; write api = http://127.0.0.1:8888"
        return
    try:
        address = read_address(text)
    except ValueError as error:
        yield "failover", "api", f"[failover] api: {error}; the producer API must be on this host and without TLS"
        return
    if address.host and not _is_here(address.host):
        cure = "keeper must run beside the node it pauses: write http://127.0.0.1:PORT or unix:/path"
        yield "failover", "api", f"[failover] api: {address.shown} is not on this host; {cure}"


def _is_here(host: str) -> bool:
    """Whether it is an address of this host: only such can be listened on. Names are not looked up, they may change."""
    if host == "localhost":
        return True
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            socket.inet_pton(family, host)
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def _terms_lack(settings: Settings, failover: FailoverSettings) -> Iterator[Unsafe]:
    terms = terms_of(settings)
    if terms.role == "F":
        return
    if why := terms.why_not():
        option = "kill" if not terms.killer else "ttl" if "ttl" in why else "act_within"
        option = "pause_within" if "too short" in why else option
        yield "failover", option, f"[failover] {option}: {why}"
    if failover.renew < failover.tick:
        yield "failover", "renew", "[failover] renew: the lease cannot be renewed more often than once a tick"
    if not terms.lease and failover.windows and failover.windows < WINDOWS_WITHOUT.get(terms.role, 1):
        yield (
            "failover",
            "windows",
            f"[failover] windows: without a lease role {terms.role} must listen for at least "
            f"{WINDOWS_WITHOUT[terms.role]} windows of ours, or two hosts would take over at once",
        )
    if not terms.lease and failover.returns == "return":
        yield "failover", "returns", "[failover] returns: a planned switch needs a lease; write returns = ask or stay"
    room = failover.ttl - failover.margin - failover.act_within - failover.renew
    if failover.takeover and terms.lease and failover.script_timeout > room:
        why = f"the takeover script may run longer than the lease leaves for it ({room:g}s)"
        yield "failover", "script_timeout", f"[failover] script_timeout: {why}"


def _scripts_lack(failover: FailoverSettings) -> Iterator[Unsafe]:
    named = {name: getattr(failover, name) for name in (*HOOKS, "takeover", "step_down")}
    kind, _, path = failover.kill.partition(":")
    if kind == "script":
        named["kill"] = path
    for name, script in named.items():
        if script and (why := why_not_trusted(Path(script))):
            yield "failover", name, f"[failover] {name}: {why}"


def why_not_a_standby(path: Path, producers: tuple[str, ...]) -> Iterator[str]:
    """What a node's config.ini lacks for a node that is handed over."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_NODE_CONFIG).decode("utf-8", "replace")
    except OSError as error:
        yield f"{path} cannot be read: {error.strerror}"
        return
    options: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("#")[0].partition("=")
        if equals:
            options.setdefault(key.strip(), []).append(value.strip())
    if options.get("pause-on-startup", [""])[-1] not in ("true", "1"):
        yield f"{path} lacks `pause-on-startup = true`: after a restart the node would produce without the right to"
    missing = sorted(set(producers) - set(options.get("producer-name", [])))
    if missing:
        yield f"{path} lacks `producer-name = {missing[0]}`: the node could not produce"
    if not options.get("signature-provider"):
        yield f"{path} has no `signature-provider`: the node has no key to sign with"
    if not any("producer_api_plugin" in value for value in options.get("plugin", [])):
        yield f"{path} lacks `plugin = eosio::producer_api_plugin`: the node could not be paused"
    if options.get("enable-stale-production", [""])[-1] in ("true", "1"):
        yield f"{path} has `enable-stale-production = true`: the node would produce on a chain it has lost"
