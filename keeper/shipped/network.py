"""What went through the network interfaces."""

from __future__ import annotations

from keeper.shipped.point import Point, Say, tag
from keeper.shipped.procfs import text

MOST = 64  # interfaces

# Besides loopback: what containers and virtual machines bring with them: their names come and go, and what they
# carry to other hosts goes through a real one as well.
INNER = ("veth", "docker", "br-", "virbr", "vnet", "tap", "cali", "cni", "flannel", "cilium", "lxc", "ifb")

# The places in a line of proc(5): `face |bytes packets errs drop fifo frame compressed multicast|bytes ...`
FIELDS = ("bytes", "packets", "errs", "dropped")
SENT = 8


class Interfaces:
    """All of them, or those to other hosts."""

    def __init__(self, inner: bool, say: Say) -> None:
        self._inner = inner
        self._say = say

    def __call__(self) -> list[Point]:
        found = interfaces(text("/proc/net/dev"))
        names = [name for name in found if self._inner or not (name == "lo" or name.startswith(INNER))]
        if len(names) > MOST:
            self._say(f"network: more than {MOST} interfaces, only the first {MOST} are shown")
        return traffic({name: found[name] for name in names[:MOST]})


def interfaces(dev: str) -> dict[str, list[int]]:
    """Read /proc/net/dev. Kernels before 2.6.39 leave no space between a name and a long number."""
    lines = (line.rpartition(":") for line in dev.split("\n") if ":" in line)
    return {name.strip(): [int(number) for number in numbers.split()] for name, _, numbers in lines}


def traffic(found: dict[str, list[int]]) -> list[Point]:
    return [
        (f"proc.net.{field}", numbers[first + place], f"iface={tag(name)} direction={direction}")
        for name, numbers in found.items()
        for place, field in enumerate(FIELDS)
        for direction, first in (("in", 0), ("out", SENT))
    ]
