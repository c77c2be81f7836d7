"""A whole installation on one machine: the Antelope network, a keeper that watches four of its nodes, two real
Alertmanagers whose notifications are kept, and a Prometheus that scrapes keeper."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from keeper.core.notice import alertname
from keeper.core.slots import CHAIN_EPOCH, WINDOW_SECONDS
from keeper.rules.table import RULES
from tests.peers.alertmanager import Alertmanager
from tests.peers.ask import answers, eventually
from tests.peers.network import OURS, Network
from tests.peers.prometheus import Prometheus
from tests.scenarios.keeper_process import KeeperProcess

Answer = TypeVar("Answer")
Alarm = tuple[str, str]  # rule and node; the node is empty where the alert is about keeper itself

WATCHED = ("A", "B", "C", "F")
NAMES = {alertname(rule): rule for rule in RULES}  # the watchdog and tests are not among them
INTERVAL = 3  # seconds until Alertmanager is told again; what is not repeated for four of them is over
KNOWN = frozenset({"KeeperWatchdog", "KeeperTest"})

# The rules about what lasts have their defaults. Those about what happened remember it for a shorter time, so that one
# fault does not reach into the next.
SETTINGS = """
[rule:peers_low]
min = 2
[rule:few_producers]
producers = 4
[rule:own_missed]
recover = 3s
[rule:not_producing]
recover = 3s
[rule:node_restarted]
window = 10s
recover = 3s
[rule:fork]
window = 15s
recover = 3s
[rule:missed_blocks]
window = 60s
recover = 3s
[rule:double_production]
window = 15s
recover = 3s
[rule:self_late]
window = 10s
recover = 3s
"""


class Told(NamedTuple):
    """One notification of one Alertmanager. `at` is on the monotonic clock."""

    at: float
    status: str
    alarm: Alarm
    reason: str


class Scene:
    """All of it. `mark()` begins a fault: what is told from then on is what it led to."""

    def __init__(self, directory: Path, network: Network) -> None:
        self.network = network
        self.alertmanagers = [Alertmanager(directory / f"alertmanager-{n}") for n in range(2)]
        self._directory = directory
        self._stack = ExitStack()
        self._marks = [0, 0]
        self._explained: set[Alarm] = set()

    def __enter__(self) -> Self:
        self.network.reset()
        for alertmanager in self.alertmanagers:
            self._stack.enter_context(alertmanager)
        self.keeper = self._stack.enter_context(
            KeeperProcess(self._directory / "keeper", "tokyo-1", self.settings(), "role = A")
        )
        self.prometheus = self._stack.enter_context(Prometheus(self._directory / "prometheus", [self.keeper.address]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def settings(self, rules: str = SETTINGS) -> str:
        """The configuration but for `[keeper]`: each node with its role, the other nodes as its references."""
        parts = []
        for name in WATCHED:
            node = self.network[name]
            references = ", ".join(other.http_url for other in self.network.nodes.values() if other is not node)
            parts.append(
                f"[node:{name}]\nrole = {name}\nproducer = {OURS}\nlog = file:{node.log}\n"
                f"api = {node.http_url}\nreference_apis = {references}\n"
            )
        urls = ", ".join(alertmanager.url for alertmanager in self.alertmanagers)
        return "\n".join([*parts, f"[alertmanager]\nurls = {urls}\ninterval = {INTERVAL}s\n", rules])

    def mend(self) -> None:
        """Undo what a test that failed left: hanging nodes, stopped Alertmanagers, no keeper."""
        for node in self.network.nodes.values():
            if node.running():
                node.sigcont()
        for alertmanager in self.alertmanagers:
            if not answers(f"{alertmanager.url}/-/ready"):
                alertmanager.start()
        if self.keeper.running():
            self.keeper.wake()
        else:
            self.keeper.start()

    # -- waiting -----------------------------------------------------------------------------------------------------

    def eventually(self, question: Callable[[], Answer], what: str, deadline: float) -> Answer:
        """As the peers' `eventually`, with the end of keeper's log in the message."""
        try:
            return eventually(question, what, deadline)
        except AssertionError as error:
            told = "\n".join(f"{number}: {one}" for number in range(2) for one in self.told(number))
            raise AssertionError(f"{error}\n{told}\n{self.keeper.tail()}") from None

    def await_calm(self, deadline: float = 90.0) -> None:
        """Wait until no rule fails and no alert stands, then begin anew with what is told."""
        self.eventually(lambda: not self.keeper.failing() and not self.keeper.status()["alerts"], "calm", deadline)
        self.eventually(
            lambda: all({a["labels"]["alertname"] for a in am.alerts()} <= KNOWN for am in self.alertmanagers),
            "calm Alertmanagers",
            30,
        )

    def own_window_ended(self) -> float:
        """Wait for the end of our producer's window; return that moment, Unix time."""
        end = self.next_own_window() + WINDOW_SECONDS
        self.eventually(lambda: time.time() >= end, "the end of our window", self.network.round_seconds + 5)
        return end

    def next_own_window(self) -> float:
        """When the window of ours that is not over yet begins, Unix time."""
        order = self.network.producers
        window = int((time.time() - CHAIN_EPOCH) / WINDOW_SECONDS)
        while order[window % len(order)] != OURS:
            window += 1
        return CHAIN_EPOCH + window * WINDOW_SECONDS

    # -- what was told -----------------------------------------------------------------------------------------------

    def await_sight(self, deadline: float = 30.0) -> None:
        """Wait until keeper sees all nodes well, so that the next fault is told from its beginning."""
        rules = ("http_down", "head_stalled", "head_lag", "log_silent", "few_producers")
        self.eventually(
            lambda: all(self.keeper.states().get((node, rule)) == "ok" for node in WATCHED for rule in rules),
            "keeper to see all nodes",
            deadline,
        )

    def mark(self, *explained: Alarm) -> float:
        """From here on tell what is new. `explained` may fire too, besides what is waited for. Monotonic time."""
        self._marks = [len(alertmanager.inbox.notified()) for alertmanager in self.alertmanagers]
        self._explained = set(explained)
        return time.monotonic()

    def told(self, number: int, everything: bool = False) -> list[Told]:
        """What Alertmanager `number` notified since the mark, or ever, but for the watchdog and tests."""
        notified = self.alertmanagers[number].inbox.notified()[0 if everything else self._marks[number] :]
        return [
            Told(one.at, one.status, (NAMES[name], one.labels.get("node", "")), one.annotations["reason"])
            for one in notified
            if (name := one.labels["alertname"]) in NAMES
        ]

    def await_told(
        self, status: str, alarms: Iterable[Alarm], since: float, deadline: float, numbers: Collection[int] = (0, 1)
    ) -> dict[Alarm, str]:
        """Wait until these Alertmanagers have notified `status` of all alarms since the mark, each exactly once; the
        reasons. Prints how long after `since` (monotonic) the first of them heard of it."""
        wanted = set(alarms)
        self.eventually(
            lambda: all(wanted <= {one.alarm for one in self.told(n) if one.status == status} for n in numbers),
            f"{sorted(wanted)} to be {status}",
            deadline,
        )
        reasons = {}
        for number in numbers:
            heard = [told for told in self.told(number) if told.status == status and told.alarm in wanted]
            for alarm, times in Counter(told.alarm for told in heard).items():
                assert times == 1, f"Alertmanager {number} told {times} times that {alarm} is {status}: {heard}"
            for told in heard:
                print(f"{told.at - since:6.2f} s: {number} {status} {told.alarm}: {told.reason}")
                reasons[told.alarm] = told.reason
        self.nothing_else(wanted)
        return reasons

    def await_firing(self, *alarms: Alarm, since: float, deadline: float) -> dict[Alarm, str]:
        """Wait until both Alertmanagers have told of all of these, have them active since the same moment, and
        Prometheus has seen the rules fail; the reasons."""
        reasons = self.await_told("firing", alarms, since, deadline)
        for rule, node in alarms:
            begun = {one["startsAt"] for am in self.alertmanagers for one in self.active(am, (rule, node))}
            assert len(begun) == 1, f"{rule} on {node} fires since {begun}"
            series = f'keeper_rule_state{{subject="{node or "keeper"}",rule="{rule}",state="failing"}}'
            self.prometheus.wait_for(f"max_over_time({series}[20s]) == 1", deadline=10)
        return reasons

    def await_resolved(self, *alarms: Alarm, since: float, deadline: float) -> dict[Alarm, str]:
        """Wait until both Alertmanagers have told that these are over, and do not have them any more."""
        reasons = self.await_told("resolved", alarms, since, deadline)
        for am in self.alertmanagers:
            assert not [one for alarm in alarms for one in self.active(am, alarm)]
        for rule, node in alarms:
            series = f'keeper_rule_state{{subject="{node or "keeper"}",rule="{rule}",state="failing"}}'
            self.prometheus.wait_for(f"{series} == 0", deadline=10)
        return reasons

    def active(self, alertmanager: Alertmanager, alarm: Alarm) -> list[dict[str, Any]]:
        """What `/api/v2/alerts` says of one alarm."""
        labels = {"alertname": alertname(alarm[0])} | ({"node": alarm[1]} if alarm[1] else {})
        return alertmanager.alerts(**labels)

    def nothing_else(self, alarms: Iterable[Alarm]) -> None:
        """Nothing fired since the mark but these and what was said to be explained."""
        fired = {told.alarm for number in range(2) for told in self.told(number) if told.status == "firing"}
        surplus = fired - set(alarms) - self._explained
        assert not surplus, f"{sorted(surplus)} fired too\n{self.told(0)}\n{self.keeper.tail()}"

    def journal(self, *kinds: str) -> list[dict[str, Any]]:
        """What `keeper history` has of these kinds."""
        words = [word for kind in kinds for word in ("--kind", kind)]
        history = self.keeper.command("history", "--json", "--limit", "100000", *words)
        assert history.returncode == 0, history.stderr
        return [json.loads(line) for line in history.stdout.splitlines()]

    def check_accounts(self) -> None:
        """Over the whole run each Alertmanager told of each incident in the journal once that it fires and once that it
        is over, in turns."""
        entries = [(_alarm(entry), entry) for entry in self.journal("firing", "resolved")]
        journal: dict[Alarm, list[str]] = {}
        for alarm, entry in entries:
            journal.setdefault(alarm, []).append(entry["kind"])

        def told(number: int) -> dict[Alarm, list[str]]:
            statuses: dict[Alarm, list[str]] = {}
            for one in self.told(number, everything=True):
                statuses.setdefault(one.alarm, []).append(one.status)
            return statuses

        for number in range(2):
            # What is over leaves /api/v2/alerts at once; Alertmanager notifies of it up to a group interval later.
            with suppress(AssertionError):
                eventually(lambda number=number: told(number) == journal, "even accounts", 10)  # type: ignore[misc]
            heard = told(number)
            differing = {alarm for alarm in journal.keys() | heard.keys() if journal.get(alarm) != heard.get(alarm)}
            assert not differing, f"Alertmanager {number}:\n" + "\n".join(
                sorted(
                    [f"{entry['at']} journal {entry['kind']} {alarm}" for alarm, entry in entries if alarm in differing]
                    + [
                        f"{_wall(one.at)} told {one.status} {one.alarm}"
                        for one in self.told(number, everything=True)
                        if one.alarm in differing
                    ]
                )
            )
        for alarm, statuses in journal.items():
            assert len(statuses) % 2 == 0, f"{alarm} is not over"
            assert statuses == ["firing", "resolved"] * (len(statuses) // 2), f"{alarm}: {statuses}"


def _alarm(entry: dict[str, Any]) -> Alarm:
    """What an entry of the journal is about."""
    return entry["text"].partition(":")[0], entry["subject"].replace("keeper", "")


def _wall(at: float) -> str:
    """A moment on the monotonic clock, as the journal writes moments."""
    return datetime.fromtimestamp(at - time.monotonic() + time.time(), UTC).isoformat()
