"""What the receiver takes in: durable before each answer, by itself and while a worker stores, beside the server of
before (bench/seed_server.py: append, flush and lock, not durable), and beside itself with beanstalkd as the queue,
which syncs each put (`-f 0`). Then 10,000 requests of 300 clients from the first byte until all is stored, and how fast
one worker stores what waits.

The server has one processor core, with all that belongs to it, and the load (bench/load.py) the other. They take turns;
of several runs the one with the most requests counts: what else the machine does only ever makes them fewer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.cost import cpu_seconds, memory
from bench.figures import Figure, at_least, below
from bench.load import Load
from tests.peers import free_port
from tests.peers.ask import eventually, listens
from tests.peers.beanstalkd import Beanstalkd
from tests.peers.process import Program
from tests.receiver.receiver_process import ReceiverProcess

SECONDS, TIMES = 4.0, 3  # of each run; of each server
CONNECTIONS = 64
TO_SEED, TO_BEANSTALKD = 5.0, 3.0
P99 = 30.0  # ms
REQUESTS, CLIENTS = 10_000, 300
ACCEPTED, DRAINED = 3.0, 2.0  # s
ROWS = 100_000.0  # a second
MEMORY = 200.0  # MiB


def figures(directory: Path, quick: bool) -> Iterator[Figure]:
    seconds, times = (0.3, 1) if quick else (SECONDS, TIMES)
    with one_core():
        yield from taking_in(directory, seconds, times)
        yield from of_many_clients(directory, 600 if quick else REQUESTS)
        yield from storing(directory, 2_000 if quick else 400_000)


class Taken(NamedTuple):
    """One run: what the load says, what the server held at its end, in MiB, and the processor time a request cost it
    (user and system, in us), which tells more than the rate on a machine that has other things to do."""

    load: Load
    memory: float
    cost: float


def taking_in(directory: Path, seconds: float, times: int) -> Iterator[Figure]:
    """Bodies of 1 KiB over 64 connections."""
    servers: dict[str, Callable[[Path], Taken]] = {
        "seed server, lines": lambda place: seed(place, seconds),
        "beanstalkd -f 0, lines": lambda place: beanstalkd(place, seconds),
        "keeper, lines": lambda place: keeper(place, "lines", seconds, "workers = 0"),
        "keeper, JSON": lambda place: keeper(place, "json", seconds, "workers = 0"),
        "keeper, Thrift": lambda place: keeper(place, "thrift", seconds, "workers = 0"),
        "keeper, lines, and a worker": lambda place: keeper(place, "lines", seconds, "workers = 1"),
        "keeper, JSON, and a worker": lambda place: keeper(place, "json", seconds, "workers = 1"),
    }
    best: dict[str, Taken] = {}
    for turn in range(times):
        for name, run in servers.items():
            taken = run(directory / f"{name.replace(' ', '-')}-{turn}")
            if name not in best or taken.load.rate > best[name].load.rate:
                best[name] = taken
    for name, taken in best.items():
        yield Figure(f"1 KiB, {CONNECTIONS} connections: {name}", told(taken))
    cost = best["seed server, lines"].cost / best["keeper, lines"].cost
    lines, seeds, peers = (
        best[name].load.rate for name in ("keeper, lines", "seed server, lines", "beanstalkd -f 0, lines")
    )
    yield at_least("keeper to the seed server", lines / seeds, TO_SEED, "x")
    yield Figure("keeper to the seed server, by processor time", f"{cost:.2f} x")
    yield at_least("keeper to beanstalkd -f 0", lines / peers, TO_BEANSTALKD, "x")
    for name, taken in best.items():
        if name.startswith("keeper"):
            yield below(f"{name}: p99", taken.load.p99 * 1000, P99, "ms")
    yield below("keeper, the most memory of the server", max(taken.memory for taken in best.values()), MEMORY, "MiB")


def of_many_clients(directory: Path, requests: int) -> Iterator[Figure]:
    """The run that the old platform was measured with: 30 s, and 32 s until all was stored."""
    for name, options in (("", ()), (", a connection for each", ("--fresh",))):
        with ReceiverProcess(directory / f"clients{len(options)}", "workers = 1") as receiver:
            load = sent(receiver.address, "json", "--connections", str(CLIENTS), "--total", str(requests), *options)
            began = time.perf_counter()
            receiver.drain()
            drained = time.perf_counter() - began
            receiver.stop()
            stored = len(receiver.rows())
        assert stored == requests, f"{stored} of {requests} packets are stored"
        what = f"{requests:,} requests of {CLIENTS} clients{name}"
        yield below(f"{what}: accepted in", load.seconds, ACCEPTED, "s")
        yield below(f"{what}: stored after that in", drained, DRAINED, "s")


def storing(directory: Path, rows: int) -> Iterator[Figure]:
    """What waits is brought into SQLite by one worker: packets of one event, short and long, and of 20."""
    for shape, size, events in (("json", 150, 1), ("json", 1024, 1), ("twenty", 1024, 20)):
        what = f"one worker into SQLite, packets of {size} bytes with {events}"
        with ReceiverProcess(directory / f"storing-{size}-{events}", "workers = 0", "queue_bytes = 4GiB") as receiver:
            options = ("--size", str(size), "--total", str(rows // events), "--connections", str(CONNECTIONS))
            sent(receiver.address, shape, *options)
            receiver.stop()
            receiver.configure("workers = 1", "queue_bytes = 4GiB")
            receiver.start()
            rate, held = pace(receiver, rows)
        yield at_least(what, rate, ROWS, "rows/s")
        yield below(f"{what}: its memory", held, MEMORY, "MiB")


def pace(receiver: ReceiverProcess, rows: int) -> tuple[float, float]:
    """Rows a second from its first report until the one that says that all is stored; the worker's memory then."""

    def stored() -> int:
        return int(receiver.status()["workers"][0]["events"])

    first = eventually(stored, "the first batch", every=0.01)
    began = time.perf_counter()
    eventually(lambda: stored() == rows, "all to be stored", 120, every=0.02)
    took = time.perf_counter() - began
    return (rows - first) / took if rows > first else rows / took, memory(receiver.workers()[0])


def seed(place: Path, seconds: float) -> Taken:
    place.mkdir()
    port = free_port()
    argv = [sys.executable, "-m", "bench.seed_server", str(port), str(place)]
    with Program("seed server", argv, place / "log") as server:
        server.start(lambda: listens(port))
        taken = measured(server.pid, f"127.0.0.1:{port}", "lines", seconds)
    written = sum(file.stat().st_size for file in place.glob("*.dat"))
    requests = taken.load.requests
    assert written > requests * 900, f"{written} bytes are written of {requests} lines"
    return taken


def keeper(place: Path, shape: str, seconds: float, *options: str) -> Taken:
    with ReceiverProcess(place, *options) as receiver:
        taken = measured(receiver.pid, receiver.address, shape, seconds)
        packets = sum(one["packets"] for one in receiver.status()["inputs"].values())
        assert packets == taken.load.requests, f"{packets} packets are counted of {taken.load.requests} requests"
    return taken


def beanstalkd(place: Path, seconds: float) -> Taken:
    with Beanstalkd(place) as queue:
        return keeper(place, "lines", seconds, "workers = 0", f"queue = beanstalkd:{queue.address}/bench")


def measured(pid: int, address: str, shape: str, seconds: float) -> Taken:
    before = cpu_seconds(pid)
    load = sent(address, shape, "--seconds", str(seconds))
    return Taken(load, memory(pid), (cpu_seconds(pid) - before) * 1e6 / load.requests)


def sent(address: str, shape: str, *options: str) -> Load:
    """Send from the other core; every answer is 200, or the run means nothing."""
    argv = [sys.executable, "-m", "bench.load", address, "--shape", shape, "--core", str(cores()[-1]), *options]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    load = Load(**json.loads(ran.stdout))
    assert (set(load.answers), load.broken) == ({"200"}, 0), load
    return load


@contextmanager
def one_core() -> Iterator[None]:
    """All that is started meanwhile runs on the first core, but for the load."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores()[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def cores() -> list[int]:
    return sorted(range(os.cpu_count() or 1))


def told(taken: Taken) -> str:
    load = taken.load
    times = f"p50 {load.p50 * 1000:.1f}, p99 {load.p99 * 1000:.1f}, longest {load.longest * 1000:.0f} ms"
    return f"{load.rate:,.0f} /s, {taken.cost:.0f} us of processor each; {times}"
