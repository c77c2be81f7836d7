"""A statistics agent loses packets in front of a real keeper: after the outage the server has each of them, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.delivery.live_agent import LiveAgent, Name
from tests.delivery.statistics_server import IDL, StatisticsServer, identity
from tests.notifiers.receiver import Answer, Request
from tests.peers import free_port
from tests.peers.alertmanager import Alertmanager
from tests.peers.ask import eventually, get
from tests.scenarios.keeper_process import KeeperProcess

AGENT = """
[agent:stats]
log = file:{log}
url = http://127.0.0.1:{port}
idl = {idl}
lookback = 1MiB
connect_timeout = 2s
request_timeout = 5s
answer_within = 5s
recovered_packets = 10
recovered_for = 1s
rest = 1s
slow = 20
{more}
"""


ALERTS = """
[rule:delivery_outage]
window = 5s
recover = 3s
[alertmanager]
urls = {url}
interval = {interval:g}s
"""


class Site:
    """The agent, its server and a keeper. `accepted` are the names of the packets that were answered with 200."""

    def __init__(self, directory: Path, seed: int, more: str = "") -> None:
        self.log = directory / "statistic.log"
        self.port = free_port()
        self.accepted: Counter[Name] = Counter()
        self.agent = LiveAgent(self.log, self.port, seed)
        settings = AGENT.format(log=self.log, port=self.port, idl=IDL, more=more)
        self.keeper = KeeperProcess(directory / "keeper", "game-1", settings)

    @contextmanager
    def server(self, status: int = 200) -> Iterator[StatisticsServer]:
        """A server that takes every packet, or refuses every one with another status."""

        def answer(request: Request) -> Answer:
            if status == 200:
                self.accepted[identity(request)] += 1
            return Answer(status)

        with StatisticsServer(answer, port=self.port) as server:
            yield server

    def stand(self, stand: str) -> float:
        return self.keeper.metric("keeper_packets_undelivered", agent="stats", stand=stand)

    def await_recovery(self, deadline: float) -> None:
        """Wait until nothing is due or open any more. The agent stops when nothing is due: it is the proof of life."""

        def settled(*stands: str) -> bool:
            delivery = self.keeper.subject("stats")["delivery"]
            return not any(delivery[stand] for stand in stands)

        eventually(lambda: settled("due", "resending"), "everything to be delivered", deadline)
        self.agent.stop()
        eventually(lambda: settled("due", "open", "resending"), "the last answers", deadline)


@pytest.mark.parametrize("outage", [20, pytest.param(120, marks=pytest.mark.soak)])
def test_what_an_outage_lost_is_delivered_once(
    tmp_path: Path, seed: int, new_alertmanager: Callable[..., Alertmanager], outage: float
) -> None:
    """The server is away; meanwhile the log is rotated and keeper killed with -9. In the end it has each packet once,
    and a person was told of the outage and of its end, once."""
    alertmanager = new_alertmanager()
    # Four intervals must be longer than keeper is away, or Alertmanager takes the alert for over.
    site = Site(tmp_path, seed, ALERTS.format(url=alertmanager.url, interval=max(3, outage / 15)))

    def pass_by(share: float, what: str) -> None:
        """Let a share of the outage pass, by what the agent sent."""
        eventually(lambda: len(site.agent.sent) > begun + outage * share / 0.06, what, outage * 3)

    def told(alert: str) -> list[str]:
        return [one.status for one in alertmanager.inbox.notified() if one.labels["alertname"] == alert]

    with site.agent, site.keeper:
        with site.server() as server:
            server.wait_count(20)
            eventually(lambda: site.stand("due") == 0, "what was lost before the server came", 20)
        begun = len(site.agent.sent)
        pass_by(1 / 3, "a third of the outage")
        site.agent.rotate(tmp_path / "statistic.log.1")
        pass_by(1 / 2, "half of the outage")
        assert site.stand("due") > 10
        eventually(lambda: told("KeeperDeliveryOutage"), "the alert", 20)
        site.keeper.kill()
        pass_by(2 / 3, "keeper to miss some")
        site.keeper.start()
        pass_by(1, "the end of the outage")
        lost = len(site.agent.sent) - begun
        due = eventually(lambda: site.stand("due") > lost * 0.9 and site.stand("due"), "all that was lost", 10)
        page = get(f"http://{site.keeper.address}/").text
        assert "not sent again: the server took 0 of 10 live packets in a row" in page
        assert "no packet was accepted for" in page
        with site.server():
            eventually(lambda: site.stand("due") < due, "packets to be sent again", 20)
            site.await_recovery(60)
            eventually(lambda: "resolved" in told("KeeperDeliveryOutage"), "the end of the alert", 30)
        assert Counter(site.agent.sent) == site.accepted, "each packet, once"
        assert site.keeper.metric("keeper_resend_packets_total", agent="stats", result="accepted") >= lost * 0.9
        assert "sending again came through" in site.keeper.command("history", "--json").stdout
        assert told("KeeperDeliveryOutage") == ["firing", "resolved"]


def test_killed_while_it_sends_again_nothing_is_sent_twice_that_is_held(tmp_path: Path, seed: int) -> None:
    """What was under way when keeper was killed may have arrived: with `hold` it waits for a person."""
    site = Site(tmp_path, seed, "unknown_outcome = hold")
    with site.agent, site.keeper:
        with site.server() as server:
            server.wait_count(20)
        with site.server(500) as server:
            server.wait_count(150)
        with site.server() as server:
            again = '"stats/'
            for resent in (20, 60):
                server.wait_for(
                    lambda got: sum(one.headers["Idempotency-Key"].startswith(again) for one in got) >= resent,  # noqa: B023
                    "packets sent again", 40,
                )  # fmt: skip
                site.keeper.kill()
                site.keeper.start()
            delivered = "keeper_packets_delivered_total"
            eventually(lambda: site.keeper.metric(delivered, agent="stats") >= 10, "live packets to be a proof", 20)
            site.await_recovery(60)
        held = site.stand("held")
        assert max(site.accepted.values()) == 1, "no packet twice"
        missing = set(site.agent.sent) - set(site.accepted)
        assert len(missing) <= held <= 16 + len(missing)
        assert site.stand("refused") == 0


def test_what_is_sent_by_hand_beside_the_daemon_is_settled_in_it(tmp_path: Path, seed: int) -> None:
    """With `hold` a person decides: the commands that the epilogue shows, while the daemon runs and the agent sends."""
    site = Site(tmp_path, seed, "unknown_outcome = hold")
    with site.agent, site.keeper:
        with site.server() as server:
            server.wait_count(5)
        eventually(lambda: site.stand("held") >= 10, "packets that the agent heard no answer to", 20)
        with site.server() as server:
            server.wait_count(60)  # three seconds: what was lost before is stored by now
            folder = tmp_path / "held"
            shown = site.keeper.command("undelivered", "--agent", "stats", "--stand", "held", "-o", str(folder))
            assert shown.returncode == 0, shown.stderr
            held = site.stand("held")
            sent = site.keeper.command("resend", str(folder), "--agent", "stats", "--unknown", "resend")
            assert sent.returncode == 0, sent.stdout + sent.stderr
            eventually(lambda: site.stand("held") == 0, "the daemon to look at the ledger", 20)
            site.await_recovery(20)
        assert held >= 10
        assert Counter(site.agent.sent) == site.accepted, "each packet, once"
        assert site.keeper.subject("stats")["delivery"]["why_not"] == "nothing is owed"
        eventually(lambda: site.keeper.command("undelivered", "--json").stdout == "", "that to be stored", 10)
