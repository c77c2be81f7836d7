"""What collector scripts cost: parser and dedup beside a reader of lines, 200 scripts, and one that is hostile.

Processor time is that of keeper and of its runner with all their threads, without that of the scripts.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from bench.cost import cpu_seconds, memory
from bench.figures import Figure, at_least, below
from bench.line_reader import LineReader
from keeper.collectors.dedup import Dedup
from keeper.collectors.terms import Terms
from keeper.core.point import line
from keeper.formats.datapoint import Datapoints
from keeper.runtime.clock import since_boot
from keeper.runtime.runner_process import RunnerProcess
from tests.collectors.folder import Folder
from tests.collectors.test_process import HOSTILE
from tests.scenarios.keeper_process import KeeperProcess

NOW = 1_800_000_000.0
SERIES = 500
ROUNDS = 600
PIECE = 16 << 10  # as the runner reads
REPEATS = 5
RATIO = 2.0
SCRIPTS = 200
INTERVAL = 15
MANY_CPU = 2.0  # % of a core
SETTLE = 20.0
SECONDS = 90.0
DELAY = 100.0  # milliseconds
GROWTH = 8.0  # MiB
# A script of four points that starts nothing itself: `read` is a part of the shell.
SCRIPT = """
read -r up rest < /proc/uptime; at=$((BASE + ${{up%.*}}))
echo "host.load{n} $at $up a=b"; echo "host.mem{n} $at 7 a=b"
echo "host.disk{n} $at 12 a=b"; echo "host.net{n} $at 1 a=b"
"""
# Prints when it prints, ten times a second.
TELLS = """
import time
while True:
    print("at.%s" % {n}, int(time.time() * 1000), repr(time.clock_gettime(time.CLOCK_BOOTTIME)), "a=b", flush=True)
    time.sleep(0.1)
"""


def figures(directory: Path, quick: bool) -> Iterator[Figure]:
    yield from parsing(20 if quick else ROUNDS)
    settle, seconds = (3.0, 17.0) if quick else (SETTLE, SECONDS)
    yield from many_scripts(directory / "many", 5 if quick else SCRIPTS, settle, seconds)
    yield from hostile(directory / "hostile", 3.0 if quick else 15.0)


def parsing(rounds: int) -> Iterator[Figure]:
    """Counters, gauges with decimals, values that seldom change; one line in a thousand is wrong."""
    data = printed(rounds)
    pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]

    def keepers() -> list[str]:
        form, dedup, out = Datapoints(), Dedup(), list[str]()
        for piece in pieces:
            out += [line(point) for point in dedup.take(form.feed(piece, NOW))]
        return out

    def of_lines() -> list[str]:
        reader, out = LineReader(), list[str]()
        for piece in pieces:
            out += reader.feed(piece, NOW)
        return out

    assert [text.split()[:2] for text in keepers()] == [text.split()[:2] for text in of_lines()], "they differ"
    points = rounds * SERIES
    ours, theirs = best(keepers), best(of_lines)
    form, dedup = Datapoints(), Dedup()
    bare = best(lambda: [dedup.take(form.feed(piece, NOW)) for piece in pieces], fresh=1)
    yield Figure("parser and dedup, without writing lines out", f"{points / bare / 1e3:,.0f} k points/s")
    yield Figure("parser, dedup and the lines to be sent", f"{points / ours / 1e3:,.0f} k points/s")
    yield Figure("the same by a reader of lines", f"{points / theirs / 1e3:,.0f} k points/s")
    yield at_least("keeper / reader of lines, processor time", theirs / ours, RATIO, "times")


def printed(rounds: int) -> bytes:
    chance = random.Random(7)
    counters = [chance.randrange(10**6) for _ in range(SERIES)]
    found = []
    for turn in range(rounds):
        at = int(NOW) - 15 * (rounds - turn)
        for n in range(SERIES):
            kind = n % 3
            counters[n] += chance.randrange(10**4)
            value = f"{counters[n]}" if kind == 0 else f"{chance.random() * 100:.2f}" if kind == 1 else f"{turn // 50}"
            found.append(f"proc.net.metric{n % 17} {at} {value} iface=eth{n} direction=in")
        found.append("proc.net.bad nan nan" if turn % 2 else "Traceback (most recent call last):")
    return "\n".join(found).encode() + b"\n"


def best(work: Callable[[], object], fresh: int = REPEATS) -> float:
    """The least processor time of some runs."""
    found = []
    for _ in range(fresh):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def many_scripts(directory: Path, count: int, settle: float, seconds: float) -> Iterator[Figure]:
    folder = Folder(directory / "collectors")
    base = int(time.time() - since_boot())
    for n in range(count):
        folder.put(f"s{n}", SCRIPT.format(n=n).replace("BASE", str(base)), INTERVAL)
    quiet = "[endpoint:x]\nurl = http://127.0.0.1:1\ninterval = 4s\n"
    with (
        KeeperProcess(directory / "keeper", "many", f"[collectors]\ndir = {folder.path}\n") as keeper,
        KeeperProcess(directory / "idle", "idle", quiet) as idle,
    ):
        time.sleep(settle)
        processes = (keeper.pid, runner_of(keeper.pid), idle.pid)
        began, points = time.monotonic(), counted(keeper)
        before = [cpu_seconds(pid) for pid in processes]
        time.sleep(seconds)
        after = [cpu_seconds(pid) for pid in processes]
        passed = time.monotonic() - began
        daemon, its_runner, resting = [100 * (b - a) / passed for a, b in zip(before, after, strict=True)]
        runs = counted(keeper) - points
        held = memory(processes[0]) + memory(processes[1])
    assert runs >= 0.7 * count * 4 * passed / INTERVAL, f"only {runs} points in {passed:.0f} s"
    yield Figure(f"{count} scripts every {INTERVAL} s over {seconds:g} s: keeper itself", f"{daemon:.2f} % of a core")
    yield Figure("its runner", f"{its_runner:.2f} % of a core")
    yield Figure("a keeper with nothing to do but one question every 4 s", f"{resting:.2f} % of a core")
    yield below("keeper and runner", daemon + its_runner, MANY_CPU, "% of a core")
    yield Figure("their memory", f"{held:.1f} MiB")


def counted(keeper: KeeperProcess) -> float:
    return float(sum(one["points"] for one in keeper.status()["collectors"]["collectors"]))


def runner_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    [runner] = [
        int(child) for path in children for child in path.read_text().split()
        if b"keeper.collectors.process" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]  # fmt: skip
    return runner


def hostile(directory: Path, seconds: float) -> Iterator[Figure]:
    """How long five scripts' points take to keeper, without and with a sixth that is hostile."""
    folder = Folder(directory / "collectors")
    for n in range(5):
        folder.put(f"tells{n}", TELLS.format(n=n), by=f"/usr/bin/env -S {sys.executable} -I")
    runner = RunnerProcess(Terms(str(folder.path), uuid4().hex), since_boot)
    try:
        listen(runner, 3.0)
        quiet = listen(runner, seconds)
        before = memory(runner.pid)
        folder.put("hostile", HOSTILE, 5, by=f"/usr/bin/env -S {sys.executable} -I")
        listen(runner, 3.0)
        loud = listen(runner, seconds)
        growth = memory(runner.pid) - before
    finally:
        runner.end(5.0)
    yield Figure("points of five scripts: longest way to keeper, nothing else", f"{1000 * max(quiet):.1f} ms")
    yield Figure("half of them took less, beside a hostile one", f"{1000 * sorted(loud)[len(loud) // 2]:.1f} ms")
    yield below("longest way beside a hostile one", 1000 * max(loud), DELAY, "ms")
    yield below("memory gained by it", growth, GROWTH, "MiB")


def listen(runner: RunnerProcess, seconds: float) -> list[float]:
    """How old each point was when it was heard, seconds."""
    found, until = [], since_boot() + seconds
    while since_boot() < until:
        for message in runner.hear(0.2):
            if message[0] == "points" and message[1].startswith("tells"):
                found += [since_boot() - value for _, _, value in message[3]]
    return found
