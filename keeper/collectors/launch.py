"""Starts a collector script in a process group of its own, and ends whatever came of it."""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

COOKIE = "KEEPER_COLLECTORS"
"""In the environment of everything a collector starts: whose collectors these are, and by it they are found again."""
MARK = "KEEPER_COLLECTOR"  # and of which of its runs
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")  # of keeper's environment; its secrets stay with it

_OWN = {name: os.environ[name] for name in INHERITED if name in os.environ}
_SETPRIV = shutil.which("setpriv", path=PATH)


class Care(NamedTuple):
    """What the site wants for one collector. `user` is a login name, empty: keeper's own; `memory` in bytes of address
    space and `cpu` in seconds a run, 0: no limit; `silent` in seconds, 0: it may be. `environment` is added."""

    user: str = ""
    memory: int = 0
    cpu: int = 0
    nice: int = 0
    silent: float = 0.0
    environment: Mapping[str, str] = {}  # nobody writes to it


class Process(NamedTuple):
    """`pid` is the process group, too. `ended` becomes readable when it is gone; all three are ours to close."""

    pid: int
    out: int
    err: int
    ended: int


def start(argv: tuple[str, ...], mark: str, care: Care, cookie: str, python_path: str, long_lived: bool) -> Process:
    """Raises OSError, and LookupError for a user there is not.

    A long-lived one is killed by the kernel when its parent goes (the others end by themselves, in their interval);
    that and another user are what `setpriv` is for, which costs as much as starting the script itself.
    """
    words = [*_privileges(care, long_lived), *argv]
    out, out_there = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    err, err_there = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        for there in (out_there, err_there):
            os.set_blocking(there, True)
        pid = os.posix_spawn(
            words[0],
            words,
            _environment(mark, care, cookie, python_path),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, out_there, 1),
                (os.POSIX_SPAWN_DUP2, err_there, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
        )
        process = Process(pid, out, err, _watched(pid))
    except BaseException:
        os.close(out)
        os.close(err)
        raise
    finally:
        os.close(out_there)
        os.close(err_there)
    _limit(pid, care)
    return process


def _watched(pid: int) -> int:
    """Raises OSError when there are too many open files; nobody would learn of its end, so it has ended then."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        signal_group(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _privileges(care: Care, long_lived: bool) -> list[str]:
    if not (care.user or long_lived):
        return []
    if _SETPRIV is None:
        if care.user:
            raise FileNotFoundError(f"there is no setpriv (package util-linux) to run it as {care.user}")
        return []
    words = [_SETPRIV, "--pdeathsig", "KILL"]
    if care.user:
        words += [f"--reuid={care.user}", f"--regid={_group(care.user)}", "--init-groups"]
    return [*words, "--"]


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def is_user(name: str) -> bool:
    """Whether this host knows a user of that name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _environment(mark: str, care: Care, cookie: str, python_path: str) -> dict[str, str]:
    found = {"PATH": PATH, **_OWN, **care.environment, COOKIE: cookie, MARK: mark}
    if python_path:
        found["PYTHONPATH"] = ":".join(filter(None, (found.get("PYTHONPATH"), python_path)))
    return found


def _limit(pid: int, care: Care) -> None:
    """The process exists already; it is before its first line still, or a moment behind it."""
    limits = ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, care.memory), (resource.RLIMIT_CPU, care.cpu))
    with suppress(ProcessLookupError, PermissionError):
        for which, most in limits:
            if most or which == resource.RLIMIT_CORE:
                resource.prlimit(pid, which, (most, most))
    with suppress(OSError):
        if care.nice:
            os.setpriority(os.PRIO_PROCESS, pid, care.nice)
        score = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(score, b"500")  # before what is watched, and long before keeper
        finally:
            os.close(score)


def signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # it is gone, or another user's by now


class Gone(NamedTuple):
    """`code` is the exit code, negative for a signal; `memory` is the most it had in bytes, 0 where that is less than
    this process has (Linux counts what it was before it became the script); `cpu` the seconds it used. Both are with
    those of its children that it waited for."""

    code: int
    memory: int
    cpu: float


def reap(process: Process) -> Gone | None:
    """What became of one that is gone; None while it is not. What it left in its group is killed before its number
    can be given to another."""
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        return None
    signal_group(process.pid, signal.SIGKILL)
    _, status, used = os.wait4(process.pid, 0)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = used.ru_maxrss * 1024 if used.ru_maxrss > own else 0
    return Gone(os.waitstatus_to_exitcode(status), memory, used.ru_utime + used.ru_stime)


def sweep(cookie: str, spare: Callable[[int, str], bool]) -> int:
    """Kill everything that carries our cookie and is not spared by (pid, mark of its run): what collectors started in
    sessions of their own, and what a runner that was killed left behind. Returns how many there were."""
    found = 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        mark = mark_of(int(entry.name), cookie)
        if mark is not None and not spare(int(entry.name), mark):
            found += 1
            kill(int(entry.name))
    return found


def mark_of(pid: int, cookie: str) -> str | None:
    """Of the run that this process came of; None for one without our cookie, or gone, or another user's."""
    marked = f"{MARK}=".encode()
    try:
        variables = Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    if f"{COOKIE}={cookie}".encode() not in variables:
        return None
    return next((v[len(marked) :].decode("utf-8", "replace") for v in variables if v.startswith(marked)), "")


def kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
