"""The example for nats-server is accepted by it, and by keeper where it shows keeper's part."""

from __future__ import annotations

import re
from pathlib import Path

from keeper.receiver.settings import read_queue
from tests.peers import installed
from tests.peers.process import run

EXAMPLE = Path(__file__).parents[2] / "deploy" / "nats" / "nats-server.conf"


def test_the_example_is_accepted() -> None:
    """nats-server finds no fault in it."""
    checked = run([installed("nats-server"), "-t", "-c", str(EXAMPLE)])
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_keepers_part_is_a_queue_of_its_nodes() -> None:
    """The nodes of the cluster are those that keeper is told of."""
    text = EXAMPLE.read_text()
    [queue] = re.findall(r"queue = (.+)", text)
    kind, rest = read_queue(queue)
    assert kind == "jetstream"
    named = re.findall(r"([\w.-]+):4222", rest)
    assert named == re.findall(r'"nats://([\w.-]+):6222"', text)
    assert len(named) == 3
