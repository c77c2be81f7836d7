"""What a program costs: time on the wall, time of the processor, memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Of one run of a program. `wall`, `user` and `system` in seconds; `peak` is the most memory it held, or any one of
    the processes it started, in MiB. (Never less than what the process held that started it: Linux counts that, too.)

    On a machine others work on, processor time is the fairer figure: the wall counts their work too.
    """

    wall: float
    user: float
    system: float
    peak: float

    @property
    def cpu(self) -> float:
        return self.user + self.system


def run(argv: Sequence[str], output: Path, started: Callable[[int], None] = lambda pid: None) -> Cost:
    """Run a program to its end with its output in a file; `started` is told its process once it runs. AssertionError
    with its words when it fails."""
    errors = output.with_suffix(".err")
    with output.open("wb") as out, errors.open("wb") as err:
        began = time.perf_counter()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        started(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{argv[0]} ended with {process.returncode}: {errors.read_text()[-2000:]}"
    return Cost(wall, used.ru_utime, used.ru_stime, used.ru_maxrss / 1024)


def cpu_seconds(pid: int) -> float:
    """Processor time a running process, all its threads, has used so far (user and system; the kernel counts hundredths
    of a second)."""
    # The name of the program stands in parentheses and may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory(pid: int) -> float:
    """What a running process holds in memory (RSS), in MiB."""
    return _memory(pid, "VmRSS")


def peak(pid: int) -> float:
    """The most that a running process has held, and not who started it, in MiB."""
    return _memory(pid, "VmHWM")


def _memory(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has no {what}: it ended")
