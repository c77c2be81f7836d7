"""The example for Alertmanager is accepted by amtool, and alerts go where its comments say."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from keeper.core.notice import Origin, trial, watchdog
from tests.deploy.files import ALERTMANAGER
from tests.peers.alertmanager import Alertmanager, amtool
from tests.peers.ask import post_json
from tests.peers.inbox import Inbox

ORIGIN = Origin("tokyo-1", "A", "", "", "", "")


def route(**labels: str) -> str:
    """The receivers amtool names for an alert with these labels."""
    wanted = [f"{name}={value}" for name, value in labels.items()]
    answer = amtool("config", "routes", "test", f"--config.file={ALERTMANAGER}", *wanted)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_the_example_is_accepted() -> None:
    """amtool finds no fault in it, and it has routes, inhibitions and receivers."""
    checked = amtool("check-config", str(ALERTMANAGER))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 inhibit rules" in checked.stdout


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (dict(watchdog(ORIGIN, 0).labels), "dead-mans-switch-tokyo-1"),
        ({**watchdog(ORIGIN, 0).labels, "keeper": "not-listed"}, "nobody"),
        ({"alertname": "KeeperOwnSilent", "severity": "critical", "node": "a"}, "pager,chat"),
        ({"alertname": "KeeperDown", "severity": "critical", "keeper": "tokyo-1"}, "pager,chat"),
        ({"alertname": "KeeperPeersLow", "severity": "warning", "node": "a"}, "chat"),
        (dict(trial(ORIGIN, 0).labels), "chat"),
        ({"alertname": "SomebodyElses"}, "chat"),
    ],
    ids=["watchdog", "a keeper without a switch", "critical", "from Prometheus", "warning", "test-alert", "unknown"],
)
def test_alerts_go_where_the_comments_say(labels: dict[str, str], receivers: str) -> None:
    """The life sign goes to its dead man's switch and nowhere else; severity decides about the rest."""
    assert route(**labels) == receivers


def test_a_critical_alert_holds_back_the_warnings_of_its_node_only(
    new_alertmanager: Callable[..., Alertmanager],
) -> None:
    """In a real Alertmanager with the example: the switch is pinged, the pager and the chat are told of the critical
    alert, the warning of the same node is held back and that of another node is told."""
    with Inbox() as inbox:
        text = re.sub(r"https://(\w+)\.example\.org/", rf"{inbox.url}\1/", ALERTMANAGER.read_text())
        alertmanager = new_alertmanager(configuration=text.replace("group_wait: 5s", "group_wait: 1s"))
        post_json(
            f"{alertmanager.url}/api/v2/alerts",
            [
                {"labels": dict(watchdog(ORIGIN, 0).labels)},
                {"labels": {"alertname": "KeeperOwnSilent", "severity": "critical", "keeper": "tokyo-1", "node": "a"}},
                {"labels": {"alertname": "KeeperPeersLow", "severity": "warning", "keeper": "osaka-1", "node": "a"}},
                {"labels": {"alertname": "KeeperPeersLow", "severity": "warning", "keeper": "tokyo-1", "node": "b"}},
            ],
        )
        inbox.wait_for(lambda inbox: len(told(inbox)) >= 4, "the ping and three notifications")
    assert sorted(told(inbox)) == [
        ("/chat/alerts", "KeeperOwnSilent", "a"),
        ("/chat/alerts", "KeeperPeersLow", "b"),
        ("/pager/alerts", "KeeperOwnSilent", "a"),
        ("/switch/ping/tokyo-1", "KeeperWatchdog", ""),
    ]
    [held] = alertmanager.alerts(keeper="osaka-1")
    assert held["status"]["state"] == "suppressed"


def told(inbox: Inbox) -> list[tuple[str, str, str]]:
    """(path, alertname, node) of every alert in every notification."""
    return [
        (letter.path, alert["labels"]["alertname"], alert["labels"].get("node", ""))
        for letter in inbox.received()
        for alert in letter.body["alerts"]
    ]
