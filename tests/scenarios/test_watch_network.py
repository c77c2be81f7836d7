"""Faults on a real network, seen by two real Alertmanagers and a real Prometheus.

One installation for all tests of this file, in their order; each leaves it calm. A test asserts every alert that fires:
those it waits for, those it names as explained, and no other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.peers.network import OURS, Network
from tests.scenarios.scene import INTERVAL, SETTINGS, WATCHED, Scene

pytestmark = pytest.mark.timeout(300)

# Our producer's window may pass while its node is away: that is told apart from the fault itself, wherever it is seen.
OWN_MISSED = tuple(("own_missed", node) for node in WATCHED)
# Producers that were stopped forget how far they agreed: irreversibility begins anew with them, up to two rounds later.
LIB_STALLED = tuple(("lib_stalled", node) for node in WATCHED)


@pytest.fixture(scope="module")
def scene(testnet: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene(tmp_path_factory.mktemp("scene"), testnet) as scene:
        yield scene


@pytest.fixture(autouse=True)
def mended(scene: Scene) -> Iterator[None]:
    yield
    scene.mend()


def test_a_hanging_node_is_one_alert(scene: Scene) -> None:
    """nodeos stopped (SIGSTOP) for 20 s: its API is told to be silent, and nothing that only follows from that."""
    scene.await_calm()
    began = scene.mark(*OWN_MISSED)
    scene.network["A"].sigstop()
    reasons = scene.await_firing(("http_down", "A"), since=began, deadline=10)
    assert "no valid answer" in reasons["http_down", "A"]
    rules = {rule["rule"]: rule for rule in scene.keeper.subject("A")["rules"]}
    scene.eventually(lambda: ("A", "log_silent") in scene.keeper.failing(), "the log to be silent", 25)
    rules = {rule["rule"]: rule for rule in scene.keeper.subject("A")["rules"]}
    assert "this node, not the network" in rules["head_stalled"]["reason"]
    assert rules["head_stalled"]["held"] == "caused by http_down"
    scene.network["A"].sigcont()
    scene.await_resolved(("http_down", "A"), since=began, deadline=20)


def test_a_killed_node_is_told_and_so_is_its_return(scene: Scene) -> None:
    """kill -9, and started again: its API is down with the reason, then nodeos says that it starts."""
    scene.await_calm()
    began = scene.mark(*OWN_MISSED)
    scene.network["A"].kill()
    reasons = scene.await_firing(("http_down", "A"), since=began, deadline=10)
    assert "connection refused" in reasons["http_down", "A"]
    scene.network["A"].start()
    restarted = ("node_restarted", "A")
    scene.mark(restarted, *OWN_MISSED)
    began = time.monotonic()
    reasons = scene.await_resolved(("http_down", "A"), restarted, since=began, deadline=40)


def test_a_paused_producer_misses_its_windows_on_every_node(scene: Scene) -> None:
    """Production is paused: told of the node at once, and on all nodes within two seconds of the end of the window."""
    scene.await_calm()
    scene.own_window_ended()
    began = scene.mark()
    scene.network["A"].pause()
    paused = ("not_producing", "A")
    reasons = scene.await_firing(paused, since=began, deadline=8)
    assert "paused although its role is A" in reasons[paused]
    ended = scene.own_window_ended()
    ended += time.monotonic() - time.time()
    scene.mark()
    reasons = scene.await_firing(*OWN_MISSED, since=ended, deadline=10)
    for number in range(2):
        for told in scene.told(number):
            # keeper's own part; what Alertmanager needs to notify comes on top, most of the time milliseconds.
            assert told.at - ended < 3, told
    for entry in scene.journal("firing"):
        if entry["text"].startswith("own_missed"):
            assert datetime.fromisoformat(entry["at"]).timestamp() - (ended - time.monotonic() + time.time()) < 2
    assert all(f"{OURS} missed 12 of 12 blocks" in reason for reason in reasons.values())


def test_keeper_killed_while_alerts_fire_goes_on_with_them(scene: Scene) -> None:
    """kill -9 and a new start: nobody is told that they are over or begin again, and they began when they began."""
    alarms = (("not_producing", "A"), *OWN_MISSED)
    begun = {alarm: scene.active(scene.alertmanagers[0], alarm)[0]["startsAt"] for alarm in alarms}
    scene.mark()
    scene.keeper.kill()
    scene.keeper.start()
    # Had it lost them, Alertmanager would end them after four intervals.
    until = time.monotonic() + 4 * INTERVAL + 1
    scene.eventually(lambda: time.monotonic() > until, "four intervals to pass", 30)
    for am in scene.alertmanagers:
        assert {alarm: scene.active(am, alarm)[0]["startsAt"] for alarm in alarms} == begun
    assert [scene.told(number) for number in range(2)] == [[], []]
    assert scene.keeper.command("status").returncode == 3


def test_a_reload_loses_neither_memory_nor_alerts(scene: Scene) -> None:
    """SIGHUP: a bad file is refused with its reasons, a good one taken; what fires goes on firing, nothing blinks."""
    keeper = scene.keeper
    scene.mark()
    # What keeper has not seen yet since its last start changes by itself: what has settled may not.
    since = {rule["rule"]: rule["since"] for rule in keeper.subject("F")["rules"] if rule["state"] != "unknown"}
    assert {"http_down", "head_stalled", "lib_stalled"} <= since.keys()
    windows = len(keeper.subject("F")["windows"])
    seen = len(keeper.lines())
    keeper.configure(scene.settings("[rule:head_stalled]\nwindow = soon\n[rule:no_such_rule]\n"))
    keeper.reload()
    keeper.await_line("no_such_rule", seen)
    assert any("config=refused" in line and "soon" in line for line in keeper.lines()[seen:])
    scene.eventually(lambda: keeper.metric("keeper_config_last_reload_successful") == 0, "the refusal in /metrics", 5)

    keeper.configure(scene.settings(f"{SETTINGS}\n[rule:head_stalled]\nwindow = 9s"))
    seen = len(keeper.lines())
    keeper.reload()
    keeper.await_line("config=taken", seen)
    scene.eventually(lambda: keeper.metric("keeper_config_last_reload_successful") == 1, "it in /metrics", 5)
    assert since.items() <= {rule["rule"]: rule["since"] for rule in keeper.subject("F")["rules"]}.items()
    assert len(keeper.subject("F")["windows"]) >= windows
    assert [scene.told(number) for number in range(2)] == [[], []]


def test_a_producer_that_goes_on_ends_its_alerts(scene: Scene) -> None:
    """Resumed: its own word at once, and after the next whole window all is well on all nodes."""
    began = scene.mark()
    scene.network["A"].resume()
    reasons = scene.await_resolved(("not_producing", "A"), *OWN_MISSED, since=began, deadline=180)
    assert all(f"{OURS} signed 12 of 12" in reasons[alarm] for alarm in OWN_MISSED)


@pytest.mark.parametrize("outage", [20, pytest.param(60, marks=pytest.mark.soak)])
def test_an_alertmanager_that_was_away_is_told_what_it_missed(scene: Scene, outage: float) -> None:
    """One is stopped while an alert fires; that one ends, another begins. Back again it is told of both, the other one
    of everything at once."""
    away, there = scene.alertmanagers[1], 0
    ended, begun = ("http_down", "F"), ("http_down", "C")
    scene.await_calm()
    began = scene.mark(*OWN_MISSED)
    scene.network["F"].sigstop()
    scene.await_firing(ended, since=began, deadline=10)
    away.stop()
    stopped = time.monotonic()
    scene.network["F"].sigcont()
    scene.await_told("resolved", [ended], began, 25, numbers=[there])
    scene.mark(begun, *OWN_MISSED)
    scene.network["C"].sigstop()
    scene.await_told("firing", [begun], began, 10, numbers=[there])
    scene.eventually(lambda: time.monotonic() - stopped > outage, "the outage to last", outage + 5)
    assert scene.keeper.metric("keeper_alert_push_failures_total", target=away.url) > 0
    trial = scene.keeper.command("test-alert")
    assert trial.returncode == 1
    assert f"{scene.alertmanagers[0].url}: took it" in trial.stdout
    assert f"{away.url}: connection refused" in trial.stdout

    back = time.monotonic()
    away.start()
    scene.await_told("firing", [begun], back, 15, numbers=[1])
    scene.await_told("resolved", [ended], back, 15, numbers=[1])
    scene.network["C"].sigcont()
    scene.await_resolved(begun, since=time.monotonic(), deadline=25)


def test_a_silence_holds_back_what_begins_and_ends_by_itself(scene: Scene) -> None:
    """A failure during a silence is shown and not sent; what still fails when the silence is over is sent then."""
    alarm = ("http_down", "C")
    scene.await_calm()
    began = scene.mark(*OWN_MISSED)
    silence = scene.keeper.command("silence", "--for", "12s", "--why", "new kernel", "--subject", "C")
    assert silence.returncode == 0, silence.stderr
    scene.network["C"].sigstop()
    held = scene.eventually(lambda: scene.keeper.status()["alerts"], "a held alert", 10)
    assert [(one["subject"], one["rule"], one["phase"]) for one in held] == [("C", "http_down", "pending")]
    assert "new kernel" in held[0]["held"]
    assert "new kernel" in scene.keeper.command("silence", "--list").stdout
    assert [scene.told(number) for number in range(2)] == [[], []]
    scene.await_firing(alarm, since=began, deadline=15)
    assert time.monotonic() - began > 11
    scene.network["C"].sigcont()
    scene.await_resolved(alarm, since=began, deadline=25)


def test_a_keeper_that_stood_still_distrusts_itself(scene: Scene) -> None:
    """keeper itself hangs for 5 s: it says so of itself and of nothing else, although all its answers are old."""
    scene.await_calm()
    began = scene.mark()
    scene.keeper.hang()
    scene.eventually(lambda: time.monotonic() - began > 5, "5 s to pass", 6)
    scene.keeper.wake()
    late = ("self_late", "")
    reasons = scene.await_firing(late, since=began, deadline=10)
    assert "stood still" in reasons[late]
    scene.await_resolved(late, since=began, deadline=25)


def test_an_orderly_stop_saves_the_positions(scene: Scene) -> None:
    """SIGTERM ends it within 5 s; started again it reads each line that came meanwhile, and no line twice."""
    keeper, node = scene.keeper, scene.network["F"]
    scene.await_calm()
    scene.mark()

    def lines() -> int:
        return node.log.read_bytes().count(b"\n")

    def read() -> float:
        return keeper.metric("keeper_source_lines_total", subject="F")

    def all_is_read() -> bool:
        seen = keeper.metric("keeper_source_last_event_timestamp_seconds", subject="F", source="log")
        return seen >= node.log.stat().st_mtime

    node.sigstop()  # for less than http_down's 5 s
    scene.eventually(all_is_read, "the last line to be read", 3)
    assert keeper.stop(deadline=5) == 0
    assert keeper.command("status").returncode == 1
    before = lines()
    node.sigcont()
    scene.eventually(lambda: lines() >= before + 6, "lines that nobody reads", 10)
    keeper.start()
    for more in (0, 4):
        now = lines()
        scene.eventually(lambda now=now, more=more: lines() >= now + more, "more lines", 10)  # type: ignore[misc]
        node.sigstop()
        scene.eventually(lambda: read() >= lines() - before, "them to be read", 3)
        assert read() == lines() - before
        node.sigcont()
    assert [scene.told(number) for number in range(2)] == [[], []]


def test_a_dead_network_is_told_as_the_network(scene: Scene) -> None:
    """The node that runs all other producers is stopped: the head stands still on all nodes, and none blames itself."""
    stalled = tuple(("head_stalled", node) for node in WATCHED)
    scene.await_calm()
    scene.await_sight()
    scene.own_window_ended()  # ours would go on by itself in its next window
    began = scene.mark()
    scene.network["net"].stop()
    reasons = scene.await_firing(*stalled, since=began, deadline=20)
    assert all("the network" in reason and "this node" not in reason for reason in reasons.values()), reasons
    scene.network["net"].start("--enable-stale-production")
    scene.mark(*LIB_STALLED, *OWN_MISSED)
    scene.await_resolved(*stalled, since=time.monotonic(), deadline=60)


@pytest.mark.soak
def test_an_island_that_moves_in_its_own_turns_only_does_not_flap(scene: Scene) -> None:
    """With all others gone for 100 s our producer signs its window in each round: the head moves and stands still by
    turns, and each node tells of it once."""
    stalled = tuple(("head_stalled", node) for node in WATCHED)
    scene.await_calm()
    scene.await_sight()
    began = scene.mark()
    scene.network["net"].stop()
    scene.await_firing(*stalled, since=began, deadline=30)
    scene.eventually(lambda: time.monotonic() - began > 100, "100 s to pass", 110)
    assert [sorted(told.alarm for told in scene.told(number)) for number in range(2)] == [sorted(stalled)] * 2
    scene.mark(*LIB_STALLED, *OWN_MISSED)
    scene.network["net"].start("--enable-stale-production")
    scene.await_calm(180)


def test_a_producer_that_signs_twice_is_seen_by_those_who_watch(scene: Scene) -> None:
    """B produces beside A, with other transactions: C and F see two blocks in one slot."""
    twice = tuple(("double_production", node) for node in "CF")
    # Who of them follows the branch that is left stands still until the other one is longer, and misses its blocks.
    uncertain = ("double_production", "fork", "own_missed", "lib_stalled", "head_lag", "head_stalled", "blocks_silent")
    aside = [(rule, node) for node in WATCHED for rule in uncertain]
    began = scene.mark(*aside)
    scene.network["B"].resume()

    def seen() -> bool:
        scene.network.touch("A")
        return {("F", "double_production"), ("C", "double_production")} <= scene.keeper.failing()

    scene.eventually(seen, "two blocks in one slot", 2 * scene.network.round_seconds)
    scene.network["B"].pause()
    reasons = scene.await_firing(*twice, since=began, deadline=10)
    assert all("two other nodes sign as us" in reason for reason in reasons.values()), reasons
    scene.await_resolved(*twice, since=began, deadline=60)


def test_in_the_end_the_accounts_are_even(scene: Scene) -> None:
    """All is well, all channels work, and over all faults each Alertmanager was told of every incident exactly twice:
    that it began and that it is over."""
    scene.await_calm()
    status = scene.keeper.command("status")
    assert status.returncode == 0, status.stdout
    trial = scene.keeper.command("test-alert")
    assert trial.returncode == 0, trial.stdout
    scene.eventually(
        lambda: all(am.inbox.notified(alertname="KeeperTest") for am in scene.alertmanagers), "the test alerts", 10
    )
    scene.check_accounts()
