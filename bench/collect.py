"""`keeper collect` of the log of a busy agent against the program one would write (collect_baseline.py) and against
`zcat LOG | grep -c`, all as whole processes over the same log, in turns; two logs at the same time against one; and
how much memory a log of 10 GB takes in which 100,000 packets were not answered.

Of several runs the fastest counts: what else the machine does only ever makes them slower.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.cost import Cost, run
from bench.figures import Figure, at_least, below

MINUTES = 99  # of log: 2 million lines, 720 MB
TIMES = 5  # runs of each
BIG_MINUTES = 1_430  # 10.1 GB
UNANSWERED = 70  # packets of each of those minutes: 100,100
MEMORY = 120.0  # MiB
TO_BASELINE = 8.0
TO_GREP = 1.0
TWO_TO_ONE = 1.8  # times the throughput of one log on one core

KEEPER = Path(sys.executable).with_name("keeper")


def figures(directory: Path, quick: bool) -> Iterator[Figure]:
    minutes, times = (2, 1) if quick else (MINUTES, TIMES)
    log, truth = written(directory / "one", minutes)
    other, _ = written(directory / "two", minutes, "--start", str(minutes))
    yield from compared(directory, log, truth, times)
    yield from side_by_side(directory, log, other, times)
    log.unlink()
    other.unlink()
    yield from memory(directory, 3 if quick else BIG_MINUTES)


def compared(directory: Path, log: Path, truth: Path, times: int) -> Iterator[Figure]:
    """keeper, the baseline and grep over one log."""
    ours, theirs = directory / "keeper", directory / "baseline"
    grep = ["sh", "-c", f"zcat {shlex.quote(str(log))} | grep -c 'sendThrift LIST'"]
    keeper, baseline, grepped = [], [], []
    for _ in range(times):
        keeper.append(collected(ours, log))
        baseline.append(new(theirs, [sys.executable, "-m", "bench.collect_baseline", str(theirs), str(log)]))
        grepped.append(run(grep, directory / "grep.out"))
    report = agree(ours, theirs, truth)
    assert int((directory / "grep.out").read_text()) == report["packets"]["sent"], "grep counted other packets"
    lines, size = report["logs"][0]["lines"], report["logs"][0]["bytes"]
    what = f"collect of {lines:,} lines, {size / 1e6:,.0f} MB"
    yield Figure(f"{what}: keeper", told(keeper, size))
    yield Figure(f"{what}: baseline", told(baseline, size))
    yield Figure(f"{what}: zcat to grep -c", told(grepped, size))
    for name, peer, target in (("baseline", baseline, TO_BASELINE), ("zcat to grep -c", grepped, TO_GREP)):
        yield at_least(f"{what}: keeper to {name}", fastest(peer, wall) / fastest(keeper, wall), target, "x")
        ratio = fastest(peer, cpu) / fastest(keeper, cpu)
        yield at_least(f"{what}: keeper to {name}, processor time", ratio, target, "x")


def side_by_side(directory: Path, log: Path, other: Path, times: int) -> Iterator[Figure]:
    """Two logs on two cores, and one on one core; by itself keeper would unpack one log on the second."""
    out = directory / "side"
    one, alone, two = [], [], []
    for _ in range(times):
        one.append(collected(out, log, "--jobs", "1"))
        alone.append(collected(out, log, "--jobs", "2"))
        two.append(collected(out, log, other, "--jobs", "2", started=spread))
    both = fastest(two, wall)
    yield at_least("two logs on two cores to one on one, throughput", 2 * fastest(one, wall) / both, TWO_TO_ONE, "x")
    yield Figure("two logs on two cores to one on two, throughput", f"{2 * fastest(alone, wall) / both:.2f} x")
    yield Figure("two logs to one, processor time", f"{fastest(two, cpu) / fastest(one, cpu):.2f} x")


def memory(directory: Path, minutes: int) -> Iterator[Figure]:
    """The most that keeper holds, over a log far larger than memory should be. It is unpacked as it is read: on disk
    there are 2.4 of the 10 GB."""
    log, truth = written(directory / "big", minutes, "--unanswered", str(UNANSWERED), "--quickly")
    out = directory / "big.collected"
    cost = collected(out, log)
    report = json.loads((out / "report.json").read_text())
    assert undelivered(out) == truth.read_text().splitlines(), "keeper collected other packets than were not answered"
    size, silent = report["logs"][0]["bytes"], report["packets"]["unanswered"]
    what = f"collect of {size / 1e9:.1f} GB, {silent:,} unanswered"
    yield below(f"{what}: memory", cost.peak, MEMORY, "MiB")
    yield Figure(f"{what}: keeper", told([cost], size))


def written(path: Path, minutes: int, *options: str) -> tuple[Path, Path]:
    """A new log, and the packets of it that were not delivered. Another process makes them: what this one holds is
    counted for those it starts."""
    log, truth = path.with_suffix(".gz"), path.with_suffix(".truth")
    run([sys.executable, "-m", "bench.statistic_log", str(log), str(truth), str(minutes), *options], path)
    return log, truth


def collected(out: Path, *arguments: Path | str, started: Callable[[int], None] = lambda pid: None) -> Cost:
    return new(out, [str(KEEPER), "collect", "-o", str(out), *map(str, arguments)], started)


def new(out: Path, argv: list[str], started: Callable[[int], None] = lambda pid: None) -> Cost:
    """Run a program that makes a folder which must not exist."""
    shutil.rmtree(out, ignore_errors=True)
    return run(argv, out.with_suffix(".out"), started)


def spread(pid: int) -> None:
    """Give each of the two workers of a process a core of its own. Kernels of virtual machines that pack what runs onto
    few cores (`sched_vcpu_pack`) leave both on one."""
    cores = sorted(os.sched_getaffinity(0))
    workers: list[str] = []
    until = time.monotonic() + 5.0
    while len(workers) < 2 and time.monotonic() < until:
        time.sleep(0.01)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        with suppress(FileNotFoundError, ProcessLookupError):  # one has ended
            workers = [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    for number, worker in enumerate(workers):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(worker), {cores[number % len(cores)]})


def wall(cost: Cost) -> float:
    return cost.wall


def cpu(cost: Cost) -> float:
    return cost.cpu


def fastest(costs: list[Cost], what: Callable[[Cost], float]) -> float:
    return min(what(cost) for cost in costs)


def told(costs: list[Cost], size: int) -> str:
    seconds = fastest(costs, wall)
    return f"{seconds:.2f} s, {fastest(costs, cpu):.2f} s of processor, {size / 1e6 / seconds:,.0f} MB/s"


def agree(ours: Path, theirs: Path, truth: Path) -> dict[str, Any]:
    """Both have found the same packets, and those that were not delivered, or the comparison means nothing.
    AssertionError if not; else keeper's report."""
    for name in ("collected-unsent", "collected-no-response"):
        found, known = (sorted((folder / name).read_bytes().splitlines()) for folder in (ours, theirs))
        assert found == known, f"{name}: keeper found {len(found)} packets, the baseline {len(known)}, and not the same"
    assert undelivered(ours) == truth.read_text().splitlines(), "both found other packets than were not delivered"
    report: dict[str, Any] = json.loads((ours / "report.json").read_text())
    return report


def undelivered(folder: Path) -> list[str]:
    """What a collection holds, as the truth is written."""
    with (folder / "collected-index").open() as lines:
        return [f"{one['id']} {one['key']} {one['code'] or '-'}" for one in map(json.loads, lines)]
