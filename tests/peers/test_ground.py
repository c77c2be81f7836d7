"""Hosts of their own: they reach each other until a cable is cut, in the direction that was cut."""

from __future__ import annotations

import subprocess
import sys

from tests.peers.ask import eventually
from tests.peers.ground import Ground
from tests.peers.process import run

SEND = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (sys.argv[1], 7000))"
HEAR = (
    "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 7000));"
    " print('ready', flush=True); s.settimeout(float(sys.argv[1])); print(s.recv(10).decode())"
)


def arrives(ground: Ground, sender: str, receiver: str) -> bool:
    """One datagram, sent after the receiver listens."""
    hearing = subprocess.Popen(
        [*ground.inside(receiver), sys.executable, "-c", HEAR, "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert hearing.stdout is not None
    hearing.stdout.readline()
    run([*ground.inside(sender), sys.executable, "-c", SEND, ground.address(receiver)])
    said = hearing.communicate(timeout=10)[0]
    return "x" in said


def test_a_cable_is_cut_in_one_direction_or_both_and_mended() -> None:
    """What is sent against the cut is lost; what is sent the other way arrives."""
    with Ground(("a", "b")) as ground:
        assert arrives(ground, "a", "b")
        ground.cut("a", "b")
        assert not arrives(ground, "a", "b")
        assert arrives(ground, "b", "a")
        ground.part("a", "b")
        assert not arrives(ground, "b", "a")
        ground.mend()
        assert arrives(ground, "a", "b")


def test_a_host_that_loses_power_has_no_process_any_more() -> None:
    """Killed at once, whoever started them."""
    with Ground(("a",)) as ground:
        sleeping = subprocess.Popen([*ground.inside("a"), "sleep", "60"])
        eventually(lambda: ground.processes("a") == [sleeping.pid], "it to run")
        ground.kill("a")
        assert sleeping.wait(5) == -9
        assert not ground.processes("a")
