"""peers_low, resources, node_restarted, exception_logged: what nodeos says of itself."""

from __future__ import annotations

import pytest

from keeper.core.event import (
    BlockRejected,
    LogException,
    NodeStarted,
    NodeStopped,
    PeerCount,
    ResourceWarned,
)
from keeper.rules.exception_logged import ExceptionLogged
from keeper.rules.node_restarted import NodeRestarted
from keeper.rules.peers_low import PeersLow
from keeper.rules.resources import Resources
from tests.rules.build import T0, Scene, said

ALWAYS = float("inf")


def log(*events: object) -> Scene:
    return Scene().sees("log", -600).take(events).sees("log", ALWAYS)  # type: ignore[arg-type]  # events


@pytest.mark.parametrize(
    ("clients", "peers", "said_of_it"),
    [
        (3, 2, ("ok", "connected to 5 peers")),
        (1, 2, ("failing", "connected to 3 peers; 5 are expected")),
        (0, 1, ("failing", "connected to 1 peer; 5 are expected")),
        (0, 0, ("failing", "connected to 0 peers; 5 are expected")),
    ],
)
def test_fewer_than_five_peers(clients: int, peers: int, said_of_it: tuple[str, str]) -> None:
    """Whoever opened the connection; the newest count holds for five minutes."""
    verdict = log(PeerCount(T0 - 30, 9, 9), PeerCount(T0, clients, peers)).verdict(PeersLow(), 299)
    assert said(verdict) == said_of_it
    assert (verdict.number, verdict.until) == (clients + peers, 300)


def test_an_old_count_of_peers_is_no_knowledge() -> None:
    """Neither is none."""
    assert said(log(PeerCount(T0, 9, 9)).verdict(PeersLow(), 300)) == ("unknown", "the number of peers is not known")
    assert said(log().verdict(PeersLow(), 0)) == ("unknown", "the number of peers is not known")
    assert said(Scene(sources=()).verdict(PeersLow(), 0)) == ("unknown", "neither a log nor an api is configured")


def test_a_warning_of_resources_counts_for_five_minutes() -> None:
    """nodeos repeats it every minute or so."""
    scene = log(ResourceWarned(T0, "disk", False, "Space usage warning: /data exceeded threshold 90%"))
    assert said(scene.verdict(Resources(), 300)) == (
        "failing",
        "nodeos runs short of disk, said at 20:36:00: Space usage warning: /data exceeded threshold 90%",
    )
    verdict = scene.verdict(Resources(), 300.1)
    assert (said(verdict), verdict.until) == (("ok", "nodeos warns of neither disk nor memory"), ALWAYS)


def test_a_stop_for_lack_of_resources_is_worse_than_a_warning() -> None:
    """Even if a warning follows it."""
    scene = log(
        ResourceWarned(T0, "memory", True, "Database has reached an unsafe level of usage, shutting down"),
        ResourceWarned(T0 + 1, "disk", False, "approaching threshold"),
    )
    assert said(scene.verdict(Resources(), 2)) == (
        "failing",
        "nodeos stops for lack of memory, said at 20:36:00: "
        "Database has reached an unsafe level of usage, shutting down",
    )


def test_a_start_counts_for_five_minutes() -> None:
    """With its version, and how often."""
    scene = log(NodeStarted(T0, "v4.1.0"))
    verdict = scene.verdict(NodeRestarted(), 12)
    assert (said(verdict), verdict.number) == (("failing", "nodeos started at 20:36:00 (v4.1.0)"), 12)
    assert said(scene.verdict(NodeRestarted(), 300))[0] == "failing"
    verdict = scene.verdict(NodeRestarted(), 300.1)
    assert (said(verdict), verdict.until) == (("ok", "nodeos neither started nor stopped"), ALWAYS)
    scene = log(NodeStarted(T0, ""), NodeStarted(T0 + 20, ""))
    assert said(scene.verdict(NodeRestarted(), 21)) == ("failing", "nodeos started at 20:36:20, 2 times in 5 min")


def test_a_stop_is_told_until_the_node_is_back() -> None:
    """Then the start is."""
    scene = log(NodeStarted(T0 - 200, "v4"), NodeStopped(T0, "nodeos successfully exiting"))
    assert said(scene.verdict(NodeRestarted(), 5)) == (
        "failing",
        "nodeos stopped at 20:36:00: nodeos successfully exiting",
    )
    assert said(scene.take(NodeStarted(T0 + 6, "v4")).verdict(NodeRestarted(), 6))[1].startswith("nodeos started")


def test_an_exception_nothing_explains_counts_for_a_minute() -> None:
    """One that comes with a refused block, a resource or the end of nodeos is told by those rules."""
    scene = log(LogException(T0, "3050003 eosio_assert_message_exception", ("line",)))
    verdict = scene.verdict(ExceptionLogged(), 60)
    assert said(verdict) == (
        "failing",
        "nodeos printed 1 exception in 1 min, last at 20:36:00: 3050003 eosio_assert_message_exception",
    )
    assert said(scene.verdict(ExceptionLogged(), 60.1))[0] == "ok"
    for other in (
        BlockRejected(T0 + 0.9, "unlinkable", 5, "x"),
        ResourceWarned(T0 - 0.9, "memory", True, "x"),
        NodeStopped(T0 + 1, "x"),
    ):
        told = log(LogException(T0, "3060101 database_guard_exception", ()), other)
        assert said(told.verdict(ExceptionLogged(), 2)) == ("ok", "no unexplained exception")


def test_exceptions_are_not_watched_unless_wanted() -> None:
    """Many nodes print harmless ones every day."""
    assert not ExceptionLogged().enabled
    assert ExceptionLogged().severity == "info"


@pytest.mark.parametrize("rule", [Resources(), NodeRestarted(), ExceptionLogged()], ids=lambda rule: rule.name)
def test_nothing_is_known_without_the_log(rule: Resources) -> None:
    """Not configured, or out of sight."""
    assert said(Scene(sources={"api"}).verdict(rule, 1)) == ("unknown", "no log is configured")
    assert said(Scene().sees("log", 0).verdict(rule, 6))[0] == "unknown"
