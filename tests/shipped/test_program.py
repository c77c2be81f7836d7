"""The program itself: how it is started, what it says to wrong arguments, and when it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.ask import eventually
from tests.peers.process import Program, run
from tests.shipped.running import PROC, a_round, command, once, read


def test_it_runs_by_its_path_from_anywhere_without_anything_installed(tmp_path: Path) -> None:
    """Python without site-packages, a folder with a space, another working directory."""
    folder = tmp_path / "somewhere else" / "keeper"
    folder.mkdir(parents=True)
    shutil.copy(PROC.parents[1] / "__init__.py", folder)
    shutil.copytree(PROC.parent, folder / "shipped")
    argv = [sys.executable, "-I", "-S", str(folder / "shipped" / "proc.py"), "--once", "load", "process:x"]
    ended = subprocess.run(argv, capture_output=True, text=True, cwd="/", timeout=60, check=True)
    assert ended.stderr == ""
    assert {one.metric for one in a_round(ended)} >= {"proc.loadavg.1min", "proc.process.count"}


def test_it_prints_what_was_asked_for_and_nothing_else() -> None:
    """One subject, its metrics."""
    assert {one.metric.partition(".")[0] for one in once("disk")} == {"df", "proc"}
    assert all(one.metric.startswith("proc.process.") for one in once("process:python"))


def test_its_help_teaches() -> None:
    """Every subject, every option, the exit codes, and lines to copy."""
    told = run(command("--help")).stdout
    for word in ("load", "memory", "disk", "network", "tcp", "process:NAME", "--every", "--once", "--all-disks"):
        assert word in told
    for line in re.findall(r"proc\.py (--once .*)", told):
        once(*line.split())


def test_subjects_and_options_stand_in_any_order() -> None:
    """Also between each other."""
    metrics = {one.metric for one in once("load", "--all-disks", "memory", "--all-interfaces", "process:x")}
    assert metrics >= {"proc.loadavg.1min", "proc.meminfo.memtotal", "proc.process.count"}


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        ((), "Name one or more of load, memory"),
        (("cpu",), "no subject 'cpu': use load, memory, disk, network, tcp or process:NAME"),
        (("process",), "process needs a name: process:nodeos"),
        (("process:",), "process needs a name: process:nodeos"),
        (("process:/usr/bin/nodeos",), "a name without its folder: process:nodeos"),
        (("--every", "0", "load"), "'0' is no whole number of seconds from 1 to 86400"),
        (("--every", "1.5", "load"), "'1.5' is no whole number of seconds"),
        (("--every", "5", "--once", "load"), "not allowed with"),
        (("--al", "load"), "--al"),
    ],
)
def test_a_wrong_argument_ends_it_with_its_cure(arguments: tuple[str, ...], cure: str) -> None:
    """Exit code 2, nothing on stdout, what to write instead on stderr."""
    ended = run(command(*arguments))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert cure in ended.stderr
    assert "--help" in ended.stderr


def test_it_ends_with_13_where_there_is_nothing_for_it() -> None:
    """A host without /proc: it says so and asks not to be started again."""
    hidden = "mount -t tmpfs none /proc && exec " + " ".join(command("load", "memory", "process:x"))
    ended = run(["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else []), "sh", "-c", hidden])
    assert (ended.returncode, ended.stdout) == (13, "")
    assert ended.stderr.splitlines() == [
        "load: this host has no /proc/loadavg: it is left out from now on",
        "memory: this host has no /proc/meminfo: it is left out from now on",
        "process: this host has no /proc/self/comm: it is left out from now on",
    ]


def test_what_is_missing_leaves_the_rest_alone() -> None:
    """A file system over /proc/net without what is asked for."""
    hidden = "mount -t tmpfs none /proc/$$/net && exec " + " ".join(command("--once", "network", "load"))
    ended = run(["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else []), "sh", "-c", hidden])
    assert ended.returncode == 0
    assert ended.stderr == "network: this host has no /proc/net/dev: it is left out from now on\n"
    assert {one.metric for one in a_round(ended)} >= {"proc.loadavg.1min"}


def test_it_prints_round_after_round_until_sigterm(tmp_path: Path) -> None:
    """Flushed at once, a second apart; SIGTERM ends it with 0 in the middle of its sleep."""
    log = tmp_path / "out"
    with Program("proc", command("--every", "1", "load"), log) as program:
        program.start(lambda: log.read_text().count("proc.loadavg.1min") >= 3)
        assert program.stop() == 0
    seconds = [one.at for one in map(read, log.read_text().splitlines()) if one.metric == "proc.loadavg.1min"]
    assert seconds == sorted(set(seconds)), "no second comes twice"


def test_sigterm_ends_it_while_nobody_takes_its_lines() -> None:
    """It is stuck in writing to a full pipe, and obeys nevertheless."""
    with subprocess.Popen(command("--every", "1", "load"), stdout=subprocess.PIPE, pipesize=4096) as process:
        eventually(lambda: stuck(process.pid), "it to be stuck")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def stuck(pid: int) -> bool:
    """True when it waits for room in a pipe."""
    return "pipe_write" in Path(f"/proc/{pid}/wchan").read_text()


def test_it_ends_quietly_when_nobody_reads_it() -> None:
    """At once, not at the next round, which would be tomorrow."""
    with subprocess.Popen(
        command("--every", "86400", "load"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"proc.loadavg.1min ")
        process.stdout.close()
        assert process.wait(20) == 0
        assert process.stderr.read() == b""


def test_it_ends_when_its_parent_has_died(tmp_path: Path) -> None:
    """Within a round, though its stdout, a file, takes all it prints."""
    log = tmp_path / "out"
    script = f"{' '.join(command('--every', '1', 'load'))} > {log} & echo $!; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        eventually(log.read_text, "its first round")
        parent.kill()
    eventually(lambda: ended(pid), "it to end")


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
