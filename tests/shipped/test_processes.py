"""Processes by name, against processes of our own."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from keeper.shipped.lives import Lives
from keeper.shipped.process import Processes, limit
from tests.peers.ask import eventually
from tests.peers.process import Program, run
from tests.shipped.golden import refuse
from tests.shipped.running import Said, command, once, read, value

WORKER = Path(__file__).parent / "worker.py"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def name() -> str:
    """A name nobody else bears, also not a test that runs at the same time; 15 bytes is what the kernel keeps."""
    return f"w{os.getpid()}.{time.monotonic_ns() % 10**6}"[:15]


@pytest.fixture
def start(name: str) -> Iterator[Start]:
    """Start workers of that name, ready when it returns."""
    with ExitStack() as running:

        def one(mebibytes: int = 1, files: int = 0, threads: int = 0) -> subprocess.Popen[str]:
            argv = [sys.executable, "-I", str(WORKER), name, *map(str, (mebibytes, files, threads))]
            process = running.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
            running.callback(process.kill)
            assert process.stdout is not None
            assert int(process.stdout.readline()) == process.pid
            return process

        yield one


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(20)


def status(pid: int, field: str) -> int:
    found = re.search(rf"(?m)^{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def test_a_process_is_told_as_it_is(start: Start, name: str) -> None:
    """Memory, files, threads, CPU time and uptime of one that we know."""
    process = start(mebibytes=64, files=17, threads=3)
    said = once(f"process:{name}")
    assert {one.tags["name"] for one in said} == {name}
    assert value(said, "proc.process.count") == 1
    assert value(said, "proc.process.restarts") == 0
    rss = value(said, "proc.process.rss_bytes")
    assert rss > 64 << 20
    assert abs(rss - status(process.pid, "VmRSS") * 1024) < 2 << 20
    assert value(said, "proc.process.vsize_bytes") == status(process.pid, "VmSize") * 1024
    assert value(said, "proc.process.threads") == 4
    assert value(said, "proc.process.fds") == len(list(Path(f"/proc/{process.pid}/fd").iterdir())) >= 3 + 17
    assert value(said, "proc.process.fds_limit") == resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0]
    assert 0.02 < value(said, "proc.process.cpu_seconds") < 60
    assert 0 <= value(said, "proc.process.uptime_seconds") < 60


def test_processes_of_one_name_are_added_up(start: Start, name: str) -> None:
    """Two of them, twice as much of everything."""
    start(mebibytes=32, files=5)
    start(mebibytes=32, files=5, threads=1)
    said = once(f"process:{name}")
    assert value(said, "proc.process.count") == 2
    assert value(said, "proc.process.rss_bytes") > 64 << 20
    assert value(said, "proc.process.threads") == 3
    assert value(said, "proc.process.fds") >= 2 * (3 + 5)


def test_a_process_that_is_not_there_is_none() -> None:
    """Which is worth a line, as an alarm hangs on it."""
    said = once("process:no-such-process")
    assert [(one.metric, one.value) for one in said] == [("proc.process.count", 0), ("proc.process.restarts", 0)]


def test_a_process_is_found_by_the_file_name_in_argv(name: str) -> None:
    """The kernel calls it `sleep`; who started it called it something else, longer than the kernel keeps."""
    called = f"{name}-and-a-longer-name"
    with subprocess.Popen([f"/opt/x y/{called}", "1000"], executable="/bin/sleep") as process:
        try:
            eventually(lambda: value(once(f"process:{called}"), "proc.process.count") == 1, "it to be found")
        finally:
            process.kill()


def test_what_has_ended_is_not_counted_though_nobody_asked_for_its_end(start: Start, name: str) -> None:
    """A zombie has a name, and nothing else."""
    process = start()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert value(once(f"process:{name}"), "proc.process.count") == 0


def test_a_restart_is_counted(start: Start, name: str, tmp_path: Path) -> None:
    """Killed: 0 of them. Started again: 1, and one restart. CPU time goes on from where it was."""
    log = tmp_path / "out"

    def last(metric: str) -> Said:
        told = [one for one in map(read, log.read_text().splitlines()) if one.metric == f"proc.process.{metric}"]
        return told[-1]

    process = start()
    with Program("proc", command("--every", "1", f"process:{name}"), log) as program:
        program.start(lambda: "count" in log.read_text())
        assert (last("count").value, last("restarts").value) == (1, 0)
        used = last("cpu_seconds").value
        end(process)
        eventually(lambda: last("count").value == 0, "the end to be seen")
        assert last("restarts").value == 0
        start()
        eventually(lambda: (last("count").value, last("restarts").value) == (1, 1), "the restart to be seen")
        eventually(lambda: last("cpu_seconds").value > used, "its CPU time to be added")
        assert program.stop() == 0


def test_more_of_them_are_no_restart(start: Start, name: str) -> None:
    """A pool that grows, shrinks and grows: only who takes the place of one that has gone was started again."""
    processes = Processes([name], refuse)

    def told() -> dict[str, int | str]:
        return {metric.removeprefix("proc.process."): number for metric, number, _ in processes()}

    start()
    assert (told()["count"], told()["restarts"]) == (1, 0)
    second = start()
    assert (told()["count"], told()["restarts"]) == (2, 0)
    end(second)
    assert (told()["count"], told()["restarts"]) == (1, 0)
    start()
    assert (told()["count"], told()["restarts"]) == (2, 1)
    start()
    assert (told()["count"], told()["restarts"]) == (3, 1)


def test_lives_hold_numbers_and_only_those_that_are_alive() -> None:
    """A thousand that come and go: 999 restarts, all their time, and nothing kept of them."""
    lives = Lives()
    for born in range(1000):
        lives.see({("7", born): 5})
    assert (lives.restarts, lives.cpu) == (999, 5000)
    lives.see({})
    assert (lives.restarts, lives.cpu) == (999, 5000)
    assert len(lives._alive) == 0


def test_a_pid_that_is_given_again_is_another_process() -> None:
    """The same number, another start."""
    lives = Lives()
    lives.see({("7", 100): 50})
    lives.see({("7", 100): 60})
    assert (lives.restarts, lives.cpu) == (0, 60)
    lives.see({("7", 900): 1})
    assert (lives.restarts, lives.cpu) == (1, 61)


def test_a_process_that_starts_another_program_is_found_under_its_new_name(name: str) -> None:
    """What was read of a pid before exec(2) does not stick to it."""
    processes = Processes([name], refuse)
    script = f"read line; exec -a /opt/{name} sleep 1000"
    with subprocess.Popen(["bash", "-c", script], stdin=subprocess.PIPE, text=True) as process:
        try:
            assert processes()[0] == ("proc.process.count", 0, f"name={name}")
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            eventually(lambda: processes()[0] == ("proc.process.count", 1, f"name={name}"), "it to be found")
        finally:
            process.kill()


def test_files_that_another_user_keeps_to_himself_are_left_out_and_told_of_once() -> None:
    """Everything else is told. Where the kernel gives the number to everybody (Linux 6.2) there is nothing to tell of.

    A process without a single open file looks, by the size of its folder, like one on an older kernel.
    """
    if os.geteuid():
        pytest.skip("it takes root to be two users")
    name = f"q{os.getpid()}"
    script = f"""if True:
        import os, signal
        open("/proc/self/comm", "w").write("{name}")
        os.closerange(0, 100)
        signal.pause()
    """
    looks = f"""if True:
        import os
        from keeper.shipped.process import Processes, limit
        os.setresuid(65534, 65534, 65534)
        told = []
        processes = Processes(["{name}"], told.append)
        print(sorted(point[0].rpartition(".")[2] for point in processes()), told)
    """
    with subprocess.Popen([sys.executable, "-I", "-c", script]) as process:
        try:
            eventually(lambda: not list(Path(f"/proc/{process.pid}/fd").iterdir()), "it to have closed its files")
            seen = run([sys.executable, "-c", looks])
        finally:
            process.kill()
    metrics = "['count', 'cpu_seconds', 'restarts', 'rss_bytes', 'threads', 'uptime_seconds', 'vsize_bytes']"
    complaint = f"['process: {name} belongs to another user: its open files are left out']"
    assert (seen.stdout, seen.stderr) == (f"{metrics} {complaint}\n", "")


def test_a_process_that_is_ending_has_no_limits() -> None:
    """Its file is there, and empty: it counts as gone, and nothing is wrong with the host."""
    with pytest.raises(ProcessLookupError):
        limit("")


def test_processes_come_and_go_while_it_looks(name: str) -> None:
    """A host where something starts and ends at any moment: no complaint, no exception, in a hundred looks."""
    processes = Processes([name, "true"], refuse)
    with subprocess.Popen(["sh", "-c", "while :; do /bin/true; done"]) as busy:
        try:
            for _ in range(100):
                assert processes()[0] == ("proc.process.count", 0, f"name={name}")
        finally:
            busy.kill()
