"""The fence ladder on real processes, a real container and a real nodeos: verified, in time, or not fenced."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from keeper.actions.brief_http import read_address
from keeper.actions.fence import Fenced, Ladder, NotFenced, fence, holds
from keeper.actions.kill import Container, Kill, PidFile, Script
from keeper.actions.producer_api import ProducerApi
from keeper.runtime.clock import since_boot
from tests.actions.program import script
from tests.failover.node import COMM, StandIn
from tests.peers import free_port
from tests.peers.ask import eventually
from tests.peers.docker_engine import DockerEngine
from tests.peers.nodeos import STALE, Nodeos

WITHIN = 3.0
LATE = 0.7  # seconds more on a busy machine

wait = threading.Event().wait


def ladder(url: str, kill: Kill | None, quiet: Callable[[], bool] | None = None) -> Ladder:
    return Ladder(ProducerApi(read_address(url), since_boot), kill, WITHIN, quiet)


def climb(steps: Ladder) -> Fenced | NotFenced:
    """Fence, and hold it to its time."""
    began = time.monotonic()
    result = fence(steps, since_boot, wait)
    took = time.monotonic() - began
    print(f"{took:.2f} s: {result}")
    assert took < steps.act_within + LATE
    return result


def pid_file(node: StandIn) -> PidFile:
    return PidFile(node.pid_file, COMM, since_boot)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Nodeos]:
    node = Nodeos("one", tmp_path / "nodeos", free_port(), free_port(), producers=("eosio",))
    node.start(STALE)
    yield node
    node.kill()


def nodeos_pid_file(node: Nodeos, directory: Path) -> PidFile:
    path = directory / "nodeos.pid"
    path.write_text(str(node.pid))
    return PidFile(path, Path(f"/proc/{node.pid}/comm").read_text().strip(), since_boot)


def test_a_real_node_is_paused(node: Nodeos, tmp_path: Path) -> None:
    """The mildest step that works is the only one: the process lives on, and makes no block any more."""
    steps = ladder(node.http_url, nodeos_pid_file(node, tmp_path))
    result = climb(steps)
    assert isinstance(result, Fenced) and result.step == "paused"
    head = node.head()
    assert holds(steps, since_boot)
    time.sleep(1.2)
    assert (node.running(), node.head()) == (True, head)
    node.resume()
    assert holds(steps, since_boot) and node.paused(), "looking pauses a node that was started again"
    node.sigstop()
    assert holds(steps, since_boot) is None


def test_a_real_node_that_hangs_is_killed(node: Nodeos, tmp_path: Path) -> None:
    """Its API takes connections and says nothing: it would sign when it goes on, so it must be gone."""
    node.sigstop()
    steps = ladder(node.http_url, nodeos_pid_file(node, tmp_path))
    result = climb(steps)
    assert isinstance(result, Fenced) and result.step == "gone"
    assert result.words.startswith("killed, as it could not be paused: gave no answer to paused")
    eventually(lambda: not node.running(), "the node to be gone")
    assert holds(steps, since_boot)
    again = climb(steps)
    assert isinstance(again, Fenced) and again.step == "gone" and again.took < 1


def test_a_node_that_hangs_and_no_way_to_kill_it(node: Nodeos) -> None:
    """It stays unfenced, and that is said with its reason."""
    node.sigstop()
    try:
        result = climb(ladder(node.http_url, None))
    finally:
        node.sigcont()
    assert isinstance(result, NotFenced)
    assert result.why.endswith("; no way to kill it is configured")


def test_nothing_is_left_running(tmp_path: Path) -> None:
    """Killed: no block is signed after the fence has said so; with paused neither."""
    for manners, step in (((), "paused"), (("deaf",), "gone"), (("stubborn",), "gone")):
        with StandIn(tmp_path, *manners) as node:
            eventually(node.blocks, "blocks")
            result = climb(ladder(node.url, pid_file(node)))
            said = since_boot()
            assert isinstance(result, Fenced) and result.step == step
            time.sleep(0.5)
            assert max(node.blocks()) < said


def test_a_log_that_is_not_quiet(tmp_path: Path) -> None:
    """The API says paused, the log shows blocks: the log is believed."""
    with StandIn(tmp_path) as node:
        asked = count(1)
        quiet = ladder(node.url, None, lambda: next(asked) > 3)
        assert isinstance(climb(quiet), Fenced) and next(asked) == 5
        loud = climb(ladder(node.url, pid_file(node), lambda: False))
        assert isinstance(loud, Fenced) and loud.step == "gone"
        assert loud.words == "killed, as it could not be paused: it says paused, but its log shows blocks of ours"


def test_a_node_that_is_down(tmp_path: Path) -> None:
    """Gone when its process is not there either; without a way to know that, nothing is promised."""
    with StandIn(tmp_path) as node:
        node.program.kill()
        down = climb(ladder(node.url, pid_file(node)))
        assert isinstance(down, Fenced) and (down.step, down.took < 1) == ("gone", True)
        unknown = climb(ladder(node.url, None))
        assert isinstance(unknown, NotFenced)
        assert unknown.why == f"nobody listens at {node.url}; no way to kill it is configured"


def test_the_wrong_process_is_killed(tmp_path: Path) -> None:
    """The process is gone, and still a node answers: not fenced."""
    (tmp_path / "other").mkdir()
    with StandIn(tmp_path, "stubborn") as node, StandIn(tmp_path / "other") as other:
        result = climb(ladder(node.url, pid_file(other)))
        assert isinstance(result, NotFenced)
        assert result.why == f"the node said ok to pause, and is not paused; somebody still listens at {node.url}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 0", "somebody still listens at"),
        ("exit 7", "script ended with 7"),
        ("sleep 60", "script did not end in time"),
        ("yes", "script did not end in time"),
    ],
)
def test_a_script_without_effect(tmp_path: Path, body: str, words: str) -> None:
    """Claims nothing that is not seen; it is run once, not again and again."""
    path = script(tmp_path / "script", f"echo run >>{tmp_path}/runs\n{body}")
    with StandIn(tmp_path, "deaf") as node:
        result = climb(ladder(node.url, Script(path, since_boot)))
    assert isinstance(result, NotFenced) and words in result.why
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_script_that_works(tmp_path: Path) -> None:
    """What it says is verified by the port."""
    with StandIn(tmp_path, "deaf") as node:
        path = script(tmp_path / "script", f"kill -9 {node.program.pid}")
        result = climb(ladder(node.url, Script(path, since_boot)))
    assert isinstance(result, Fenced) and result.step == "gone"


def test_a_supervisor_that_starts_it_again(tmp_path: Path) -> None:
    """A node that is back before the fence has looked is killed again, and not called gone."""
    with StandIn(tmp_path, "deaf") as node:
        stop = threading.Event()

        def supervise() -> None:
            for _ in range(2):
                while node.program.running():
                    if stop.wait(0.01):
                        return
                node.start()

        supervisor = threading.Thread(target=supervise)
        supervisor.start()
        result = climb(ladder(node.url, pid_file(node))._replace(act_within=6.0))
        stop.set()
        supervisor.join(10)
        said = since_boot()
        assert isinstance(result, NotFenced) or max(node.blocks()) < said


def test_a_container_that_hangs(docker_engine: DockerEngine) -> None:
    """The API is a port of a container whose processes are stopped: the engine ends it."""
    container = docker_engine.run("while true; do sleep 1; done", name="nodeos")

    # Containers of the tests have no network: a port of the test's, which nobody serves, closes when it ends.
    with socket.create_server(("127.0.0.1", 0)) as port:
        url = f"http://127.0.0.1:{port.getsockname()[1]}"

        def close_with_it() -> None:
            docker_engine.ended(container)
            port.close()

        closing = threading.Thread(target=close_with_it)
        closing.start()
        result = climb(ladder(url, Container("nodeos", docker_engine.url, since_boot)))
        closing.join(10)
    assert isinstance(result, Fenced) and result.step == "gone"
    docker_engine.remove(container)


def test_an_engine_that_hangs(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """Nothing that hangs makes it late."""
    docker_engine.signal(signal.SIGSTOP)
    try:
        with StandIn(tmp_path, "deaf") as node:
            result = climb(ladder(node.url, Container("nodeos", docker_engine.url, since_boot)))
    finally:
        docker_engine.signal(signal.SIGCONT)
    assert isinstance(result, NotFenced) and "no complete answer in time" in result.why
