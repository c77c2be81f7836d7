"""keeper is killed at any moment between the decision and the delivery."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from keeper.core.alert import Phase
from keeper.runtime.store import Store
from tests.notifiers.receiver import Answer, Receiver, Request
from tests.peers.alertmanager import Alertmanager
from tests.peers.ask import eventually

TRANSITIONS = 201  # odd: the alert fires at the end


def run(path: Path, hook: Receiver, am: Alertmanager) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.runtime.killed_sender"]
    child = subprocess.Popen(
        [*command, str(path), str(TRANSITIONS), hook.url, am.url], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline().strip().isdigit()
    return child


def test_nothing_is_lost_when_keeper_is_killed(
    tmp_path: Path, new_alertmanager: Callable[..., Alertmanager], seed: int
) -> None:
    """Killed again and again, with a webhook that fails now and then: every transition arrives, in order, and what
    arrives twice has the same id. Alertmanager knows in the end what is."""
    chance = random.Random(seed)
    am = new_alertmanager()
    path = tmp_path / "keeper.db"

    def script(_: Request) -> Answer:
        return Answer(503) if chance.random() < 0.03 else Answer()

    with Receiver(script) as hook:
        kills = 0
        while True:
            child = run(path, hook, am)
            seen = len(hook.received())
            goal = seen + chance.randrange(1, 60)
            eventually(
                lambda c=child, g=goal: c.poll() is not None or len(hook.received()) >= g,  # type: ignore[misc]
                "some POSTs or the end",
                deadline=60.0,
                every=0.0005,
            )
            if child.poll() is not None:
                break
            time.sleep(chance.random() * 0.01)
            child.kill()
            child.wait()
            kills += 1
        assert child.returncode == 0
        received = [request.json["id"] for request in hook.received()]
    expected = [f"tokyo-1/fork/bp1/{1 + n // 2}/{'resolved' if n % 2 else 'firing'}" for n in range(TRANSITIONS)]
    assert list(dict.fromkeys(received)) == expected
    assert kills >= 3
    store = Store.read(path)
    (alert,) = store.alerts()
    assert (alert.phase, alert.incident) == (Phase.FIRING, 1 + TRANSITIONS // 2)
    assert store.targets() == []
    store.close()
    (known,) = am.alerts(alertname="KeeperFork")
    assert known["status"]["state"] == "active"
    print(f"{kills} kills, {len(received) - len(expected)} POSTs twice or refused")
