"""A statistics agent loses packets in front of a real keeper: after the outage the server has each of them, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.delivery.live_agent import LiveAgent, Name
from tests.delivery.statistics_server import IDL, StatisticsServer, identity
from tests.notifiers.receiver import Answer, Request
from tests.peers import free_port
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
        """Wait until nothing is due or open any more, the agent having stopped."""
        self.agent.stop()

        def settled() -> bool:
            return (
                not self.stand("due")
                and not self.stand("open")
                and not self.keeper.subject("stats")["delivery"]["resending"]
            )

        eventually(settled, "everything to be delivered", deadline)


@pytest.mark.parametrize("outage", [20, pytest.param(120, marks=pytest.mark.soak)])
def test_what_an_outage_lost_is_delivered_once(tmp_path: Path, seed: int, outage: float) -> None:
    """The server is away; meanwhile the log is rotated and keeper killed with -9. In the end it has each once."""
    site = Site(tmp_path, seed)
    with site.agent, site.keeper:
        with site.server() as server:
            server.wait_count(20)
        begun = len(site.agent.sent)
        eventually(lambda: len(site.agent.sent) > begun + outage / 3 / 0.06, "a third of the outage", outage * 3)
        site.agent.rotate(tmp_path / "statistic.log.1")
        eventually(lambda: len(site.agent.sent) > begun + outage / 2 / 0.06, "half of the outage", outage * 3)
        assert site.stand("due") > 10
        site.keeper.kill()
        eventually(lambda: len(site.agent.sent) > begun + outage / 1.5 / 0.06, "keeper to miss some", outage * 3)
        site.keeper.start()
        eventually(lambda: len(site.agent.sent) > begun + outage / 0.06, "the end of the outage", outage * 3)
        lost = len(site.agent.sent) - begun
        due = eventually(lambda: site.stand("due") > lost * 0.9 and site.stand("due"), "all that was lost", 10)
        page = get(f"http://{site.keeper.address}/").text
        assert "not sent again: the server took 0 of 10 live packets in a row" in page
        with site.server():
            eventually(
                lambda: site.keeper.metric("keeper_resend_active", agent="stats") or site.stand("due") < due, "it", 20
            )
            site.await_recovery(60)
        assert Counter(site.agent.sent) == site.accepted, "each packet, once"
        assert site.keeper.metric("keeper_resend_packets_total", agent="stats", result="accepted") >= lost * 0.9
        told = site.keeper.command("history", "--json").stdout
        assert "sending again came through" in told


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
            site.await_recovery(60)
        held = site.stand("held")
        assert max(site.accepted.values()) == 1, "no packet twice"
        missing = set(site.agent.sent) - set(site.accepted)
        assert len(missing) <= held <= 16 + len(missing)
        assert site.stand("refused") == 0
