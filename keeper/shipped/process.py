"""What the processes of a name use, and how often they were started again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from keeper.shipped.lives import Lives
from keeper.shipped.point import Point, Say, tag

MOST = 256  # processes of one name

TICKS = os.sysconf("SC_CLK_TCK")  # of the times in /proc, per second
PAGE = os.sysconf("SC_PAGE_SIZE")

DEAD = "ZX"  # states of what has ended and only waits to be forgotten

GONE = (FileNotFoundError, ProcessLookupError)


class Stat(NamedTuple):
    """What /proc/PID/stat tells that is of use: times in ticks, the start counted from when the host was booted."""

    state: str
    cpu: int
    threads: int
    start: int
    vsize: int
    rss: int


class Processes:
    """All the names asked for, in one walk through /proc a round."""

    def __init__(self, names: list[str], say: Say) -> None:
        self._lives = {name: Lives() for name in names}
        self._say = say
        self._known: dict[str, tuple[str, str]] = {}  # comm and the name in argv[0], by pid

    def __call__(self) -> list[Point]:
        """Ask the kernel. Raises FileNotFoundError where there is no /proc."""
        self._known = self._look()
        return [point for name in self._lives for point in self._one(name)]

    def _look(self) -> dict[str, tuple[str, str]]:
        """Return all processes. argv is read again only when comm has changed, as it does when a program starts."""
        Path("/proc/self/comm").stat()  # an empty folder is no /proc, and "no such process" would be a lie
        found = {}
        for pid in filter(str.isdigit, _names("/proc")):
            try:
                comm = _read(pid, "comm").removesuffix("\n")
                known = self._known.get(pid, ("", ""))
                found[pid] = known if known[0] == comm else (comm, program(_read(pid, "cmdline")))
            except GONE:
                continue
            except PermissionError:
                self._say("process: processes of other users are hidden here (/proc is mounted with hidepid)")
        return found

    def _one(self, name: str) -> list[Point]:
        pids = [pid for pid, names in self._known.items() if name in names]
        if len(pids) > MOST:
            self._say(f"process: more than {MOST} processes are called {name}, only the first {MOST} are added up")
        seen: dict[str, Stat] = {}
        for pid in pids[:MOST]:
            try:
                told = stat(_read(pid, "stat"))
            except GONE:
                continue
            if told.state not in DEAD:
                seen[pid] = told
        lives = self._lives[name]
        lives.see({(pid, told.start): told.cpu for pid, told in seen.items()})
        tags = f"name={tag(name)}"
        points: list[Point] = [
            ("proc.process.count", len(seen), tags),
            ("proc.process.restarts", lives.restarts, tags),
        ]
        if seen:
            points += usage(list(seen.values()), lives.cpu, time.clock_gettime(time.CLOCK_BOOTTIME), tags)
            points += self._files(name, list(seen), tags)
        return points

    def _files(self, name: str, pids: list[str], tags: str) -> list[Point]:
        """Say how many files are open, unless one of the processes keeps it to itself: half a sum is a lie."""
        try:
            points: list[Point] = [("proc.process.fds", sum(map(open_files, pids)), tags)]
            limits = [limit(_read(pid, "limits")) for pid in pids]
        except GONE:
            return []  # one has just ended
        except PermissionError:
            self._say(f"process: {name} belongs to another user: its open files are left out")
            return []
        if None not in limits:
            points.append(("proc.process.fds_limit", sum(filter(None, limits)), tags))
        return points


def program(cmdline: str) -> str:
    """Return the name of the program in /proc/PID/cmdline; kernel threads have none."""
    return cmdline.partition("\0")[0].rpartition("/")[2]


def stat(told: str) -> Stat:
    """Read /proc/PID/stat, see proc(5); the name in it may hold spaces and parentheses."""
    fields = told.rpartition(")")[2].split()  # from the third field on
    return Stat(
        state=fields[0],
        cpu=int(fields[11]) + int(fields[12]),
        threads=int(fields[17]),
        start=int(fields[19]),
        vsize=int(fields[20]),
        rss=int(fields[21]) * PAGE,
    )


def usage(seen: list[Stat], cpu: int, now: float, tags: str) -> list[Point]:
    """Add up; the uptime is that of the youngest. `cpu` in ticks, `now` in seconds since the host was booted."""
    return [
        ("proc.process.cpu_seconds", f"{cpu / TICKS:.2f}", tags),
        ("proc.process.rss_bytes", sum(told.rss for told in seen), tags),
        ("proc.process.vsize_bytes", sum(told.vsize for told in seen), tags),
        ("proc.process.threads", sum(told.threads for told in seen), tags),
        ("proc.process.uptime_seconds", max(0, int(now - max(told.start for told in seen) / TICKS)), tags),
    ]


def limit(told: str) -> int | None:
    """Read from /proc/PID/limits how many files may be open; None: any number.

    Raises ProcessLookupError when it is empty, as that of a process which is ending.
    """
    found = [line.split()[3] for line in told.splitlines() if line.startswith("Max open files")]
    if not found:
        raise ProcessLookupError
    [soft] = found
    return None if soft == "unlimited" else int(soft)


def open_files(pid: str) -> int:
    """Count them. Since Linux 6.2 the size of the folder is their number; before, it was always 0."""
    folder = f"/proc/{pid}/fd"
    return Path(folder).stat().st_size or len(_names(folder))


def _names(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _read(pid: str, name: str) -> str:
    """Return a small file of a process. A raw read costs half of what a file object does, a thousand times a round."""
    file = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    try:
        return os.read(file, 4096).decode("utf-8", "surrogateescape")
    finally:
        os.close(file)
