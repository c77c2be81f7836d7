"""[failover]: what is unsafe is refused with its place and cure; what is safe becomes terms."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.config import parse
from keeper.errors import ConfigError
from keeper.failover.plan import cluster_of, fingerprint, notes, promise_of, terms_of

NODE = "[node]\nproducer = eosstore\nlog = file:/var/log/nodeos.log\napi = http://127.0.0.1:8888\n"
LEASE = "[failover]\nlease = etcd:http://10.0.0.1:2379, http://10.0.0.2:2379\nkill = systemd:nodeos.service\n"


def text(failover: str = LEASE, node: str = NODE, role: str = "B") -> str:
    return f"[keeper]\nname = tokyo-1\nrole = {role}\n{node}{failover}"


def problem(*args: str, **kwargs: str) -> str:
    """The only one."""
    with pytest.raises(ConfigError) as caught:
        parse(text(*args, **kwargs), "config.ini", {})
    [only] = caught.value.problems
    return only


def test_what_is_configured_becomes_terms() -> None:
    """Windows and patience follow the role, where they are not given."""
    settings = parse(text(), "config.ini", {})
    terms = terms_of(settings)
    assert (terms.host, terms.role, terms.lease, terms.killer) == ("tokyo-1", "B", True, True)
    assert (terms.windows, terms.vacant) == (1, 2.0)
    assert settings.failover is not None
    assert settings.failover.lease == ("http://10.0.0.1:2379", "http://10.0.0.2:2379")
    assert cluster_of(settings) == "eosstore"
    assert terms_of(parse(text(role="C"), "c", {})).windows == 2
    without = terms_of(parse(text("[failover]\n"), "c", {}))
    assert (without.lease, without.windows) == (False, 2)
    assert promise_of(terms).startswith("at most one node")
    assert promise_of(without).startswith("best effort")


def test_hosts_agree_in_the_fingerprint_when_they_agree_about_the_lease() -> None:
    """Names, roles and scripts may differ; timing and producer may not."""
    own = fingerprint(parse(text(), "c", {}))
    assert fingerprint(parse(text(LEASE + "cool_down = 5s\nreturns = ask\n", role="A"), "c", {})) == own
    assert fingerprint(parse(text(LEASE + "ttl = 20s\n"), "c", {})) != own
    assert fingerprint(parse(text(node=NODE.replace("eosstore", "other")), "c", {})) != own


@pytest.mark.parametrize(
    ("failover", "wanted"),
    [
        ("ttl = 9s\n", "config.ini:11: [failover] ttl: renew + 2*request_timeout + act_within + margin = 12s is more"),
        ("pause_within = 4s\n", "pause_within + kill_within + 2*tick = 8s is more than act_within = 6s"),
        (
            "pause_within = 1s\n",
            "[failover] pause_within: pause_within = 1s is too short: a pause is believed 1s after",
        ),
        ("renew = 300ms\n", "the lease cannot be renewed more often than once a tick"),
        ("api = https://127.0.0.1:8888\n", "the producer API must be on this host and without TLS"),
        ("api = http://other.example:8888\n", "keeper must run beside the node it pauses"),
        ("api = http://192.0.2.1:8888\n", "http://192.0.2.1:8888 is not on this host"),
        ("node = nobody\n", "there is no [node:nobody]; known with a producer are: node"),
        ("username = keeper\n", "username: it needs a password"),
        ("pre_takeover = /no/such/script\n", "pre_takeover: /no/such/script cannot be looked at"),
        ("takeover = script:relative\n", "'script:relative' is neither api nor script:/path"),
        ("lease_ = none\n", "there is no such option"),
        ("node_config = /no/such/file\n", "/no/such/file cannot be read"),
    ],
)
def test_an_unsafe_configuration_with_a_lease_is_refused(failover: str, wanted: str) -> None:
    """The sentence says what does not fit; the place is the option's line where it has one."""
    assert wanted in problem(LEASE + failover)


@pytest.mark.parametrize(
    ("failover", "wanted"),
    [
        ("[failover]\nlease = etcd:http://10.0.0.1:2379\n", "with a lease there must be a kill command"),
        ("[failover]\nlease = zookeeper:x\n", "write none, or etcd:http://HOST:2379"),
        ("[failover]\nlease = etcd:\n", "write none, or etcd:http://HOST:2379"),
        ("[failover]\nkill = nodeos\n", "is no way to end a node: write systemd:UNIT"),
        ("[failover]\nwindows = 1\n", "without a lease role B must listen for at least 2 windows of ours"),
        ("[failover]\nreturns = return\n", "a planned switch needs a lease"),
        ("[failover:two]\n", "this section has no name; write [failover]"),
    ],
)
def test_what_else_is_refused(failover: str, wanted: str) -> None:
    assert wanted in problem(failover)


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        (NODE.replace("producer = eosstore\n", ""), "no [node] has a producer"),
        (NODE.replace("log = file:/var/log/nodeos.log\n", ""), "failover needs the node's log"),
        (NODE.replace("api = http://127.0.0.1:8888\n", ""), "failover needs the node's producer API"),
        (NODE + NODE.replace("[node]", "[node:two]"), "say which of these is handed over: node, two"),
    ],
)
def test_a_node_that_cannot_be_handed_over_is_refused(node: str, wanted: str) -> None:
    assert wanted in problem(node=node)


def test_the_nodes_own_configuration_is_looked_at(tmp_path: Path) -> None:
    """A node that starts un-paused, without key, name or API could not keep the promise."""
    config = tmp_path / "config.ini"
    config.write_text("# nothing\nenable-stale-production = true\n")
    with pytest.raises(ConfigError) as caught:
        parse(text(f"{LEASE}node_config = {config}\n"), "config.ini", {})
    said = "\n".join(caught.value.problems)
    for lacks in ("pause-on-startup", "producer-name = eosstore", "signature-provider", "producer_api_plugin"):
        assert lacks in said
    assert "the node would produce on a chain it has lost" in said
    config.write_text(
        "plugin = eosio::producer_api_plugin\nproducer-name = eosstore\nsignature-provider = EOS6=KEY:5K\n"
        "pause-on-startup = true\n"
    )
    parse(text(f"{LEASE}node_config = {config}\n"), "config.ini", {})


def test_a_folder_whose_name_is_too_long_for_the_guards_socket_is_refused() -> None:
    """Only with a lease there is a guard."""
    long = text().replace("role = B\n", f"role = B\nstate_dir = /{'x' * 100}\n")
    with pytest.raises(ConfigError, match="state_dir: too long for a lease"):
        parse(long, "config.ini", {})
    parse(long.replace("lease = etcd", "# lease = etcd"), "config.ini", {})


def test_what_is_no_mistake_is_noted() -> None:
    """The promise in words, an etcd that must not lose a member, a node nobody looked at."""
    said = "\n".join(notes(parse(text(), "c", {})))
    assert "promises: at most one node" in said
    assert "while one of the two is away nobody can take over" in said
    assert "whether the node starts paused is not checked" in said
    assert list(notes(parse(text(""), "c", {}))) == []


def test_a_script_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """As it would be refused when it has to run."""
    script = tmp_path / "takeover"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o777)
    assert "can be written by others; chmod go-w" in problem(f"{LEASE}takeover = script:{script}\n")
