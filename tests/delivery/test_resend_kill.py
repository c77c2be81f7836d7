"""The resender is killed at any moment: what was acknowledged is never sent again, and everything arrives."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from random import Random, SystemRandom

import pytest

from keeper.delivery.appended import Unchanged
from keeper.delivery.ledger import Fate, Ledger
from tests.delivery.collection import packet, write
from tests.delivery.statistics_server import IDL, StatisticsServer
from tests.notifiers.receiver import Answer, Request

IN_FLIGHT = 4


def acknowledged(folder: Path) -> set[tuple[int, str]]:
    """What the ledger, as the killed process left it, says was delivered."""
    ledger = Ledger.open(folder, str, how=Unchanged)
    found = {name for name, fate in ledger.fates().items() if fate is Fate.DELIVERED}
    ledger.close()
    return found


def wait_for(server: StatisticsServer, want: int, child: subprocess.Popen[bytes]) -> None:
    server.wait_for(lambda got: len(got) >= want or child.poll() is not None, "packets")


@pytest.mark.parametrize("kills", [50, pytest.param(60, marks=pytest.mark.soak)])
def test_nothing_acknowledged_is_sent_twice_when_the_resender_is_killed(tmp_path: Path, kills: int) -> None:
    """kill -9 at random points, from the start of the process to the last answers; then one run to the end."""
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = Random(seed)
    packets = [packet(chance, number) for number in range(1, kills * 15)]
    packets += [packet(chance, number) for number in range(1, kills * 3)]  # the agent was restarted: ids again
    write(tmp_path / "collected-unsent", packets)
    pause = threading.Event()

    def answer(_: Request) -> Answer:
        pause.wait(chance.uniform(0, 0.02))
        return Answer()

    with StatisticsServer(answer) as server:
        command = [sys.executable, "-m", "keeper", "resend", str(tmp_path), "--url", server.url, "--idl", str(IDL)]
        command += ["--in-flight", str(IN_FLIGHT)]
        while_alive = 0
        for _ in range(kills):
            before = len(server.received())
            sure = acknowledged(tmp_path)
            times = server.times()
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            if chance.random() < 0.9:
                want = before + chance.randint(1, 12)
                wait_for(server, want, child)
                pause.wait(chance.uniform(0, 0.01))
            else:
                pause.wait(chance.uniform(0.05, 0.4))
            while_alive += child.poll() is None
            child.kill()
            child.wait()
            again = server.times()
            assert [name for name in sure if again[name] != times[name]] == [], "sent though it was acknowledged"
        sure, times = acknowledged(tmp_path), server.times()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        again = server.times()
        assert [name for name in sure if again[name] != times[name]] == []
        calls = server.calls()
    assert while_alive >= kills / 2, "the kills must hit it while it works"
    arrived = {(call.packet, call.content): [tuple(vars(one).values()) for one in call.events] for call in calls}
    shown = Counter((number, tuple(events)) for (number, _), events in arrived.items())
    assert shown == Counter((made.id, tuple(made.events)) for made in packets), "each packet as it was"
    twice = sum(again.values()) - len(again)
    assert twice <= kills * IN_FLIGHT, "only what was in flight may come again"
    assert f"= {len(packets):,} collected" in done.stdout
    assert sorted({int(line) for line in (tmp_path / "ids.ok").read_text().split()}) == sorted({m.id for m in packets})
    print(f"{len(packets)} packets, {kills} kills, {while_alive} of them at work, {twice} packets came twice")
