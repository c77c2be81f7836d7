"""What a running keeper costs: one node at its usual pace, and 200 busy logs beside mtail on the same logs.

Processor time is that of the process and all its threads, from the kernel, over some time after everything has settled.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.cost import cpu_seconds, memory
from bench.figures import Figure, below
from tests.deploy.scripted_node import OURS, ScriptedNode
from tests.peers import free_port
from tests.peers.ask import answers
from tests.peers.process import Program
from tests.scenarios.keeper_process import KeeperProcess

SECONDS = 60.0
SETTLE = 20.0  # the first status, the first answers of everybody, the first minute of memory's growth
ONE_CPU = 1.0  # % of a core
ONE_MEMORY = 60.0  # MiB
LOGS = 200
RATE = 10.0  # lines a second of each
MANY_CPU = 30.0

PATTERNS = {"refused": r"connection to \S+ refused", "slow": r"taken by \S+ in \d{4,} ms"}
# mtail with the same patterns, told apart by log as keeper does.
MTAIL = """\
counter refused by log
counter slow by log
/connection to \\S+ refused/ {
  refused[getfilename()]++
}
/taken by \\S+ in \\d{4,} ms/ {
  slow[getfilename()]++
}
"""


def figures(directory: Path, quick: bool) -> Iterator[Figure]:
    settle, seconds = (3.0, 2.0) if quick else (SETTLE, SECONDS)
    yield from one_node(directory / "one", settle, seconds)
    yield from many_logs(directory / "many", settle, seconds, 5 if quick else LOGS)


def one_node(directory: Path, settle: float, seconds: float) -> Iterator[Figure]:
    """Two lines a second, an API asked once a second, its details and a reference node."""
    directory.mkdir()
    log = directory / "nodeos.log"
    with ScriptedNode(log) as node:
        settings = f"[node]\nproducer = {OURS}\nrole = A\nlog = file:{log}\n"
        settings += f"api = {node.url}\nreference_apis = {node.url}\n"
        with KeeperProcess(directory, "one", settings) as keeper:
            time.sleep(settle)
            (cpu,) = spent([lambda: cpu_seconds(keeper.pid)], seconds)
            held = memory(keeper.pid)
            lines = keeper.metric("keeper_source_lines_total", source="log")
            assert lines > settle, f"keeper has seen only {lines} lines"
    yield below(f"one node over {seconds:g} s: processor", 100 * cpu, ONE_CPU, "% of a core")
    yield below(f"one node over {seconds:g} s: memory", held, ONE_MEMORY, "MiB")


def many_logs(directory: Path, settle: float, seconds: float, count: int) -> Iterator[Figure]:
    """Busy logs with two patterns each, followed by keeper and by mtail at the same time."""
    directory.mkdir()
    logs = directory / "logs"
    logs.mkdir()
    for number in range(count):
        (logs / f"log{number}.log").touch()
    mtail = mtail_on(logs, directory / "mtail")
    argv = [sys.executable, "-m", "bench.writer", str(logs), str(count), str(RATE)]
    writer = Program("writer", argv, directory / "writer.out")
    with ExitStack() as stack:
        keeper = stack.enter_context(KeeperProcess(directory, "many", configuration(logs, count)))
        stack.enter_context(mtail)
        stack.enter_context(writer)
        writer.start(lambda: (logs / f"log{count - 1}.log").stat().st_size)
        time.sleep(settle)
        before = [keeper.metric("keeper_source_lines_total", subject=f"log{number}") for number in range(count)]
        ours, theirs = spent([lambda: cpu_seconds(keeper.pid), lambda: cpu_seconds(mtail.pid)], seconds)
        after = [keeper.metric("keeper_source_lines_total", subject=f"log{number}") for number in range(count)]
        rate = min(b - a for a, b in zip(before, after, strict=True)) / seconds
        assert rate > 0.9 * RATE, f"of one log keeper has read only {rate:.1f} lines a second"
        held = memory(keeper.pid)
    what = f"{count} logs of {RATE:g} lines/s over {seconds:g} s"
    yield below(f"{what}: processor", 100 * ours, MANY_CPU, "% of a core")
    yield Figure(f"{what}: memory", f"{held:.1f} MiB")
    yield Figure(f"{what}: mtail's processor", f"{100 * theirs:.2f} % of a core")
    yield Figure(f"{what}: keeper to mtail, processor", f"{ours / max(theirs, 0.0001):.2f} x")


def configuration(logs: Path, count: int) -> str:
    patterns = "\n".join(f"pattern.{name} = {pattern}" for name, pattern in PATTERNS.items())
    watched = [f"[log:log{number}]\nlog = file:{logs}/log{number}.log\n{patterns}\n" for number in range(count)]
    # They are found all the time; an alert is not what is measured here.
    return "\n".join([*watched, "[rule:pattern_seen]\ncount = 4000\n"])


def mtail_on(logs: Path, directory: Path) -> Program:
    """A running mtail, as Debian starts it."""
    mtail = shutil.which("mtail")
    assert mtail, "mtail is not installed; `make peers` installs it"
    directory.mkdir()
    (directory / "logs.mtail").write_text(MTAIL)
    port = free_port()
    argv = [mtail, f"--progs={directory}", f"--log_dir={directory}", f"--logs={logs}/*.log", f"--port={port}"]
    program = Program("mtail", [*argv, "--address=127.0.0.1"], directory / "mtail.out")
    program.start(lambda: answers(f"http://127.0.0.1:{port}/metrics"))
    return program


def spent(counters: list[Callable[[], float]], seconds: float) -> list[float]:
    """The share of a core each spends over so many seconds."""
    began, before = time.monotonic(), [counter() for counter in counters]
    time.sleep(seconds)
    took = time.monotonic() - began
    return [(counter() - then) / took for counter, then in zip(counters, before, strict=True)]
