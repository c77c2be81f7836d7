"""The guard fences when keeper cannot: killed, frozen, starved. A real process stands for the node."""

from __future__ import annotations

import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from keeper.errors import KeeperError
from keeper.guard import REPORT, SOCKET
from keeper.runtime.clock import since_boot
from keeper.runtime.guard_process import Duty, GuardFired, GuardLost, GuardProcess, last_report
from tests.failover.node import COMM, StandIn
from tests.peers import require
from tests.peers.ask import eventually
from tests.peers.process import Program

LEAD = 1.0  # seconds from a move to the deadline
BUSY = 0.5  # seconds a busy machine may take
TOP = Path(__file__).parents[2]


@pytest.fixture
def place() -> Iterator[Path]:
    """A state directory; whatever guards there at the end is ended."""
    directory = Path(f"/tmp/keeper-guard-{os.getpid()}-{random.randrange(10**9)}")  # a socket's path has 108 bytes
    directory.mkdir(mode=0o700)
    yield directory
    for pid in guards(directory):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path, "paused") as running:
        yield running


def duty(node: StandIn, within: float = 3.0) -> Duty:
    return Duty(node.url, f"pidfile:{node.pid_file}:{COMM}", within)


def guards(directory: Path) -> list[int]:
    """The processes that guard in a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                # One that forked to write its report is there twice for a moment.
                if str(directory).encode() in words and b"guard import main" in b" ".join(words):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    found.append((int(entry.name), parent))
    pids = {pid for pid, _ in found}
    return [pid for pid, parent in found if parent not in pids]


class Keeper:
    """The guarded keeper as a process."""

    def __init__(self, directory: Path, node: StandIn, lead: float = LEAD, every: float = 0.1) -> None:
        given = (str(directory), node.url, duty(node).kill, str(lead), str(every))
        argv = [sys.executable, "-m", "tests.failover.guarded_keeper", *given]
        self.program = Program("keeper", argv, directory / "keeper.log", {"PYTHONPATH": str(TOP)})
        self._node = node

    def start(self) -> None:
        self.program.start(lambda: "producing" in self.said() and self._node.blocks())

    def said(self) -> str:
        return self.program.log.read_text() if self.program.log.exists() else ""

    def __enter__(self) -> Keeper:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Not its group: the guard is in a session of its own, and shall be ended by its own means.
        self.program.kill()


def fired(directory: Path) -> dict[str, Any]:
    def report() -> dict[str, Any] | None:
        with suppress(KeeperError):
            return last_report(directory)
        return None

    found = eventually(report, "the guard to act")
    assert found is not None
    return found


def test_moved_it_does_nothing_and_disarmed_it_goes(place: Path, node: StandIn) -> None:
    """For three times its lead the deadline is moved: the node produces. Disarmed and alone, the guard ends."""
    guard = GuardProcess(place)
    guard.start()
    guard.arm(since_boot() + LEAD, duty(node))
    guard.resume()
    end = since_boot() + 3 * LEAD
    while since_boot() < end:
        guard.arm(since_boot() + LEAD, duty(node))
        time.sleep(0.1)
    assert node.blocks()[-1] > end - 0.5
    assert guard.why_gone() == "" and guard.armed_until() is not None
    guard.disarm()
    assert guard.armed_until() is None
    guard.close()
    eventually(lambda: not guards(place), "the guard to end")
    assert last_report(place) is None


@pytest.mark.parametrize("how", ["killed", "frozen", "starved"])
def test_keeper_cannot(place: Path, node: StandIn, how: str) -> None:
    """kill -9, SIGSTOP, or 5 ms of processor every 1.5 s: the node is paused at the deadline, and not before."""
    with Keeper(place, node) as keeper:
        time.sleep(0.3)
        assert last_report(place) is None
        if how == "killed":
            os.kill(keeper.program.pid, signal.SIGKILL)
        else:
            keeper.program.signal(signal.SIGSTOP)
        began = since_boot()
        if how == "starved":
            while last_report(place) is None and since_boot() < began + 20:
                time.sleep(1.5)
                keeper.program.signal(signal.SIGCONT)
                time.sleep(0.005)
                keeper.program.signal(signal.SIGSTOP)
        report = fired(place)
        print(f"{how}: began {(report['began'] - report['fence_at']) * 1000:.1f} ms after the deadline: {report}")
        assert (report["fenced"], report["step"], report["times"]) == (True, "paused", 1)
        assert report["cause"] == "its time passed unmoved"
        assert 0 <= report["began"] - report["fence_at"] < BUSY
        time.sleep(0.5)
        last = node.blocks()[-1]
        assert report["fence_at"] - 0.5 < last < report["began"] + BUSY
        if how != "killed":
            keeper.program.signal(signal.SIGCONT)
            eventually(
                lambda: "the guard acted, as its time passed unmoved: paused by its API and read back" in keeper.said(),
                "keeper to hear of it",
            )
        time.sleep(0.3)
        assert node.blocks()[-1] == last


def test_a_node_that_hangs_is_killed(place: Path, node: StandIn) -> None:
    """Keeper and node are both frozen: what cannot be paused is ended, within the time."""
    with Keeper(place, node) as keeper:
        keeper.program.signal(signal.SIGSTOP)
        node.program.signal(signal.SIGSTOP)
        report = fired(place)
        assert (report["fenced"], report["step"]) == (True, "gone") and report["took"] < 3
        eventually(lambda: not node.program.running(), "the node to be gone")


def test_a_node_that_starts_again_is_fenced_again(place: Path, node: StandIn) -> None:
    """As long as no keeper has taken notice, whatever supervises the node cannot bring it back to produce."""
    with Keeper(place, node) as keeper:
        os.kill(keeper.program.pid, signal.SIGKILL)
        fired(place)
        node.program.kill()
        eventually(lambda: fired(place)["times"] >= 1, "a report")
        node.program.argv = [word for word in node.program.argv if word != "paused"]
        before = len(node.blocks())
        node.start()
        eventually(lambda: len(node.blocks()) > before, "a block")
        time.sleep(2.5)
        last = node.blocks()[-1]
        time.sleep(0.5)
        assert node.blocks()[-1] == last


def test_the_next_keeper_takes_it_over(place: Path, node: StandIn) -> None:
    """Killed and started again before the deadline: the same guard, and not one block is missed for it."""
    with Keeper(place, node, lead=4.0) as keeper:
        [pid] = guards(place)
        before = len(node.blocks())
        os.kill(keeper.program.pid, signal.SIGKILL)
        keeper.program.kill()
        with Keeper(place, node, lead=4.0):
            assert guards(place) == [pid]
            time.sleep(4.5)
            assert guards(place) == [pid] and last_report(place) is None
            assert since_boot() - node.blocks()[-1] < BUSY and len(node.blocks()) > before + 20


def test_fired_is_told_until_it_is_taken_notice_of(place: Path, node: StandIn) -> None:
    """Nobody arms or resumes over a guard that has fired; after disarming it is as new."""
    guard = GuardProcess(place)
    guard.start()
    guard.arm(since_boot(), duty(node))
    eventually(lambda: last_report(place), "it to act")
    guard.close()
    following = GuardProcess(place)
    following.start()
    with pytest.raises(GuardFired, match="its time passed unmoved: paused by its API and read back") as raised:
        following.armed_until()
    assert raised.value.report == last_report(place)
    with pytest.raises(GuardFired):
        following.arm(since_boot() + 60, duty(node))
    with pytest.raises(GuardFired):
        following.resume()
    assert not node.blocks()
    following.disarm()
    following.arm(since_boot() + 60, duty(node))
    following.resume()
    eventually(node.blocks, "a block")


def test_no_resume_without_a_deadline_ahead(place: Path, node: StandIn) -> None:
    """The guard resumes nothing that it would not fence."""
    guard = GuardProcess(place)
    guard.start()
    with pytest.raises(KeeperError, match="it is not armed: nobody would fence the node"):
        guard.resume()
    guard.arm(since_boot() + 60, Duty(f"http://127.0.0.1:{node.port}", "", 3.0))
    node.program.kill()
    with pytest.raises(KeeperError, match=f"the node was not resumed: nobody listens at {node.url}"):
        guard.resume()


def test_a_guard_that_is_killed_is_missed_at_once(place: Path, node: StandIn) -> None:
    """keeper waits on the line, and hears of the end in milliseconds."""
    guard = GuardProcess(place)
    guard.start()
    guard.arm(since_boot() + 60, duty(node))
    assert guard.why_gone() == ""
    [pid] = guards(place)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    assert select.select([guard], [], [], 5)[0]
    print(f"noticed after {(time.monotonic() - began) * 1000:.1f} ms")
    assert time.monotonic() - began < BUSY
    eventually(lambda: guard.why_gone() == "the guard ended with -9", "the reason")
    with pytest.raises(GuardLost, match="the guard ended with -9"):
        guard.arm(since_boot() + 60, duty(node))
    guard.start()
    guard.arm(since_boot() + 60, duty(node))
    assert guards(place) != [pid]


def test_a_guard_that_is_frozen_is_none(place: Path, node: StandIn) -> None:
    """It does not answer: keeper must not rely on it. Its late answers confuse nobody when it wakes up."""
    guard = GuardProcess(place)
    guard.start()
    [pid] = guards(place)
    guard.arm(since_boot() + 60, duty(node))
    os.kill(pid, signal.SIGSTOP)
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(GuardLost, match=r"the guard does not answer within 0\.5s"):
            guard.arm(since_boot() + 50, duty(node))
        assert time.monotonic() - began < 1
    os.kill(pid, signal.SIGCONT)
    later = since_boot() + 70
    guard.arm(later, duty(node))
    assert guard.armed_until() == later


def test_a_guard_that_stays_frozen_is_replaced(place: Path, node: StandIn) -> None:
    """The next keeper waits for it as long as a fence may take, and then starts another."""
    guard = GuardProcess(place)
    guard.start()
    [pid] = guards(place)
    guard.arm(since_boot() + 60, duty(node))
    os.kill(pid, signal.SIGSTOP)
    following = GuardProcess(place)
    following.start(patience=1.0)
    following.arm(since_boot() + 60, duty(node))
    assert guards(place) != [pid] and len(guards(place)) == 1
    assert guard.why_gone()


def test_told_to_end_it_fences_first(place: Path, node: StandIn) -> None:
    """systemd ends everything of the unit with SIGTERM: armed, that is as good as a deadline; disarmed it just goes."""
    guard = GuardProcess(place)
    guard.start()
    guard.arm(since_boot() + 60, duty(node))
    guard.resume()
    [pid] = guards(place)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: guard.why_gone() == "the guard ended with 0", "it to end")
    report = fired(place)
    assert (report["cause"], report["step"]) == ("it was told to end while armed", "paused")
    guard.start()
    [pid] = guards(place)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: guard.why_gone() == "the guard ended with 0", "it to end")
    assert last_report(place) is None


def test_it_is_small_and_alone(place: Path, node: StandIn) -> None:
    """One thread, a session of its own, little memory, ready soon; it does not import what keeper needs."""
    guard = GuardProcess(place)
    began = time.monotonic()
    guard.start()
    ready = time.monotonic() - began
    guard.arm(since_boot() + 60, duty(node))
    [pid] = guards(place)
    status = Path(f"/proc/{pid}/status").read_text()
    sizes = {name: int(re.findall(rf"{name}:\s+(\d+)", status)[0]) for name in ("VmRSS", "RssAnon", "Threads")}
    took = []
    for n in range(200):
        began = time.monotonic()
        guard.arm(since_boot() + 60 + n, duty(node))
        took.append(time.monotonic() - began)
    print(f"ready in {ready * 1000:.0f} ms, {sizes} kB, a move takes {sorted(took)[100] * 1000:.2f} ms")
    assert sizes["VmRSS"] < 20_000 and sizes["Threads"] == 1
    assert os.getsid(pid) == pid
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import keeper.guard"], capture_output=True, text=True, check=True
    ).stderr
    assert not re.search(r"\| +(requests|sh|docker|urllib3|asyncio|threading|subprocess|keeper\.core)", imported)


def test_a_full_disk(node: StandIn, tmp_path: Path) -> None:
    """The report's place was taken before: nothing that fills the disk later keeps it from being written."""
    require(os.geteuid() == 0, "a small file system needs root")
    place = Path(f"/tmp/keeper-guard-full-{os.getpid()}")
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "keeper-test", place], check=False)
    require(mounted.returncode == 0, "a small file system cannot be mounted here")
    try:
        guard = GuardProcess(place)
        guard.start()
        with suppress(OSError), (place / "rest").open("wb") as rest:
            while True:
                rest.write(b"x" * 4096)
                rest.flush()
        guard.arm(since_boot(), duty(node))
        assert fired(place)["step"] == "paused"
        with suppress(GuardFired):
            guard.disarm()
        guard.close()
        eventually(lambda: not guards(place), "the guard to end")
    finally:
        for pid in guards(place):
            os.kill(pid, signal.SIGKILL)
        subprocess.run(["umount", "-l", place], check=True)
        place.rmdir()


def test_words_it_does_not_know(place: Path, node: StandIn, seed: int) -> None:
    """A wrong ladder has its sentence; nonsense gets an answer or none, and the guard stays at its post."""
    guard = GuardProcess(place)
    guard.start()
    at = since_boot() + 60
    for wrong in (duty(node)._replace(kill="nodeos"), duty(node)._replace(api="https://x")):
        with pytest.raises(GuardLost, match=r"the guard cannot do that: '(nodeos|https://x)' is no"):
            guard.arm(at, wrong)
    guard.arm(at, duty(node))
    guard.close()
    chance = random.Random(seed)
    words = [b"arm", b"disarms", b"look", b"\n", b"nan", b"1e999", b"\xff\xfe", b"0", b"resume\n", b"x" * 20_000]
    for _ in range(100):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.connect(str(place / SOCKET))
            line.send(b"".join(chance.choices(words, k=chance.randrange(1, 6))))
    guard.start()
    assert guard.armed_until() == at
    assert last_report(place) is None


def test_one_guard_in_a_directory(place: Path, node: StandIn) -> None:
    """A second one refuses, and the first one is not disturbed."""
    guard = GuardProcess(place)
    guard.start()
    guard.arm(since_boot() + 60, duty(node))
    command = [sys.executable, "-m", "keeper.guard", str(place)]
    second = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=20, check=False)
    assert (second.returncode, second.stderr) == (3, f"keeper guard: another guard runs in {place}\n")
    assert guard.armed_until() is not None


@pytest.mark.parametrize("text", ["{", "[]", "nonsense", "\x00"])
def test_a_report_that_is_none(place: Path, text: str) -> None:
    """It is no "nothing happened"."""
    (place / REPORT).write_text(text)
    with pytest.raises(KeeperError, match="is no report of a guard: look what the node does, and delete it"):
        last_report(place)


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    """The guard's own end is the reason."""
    with pytest.raises(GuardLost, match=r"the guard did not get ready \(it ended with 1\)"):
        GuardProcess(tmp_path / "none").start()
