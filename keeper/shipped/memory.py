"""What the host's memory is used for, and whether it is short of it."""

from __future__ import annotations

from keeper.shipped.point import Point
from keeper.shipped.pressure import pressure
from keeper.shipped.procfs import text, text_if_any

KEPT = """
    memtotal memfree memavailable buffers cached swapcached active inactive unevictable mlocked swaptotal swapfree
    zswap zswapped dirty writeback anonpages mapped shmem kreclaimable slab sreclaimable sunreclaim kernelstack
    pagetables commitlimit committed_as percpu hardwarecorrupted anonhugepages hugepages_total hugepages_free
    hugepages_rsvd hugepages_surp hugepagesize
"""


def memory() -> list[Point]:
    """Ask the kernel. Raises FileNotFoundError where there is no /proc."""
    return [*meminfo(text("/proc/meminfo")), *pressure(text_if_any("/proc/pressure/memory"), "memory")]


def meminfo(told: str) -> list[Point]:
    """Read /proc/meminfo: bytes of what it tells in kB, as tcollector since 1.2, and numbers of huge pages."""
    kept = KEPT.split()
    points: list[Point] = []
    for line in told.splitlines():
        name, _, rest = line.partition(":")
        if name.lower() in kept:
            number, *unit = rest.split()
            points.append((f"proc.meminfo.{name.lower()}", int(number) * (1024 if unit else 1), ""))
    return points
