"""How busy the host is: load averages, what its CPUs did, what waited for them."""

from __future__ import annotations

from keeper.shipped.point import Point
from keeper.shipped.pressure import pressure
from keeper.shipped.procfs import text, text_if_any

AVERAGES = ("1min", "5min", "15min")

# proc(5). Kernels before 2.6.33 end earlier. tcollector printed `steal` as `guest`.
CPU_TYPES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
COUNTS = ("intr", "ctxt", "processes", "procs_running", "procs_blocked")


def load() -> list[Point]:
    """Ask the kernel. Raises FileNotFoundError where there is no /proc."""
    return [
        *averages(text("/proc/loadavg")),
        *cpus(text("/proc/stat")),
        *pressure(text_if_any("/proc/pressure/cpu"), "cpu"),
    ]


def averages(loadavg: str) -> list[Point]:
    """Read `0.20 0.18 0.12 1/80 11206`."""
    *means, entities, _ = loadavg.split()
    runnable, _, threads = entities.partition("/")
    return [
        *((f"proc.loadavg.{name}", mean, "") for name, mean in zip(AVERAGES, means, strict=True)),
        ("proc.loadavg.runnable", int(runnable), ""),
        ("proc.loadavg.total_threads", int(threads), ""),
    ]


def cpus(stat: str) -> list[Point]:
    """Read /proc/stat: ticks of all CPUs together by type, and the counts of the host."""
    points: list[Point] = []
    for line in stat.splitlines():
        name, _, rest = line.partition(" ")
        if name == "cpu":
            ticks = zip(CPU_TYPES, rest.split(), strict=False)
            points += (("proc.stat.cpu", int(number), f"type={kind}") for kind, number in ticks)
        elif name in COUNTS:
            points.append((f"proc.stat.{name}", int(rest.split(None, 1)[0]), ""))
    return points
