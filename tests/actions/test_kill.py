"""Ways to end a node, with real processes, a real container, and a systemctl that is a script."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keeper.actions.bounded import Ended, run
from keeper.actions.kill import Container, PidFile, Script, SystemdUnit, read_kill
from keeper.runtime.clock import since_boot
from tests.actions.program import alive, script
from tests.failover.node import COMM, StandIn
from tests.peers.ask import eventually
from tests.peers.docker_engine import DockerEngine


def soon(seconds: float = 5.0) -> float:
    return since_boot() + seconds


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        ("echo well", Ended(0, "well")),
        ("echo one; echo two >&2; exit 3", Ended(3, "one\ntwo")),
        ("kill -9 $$", Ended(-9, "")),
        ("cat; echo end of input", Ended(0, "end of input")),
        ("(sleep 60; echo late) & echo gone", Ended(0, "gone")),
        ('echo "$PATH,$KEY,$HOME"', Ended(0, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin,v,")),
    ],
)
def test_a_program_that_ends(tmp_path: Path, body: str, ended: Ended) -> None:
    """Its code and the end of what it printed, without waiting for what it left behind."""
    began = time.monotonic()
    assert run([str(script(tmp_path / "x", body))], {"KEY": "v"}, soon(), since_boot) == ended
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("body", ["sleep 60", "trap '' TERM; sleep 60 & sleep 60", "yes", "yes >&2 & yes"])
def test_a_program_that_does_not_end(tmp_path: Path, body: str) -> None:
    """It is killed with all of its group when the time is over, whatever it prints, and little of that is kept."""
    path = script(tmp_path / "endless", f"echo $$ >{tmp_path}/pid\n{body}")
    began = time.monotonic()
    ended = run([str(path)], {}, soon(0.5), since_boot)
    assert ended.code is None and len(ended.said) <= 400
    assert 0.4 < time.monotonic() - began < 1.5
    group = int((tmp_path / "pid").read_text())
    eventually(lambda: not members(group), "all of its group to be gone", 5)


def members(group: int) -> list[int]:
    """The living processes of a group."""
    found = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if group_of(entry) == group]
    return [pid for pid in found if alive(pid)]


def group_of(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def test_the_process_of_a_pid_file(tmp_path: Path) -> None:
    """Killed and gone, also when it is stopped; started again it is there again."""
    with StandIn(tmp_path) as node:
        kill = PidFile(node.pid_file, COMM, since_boot)
        for hang in (False, True):
            assert kill.gone(soon()) == f"the process of {node.pid_file} is there"
            if hang:
                node.program.signal(signal.SIGSTOP)
            assert kill.kill(soon()) == ""
            assert kill.gone(soon()) == ""
            assert kill.kill(soon()) == ""
            eventually(lambda: not node.program.running(), "the process to be gone")
            node.start()


def test_a_pid_file_of_somebody_else(tmp_path: Path) -> None:
    """A number that was used again, or no number: nobody is killed, and it is not gone either."""
    path = tmp_path / "node.pid"
    kill = PidFile(path, "nodeos", since_boot)
    assert kill.gone(soon()) == ""
    sleeping = subprocess.Popen(["sleep", "60"])
    path.write_text(str(sleeping.pid))
    eventually(lambda: Path(f"/proc/{sleeping.pid}/comm").read_text() == "sleep\n", "the sleeper to have its name")
    stranger = f"pid file {path}: process {sleeping.pid} is 'sleep', not 'nodeos': write pidfile:/PATH:NAME"
    assert (kill.kill(soon()), kill.gone(soon())) == (stranger, stranger)
    path.chmod(0o666)
    forged = PidFile(path, "sleep", since_boot)
    assert "others than the node's user could have written it" in forged.kill(soon())
    assert sleeping.poll() is None
    path.chmod(0o644)
    assert forged.kill(soon()) == ""
    assert sleeping.wait(5) == -9
    for text in ("", "x", "0", "-1", "9" * 60):
        path.write_text(text)
        assert kill.kill(soon()).startswith(f"pid file {path}: ") or text == "0"
    path.unlink()
    path.mkdir()
    assert kill.kill(soon()) == f"pid file {path}: Is a directory"


@pytest.mark.parametrize("policy", ["no", "always"])
def test_a_container(docker_engine: DockerEngine, policy: str) -> None:
    """Ended for good, whatever its restart policy, and also when all of it is frozen or stopped."""
    engine = docker_engine
    name = f"node-{policy}"
    container = engine.run("while true; do sleep 1; done", name=name, restart_policy={"Name": policy})
    kill = Container(name, engine.url, since_boot)
    for fault in ("", "pause", "stop"):
        assert kill.gone(soon()).startswith(f"container {name} is ")
        if fault == "pause":
            engine.client.pause(container)
        if fault == "stop":
            os.kill(engine.client.inspect_container(container)["State"]["Pid"], signal.SIGSTOP)
        began = time.monotonic()
        assert kill.kill(soon()) == ""
        assert kill.gone(soon()) == ""
        assert time.monotonic() - began < 3
        time.sleep(0.5)
        assert kill.gone(soon()) == ""
        assert kill.kill(soon()) == ""
        engine.client.start(container)
    engine.remove(container)
    assert kill.gone(soon()) == "", "a container with --rm is not there any more when it has ended"


def test_a_container_that_dies_again_and_again(docker_engine: DockerEngine) -> None:
    """Between two deaths it is not gone: the engine would start it again."""
    container = docker_engine.run("exit 1", name="loop", restart_policy={"Name": "always"})
    kill = Container("loop", docker_engine.url, since_boot)
    eventually(lambda: kill.gone(soon()) == "container loop is restarting", "it to be restarted", 30)
    assert kill.kill(soon()) == ""
    assert kill.gone(soon()) == ""
    time.sleep(1)
    assert kill.gone(soon()) == ""
    docker_engine.remove(container)


def test_a_container_or_an_engine_that_is_not_there(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """Not there is not gone: the name may be wrong. A frozen engine costs no more than the time."""
    nobody = Container("nobody", docker_engine.url, since_boot)
    assert nobody.kill(soon()) == "there is no container nobody"
    assert nobody.gone(soon()) == "there is no container nobody"
    none = Container("x", f"unix://{tmp_path}/none.sock", since_boot)
    assert none.kill(soon()) == f"no Docker engine listens at unix:{tmp_path}/none.sock"
    docker_engine.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert nobody.kill(soon(0.4)).endswith(": no complete answer in time")
        assert time.monotonic() - began < 1
    finally:
        docker_engine.signal(signal.SIGCONT)


def test_a_script(tmp_path: Path) -> None:
    """0 means that the node is down; all else, and what must not be run, says why not."""
    good = Script(script(tmp_path / "good", "exit 0"), since_boot)
    assert good.gone(soon()) == "it was not run"
    assert (good.kill(soon()), good.gone(soon())) == ("", "")
    bad = Script(script(tmp_path / "bad", "echo no such host >&2; exit 1"), since_boot)
    assert bad.kill(soon()) == bad.gone(soon()) == f"{tmp_path}/bad ended with 1: no such host"
    slow = Script(script(tmp_path / "slow", "sleep 60"), since_boot)
    assert slow.kill(soon(0.3)) == f"{tmp_path}/slow did not end in time and was killed"
    (tmp_path / "good").chmod(0o777)
    assert "can be written by others" in good.kill(soon())


SYSTEMCTL = """
shift
echo "$@" >>{state}.calls
case $1 in
    stop) [ -e {state} ] || exit 5; echo deactivating >{state} ;;
    kill) [ "$(cat {state})" = deactivating ] && echo {after} >{state} ;;
    show) [ -e {state} ] && echo LoadState=loaded || echo LoadState=not-found
          echo "ActiveState=$(cat {state} 2>/dev/null || echo inactive)" ;;
esac
"""


@pytest.mark.parametrize(("after", "gone"), [("failed", ""), ("active", "unit nodeos.service is active")])
def test_a_unit(tmp_path: Path, after: str, gone: str) -> None:
    """First told to stay down, then killed; gone when systemd says so."""
    state = tmp_path / "state"
    state.write_text("active\n")
    systemctl = script(tmp_path / "systemctl", SYSTEMCTL.format(state=state, after=after))
    kill = SystemdUnit("nodeos.service", since_boot, str(systemctl))
    assert kill.gone(soon()) == "unit nodeos.service is active"
    assert kill.kill(soon()) == ""
    assert kill.gone(soon()) == gone
    calls = Path(f"{state}.calls").read_text().splitlines()
    assert calls[1:3] == ["stop --no-block -- nodeos.service", "kill --signal=KILL -- nodeos.service"]
    state.unlink()
    assert kill.kill(soon()) == "systemctl stop ended with 5: "
    assert kill.gone(soon()) == "systemd knows no unit nodeos.service"
    hung = SystemdUnit("x", since_boot, str(script(tmp_path / "hung", "sleep 60")))
    assert hung.kill(soon(0.3)) == "systemctl stop did not end in time"
    none = SystemdUnit("x", since_boot, "/nowhere/systemctl")
    assert none.gone(soon()) == "systemctl show cannot be started: No such file or directory"


@pytest.mark.parametrize("text", ["", "nodeos", "systemd:", "systemd:a b", "docker:../x", "pidfile:rel", "script:rel"])
def test_no_way_to_kill(text: str) -> None:
    """The sentence shows what can be written."""
    with pytest.raises(ValueError, match="is no way to end a node: write systemd:UNIT, docker:CONTAINER, pidfile:"):
        read_kill(text, since_boot)


def test_ways_to_kill() -> None:
    """Each kind is read to its own."""
    texts = ("systemd:nodeos@a.service", "docker:node_1", f"pidfile:/run/x.pid:{sys.platform}", "script:/bin/true")
    assert [type(read_kill(text, since_boot)) for text in texts] == [SystemdUnit, Container, PidFile, Script]
