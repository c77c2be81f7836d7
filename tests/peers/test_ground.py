"""Hosts of their own: they reach each other until a cable is cut, in the direction that was cut."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

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


PASS = (
    "import socket, sys, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 7001));"
    " print('ready', flush=True); s.settimeout(10); s.recv(2000); began = time.monotonic();"
    " [s.recv(2000) for _ in range(int(sys.argv[1]) - 1)]; print(time.monotonic() - began)"
)
PUSH = (
    "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
    " [s.sendto(b'x' * 500, (sys.argv[1], 7001)) for _ in range(int(sys.argv[2]))]"
)


def seconds(ground: Ground, sender: str, receiver: str, datagrams: int) -> float:
    """How long these, of 500 bytes and sent at once, take from the first to the last."""
    argv = [*ground.inside(receiver), sys.executable, "-c", PASS, str(datagrams)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as hearing:
        assert hearing.stdout is not None
        hearing.stdout.readline()
        run([*ground.inside(sender), sys.executable, "-c", PUSH, ground.address(receiver), str(datagrams)])
        return float(hearing.communicate(timeout=20)[0])


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


def test_two_runs_have_numbers_of_their_own() -> None:
    """The second is not in the way of the first, and its end leaves the first alone."""
    with Ground(("a", "b")) as one:
        with Ground(("a", "b")) as other:
            assert one.address("a") != other.address("a")
            assert arrives(other, "a", "b")
        assert one.namespace("a").exists()
        assert arrives(one, "a", "b")


def test_a_narrow_line_is_slow_until_it_is_mended() -> None:
    """What a host with a narrow line sends takes long."""
    with Ground(("a", "b")) as ground:
        ground.narrow("a")
        assert seconds(ground, "a", "b", datagrams=6) > 0.5
        ground.mend()
        assert seconds(ground, "a", "b", datagrams=6) < 0.5


def test_what_a_killed_run_left_is_gone_with_the_next() -> None:
    """Its namespaces, and a program in one of them that outlived it."""
    script = (
        "import os, signal, subprocess\n"
        "from tests.peers.ground import Ground\n"
        "ground = Ground(('left',))\n"
        "ground.__enter__()\n"
        "argv = [*ground.inside('left'), 'sleep', '60']\n"
        "left = subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL)\n"
        "print(ground.namespace('left'), left.pid, flush=True)\n"
        "while not ground.processes('left'): pass\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, cwd=Path(__file__).parents[2], check=False, stdout=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL
    namespace, pid = done.stdout.split()
    assert Path(namespace).exists()
    with Ground(("a",)):
        assert not Path(namespace).exists()
        command = Path("/proc") / pid / "cmdline"
        eventually(lambda: not command.exists() or not command.read_bytes(), "what was left to end")
