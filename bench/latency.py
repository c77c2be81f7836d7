"""From a line in a nodeos log until Alertmanager has the alert: `keeper run` as a process, a receiver that speaks
Alertmanager's API and stamps what arrives, and beside it a real Alertmanager, which says itself when it took the alert.

Each trial is a new firing: a fork switch in the log of one of many nodes, whose alert is resolved again (`window` 6 s,
`recover` 0) before it is that node's turn again.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.figures import Figure, below
from tests.notifiers.receiver import Receiver, Request
from tests.peers.alertmanager import Alertmanager
from tests.peers.ask import eventually
from tests.scenarios.keeper_process import KeeperProcess

TRIALS = 500
NODES = 50
WINDOW = 6.0  # seconds a fork switch counts: the least the rule takes
PAUSE = (0.1, 0.3)  # seconds between two trials, at random, so that nothing keeps step with keeper's loop
TARGET = 150.0  # ms

QUIET = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n"


def figures(directory: Path, quick: bool) -> Iterator[Figure]:
    assert shutil.which("prometheus-alertmanager"), "prometheus-alertmanager is not installed; `make peers` installs it"
    trials, nodes = (5, 5) if quick else (TRIALS, NODES)
    logs = [directory / f"node{number}.log" for number in range(nodes)]
    for log in logs:
        log.touch()
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        alertmanager = stack.enter_context(Alertmanager(directory / "alertmanager", configuration=QUIET))
        settings = configuration(logs, [receiver.url, alertmanager.url])
        keeper = stack.enter_context(KeeperProcess(directory, "bench", settings))
        eventually(lambda: all(keeper.metric("keeper_source_up", subject=log.stem) for log in logs), "all logs open")
        arrived, taken = measured(logs, trials, receiver, alertmanager)
    yield Figure(f"line to alert over {trials} trials: receiver has it, p50", f"{middle(arrived):.1f} ms")
    yield below(f"line to alert over {trials} trials: receiver has it, p99", worst(arrived), TARGET, "ms")
    yield Figure(f"line to alert over {trials} trials: Alertmanager says, p50", f"{middle(taken):.1f} ms")
    yield below(f"line to alert over {trials} trials: Alertmanager says, p99", worst(taken), TARGET, "ms")


def configuration(logs: Sequence[Path], receivers: Sequence[str]) -> str:
    """Nodes that are nothing but a log. No blocks ever come: of that only the silence of a log would be an alert."""
    nodes = [f"[node:{log.stem}]\nlog = file:{log}" for log in logs]
    rules = [f"[rule:fork]\nfor = 0s\nrecover = 0s\nwindow = {WINDOW:g}s", "[rule:log_silent]\nenabled = no"]
    return "\n".join([*nodes, *rules, f"[alertmanager]\nurls = {', '.join(receivers)}", ""])


def measured(
    logs: Sequence[Path], trials: int, receiver: Receiver, alertmanager: Alertmanager
) -> tuple[list[float], list[float]]:
    """Milliseconds of each trial until the receiver had the alert, and until the real Alertmanager did."""
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    free_at = dict.fromkeys(logs, 0.0)
    arrived, taken = [], []
    for trial in range(trials):
        log = logs[trial % len(logs)]
        time.sleep(max(chance.uniform(*PAUSE), free_at[log] - time.monotonic()))
        mark = len(receiver.received())
        wall, began = time.time(), time.monotonic()
        with log.open("a") as out:
            out.write(line(wall, trial))
        received = receiver.wait_for(
            lambda requests, log=log, mark=mark, wall=wall: first(requests[mark:], log.stem, wall),  # type: ignore[misc]
            f"trial {trial} (seed {seed})",
        )
        arrived.append((_found(first(received[mark:], log.stem, wall)).at - began) * 1000)
        taken.append(awaited(alertmanager, log.stem, wall) * 1000)
        free_at[log] = time.monotonic() + WINDOW + 1.0
    return arrived, taken


def first(requests: Sequence[Request], node: str, since: float) -> Request | None:
    """The first request with an alert of the node that began at `since` or later."""
    return next((one for one in requests if any(_new(alert, node, since) for alert in one.json)), None)


def awaited(alertmanager: Alertmanager, node: str, since: float) -> float:
    """Seconds from `since` until the real Alertmanager took the node's new alert, by its own account."""

    def new() -> list[dict[str, Any]]:
        return [alert for alert in alertmanager.alerts(node=node) if _new(alert, node, since)]

    return _seconds(eventually(new, f"the alert of {node} in Alertmanager")[0]["updatedAt"]) - since


def _new(alert: dict[str, Any], node: str, since: float) -> bool:
    # keeper tells milliseconds, rounded.
    return alert["labels"].get("node") == node and _seconds(alert["startsAt"]) >= since - 0.001


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _found(request: Request | None) -> Request:
    assert request is not None, "it was found a moment ago"
    return request


def line(wall: float, number: int) -> str:
    """A fork switch as nodeos 4.1 prints it."""
    millis = round(wall * 1000)
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000)) + f".{millis % 1000:03d}"
    ids = [f"{number + offset:064x}" for offset in (1, 2)]
    return (
        f"info  {at} nodeos    controller.cpp:2354           maybe_switch_forks   ] switching forks from {ids[0]} "
        f"(block number {number + 1}) to {ids[1]} (block number {number + 2})\n"
    )


def middle(times: Sequence[float]) -> float:
    return quantiles(times, n=2, method="inclusive")[0]


def worst(times: Sequence[float]) -> float:
    """The 99th of a hundred."""
    return quantiles(times, n=100, method="inclusive")[98]
