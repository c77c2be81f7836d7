"""The runner as a process of its own, and what becomes of the scripts when it or keeper is killed."""

from __future__ import annotations

import os
import pwd
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from uuid import uuid4

import pytest

from keeper.collectors.launch import COOKIE, Care, start
from keeper.collectors.plugin import MOST
from keeper.collectors.runner import LOOK_EVERY
from keeper.collectors.terms import Terms
from keeper.errors import KeeperError
from keeper.runtime.clock import since_boot
from keeper.runtime.runner_process import Message, RunnerProcess
from tests.collectors.folder import Folder
from tests.peers.ask import eventually

PRINTS = 'echo "a.b $(date +%s) 1 x=y"'
# A script of each kind that is hard to get rid of.
STUBBORN = {
    "ignores": "trap '' TERM INT HUP; while :; do sleep 1; done",
    "forks": "for n in 1 2 3; do (trap '' TERM; sleep 1000) & done; sleep 1000",
    "leaves": "setsid sh -c 'trap \"\" TERM; sleep 1000' & sleep 1000",
    "leaves_twice": "(setsid sh -c 'setsid sleep 1000 &' &) ; sleep 1000",
}
PARENT = """
import sys
from keeper.collectors.terms import Terms
from keeper.runtime.clock import since_boot
from keeper.runtime.runner_process import RunnerProcess
runner = RunnerProcess(Terms(sys.argv[1], sys.argv[2]), since_boot)
print(runner.pid, flush=True)
while True:
    runner.hear(1.0)
"""


def everything(mark: bytes = b"") -> dict[int, str]:
    """Every process with that in its environment, with its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if not mark or mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
    return found


def marked(cookie: str) -> dict[int, str]:
    """Every process that carries the cookie, with its command line."""
    return everything(f"{COOKIE}={cookie}".encode())


@pytest.fixture
def cookie() -> Iterator[str]:
    made = uuid4().hex
    yield made
    for pid in marked(made):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def stubborn(folder: Folder) -> Folder:
    for name, text in STUBBORN.items():
        folder.put(name, text)
    folder.put("periodic", "sleep 1000", 30)
    return folder


EXPECTED = 1 + 4 + 2 + 2 + 1  # processes: the scripts with what they started, but for the periodic one's


def test_nothing_survives_keeper_however_it_goes(stubborn: Folder, cookie: str) -> None:
    """kill -9 of the process that has the runner: all of it is gone at once, the runner, too."""
    argv = [sys.executable, "-c", PARENT, str(stubborn.path), cookie]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        runner = int(parent.stdout.readline())
        eventually(lambda: len(marked(cookie)) >= EXPECTED, "all scripts to run")
        parent.kill()
    eventually(lambda: not marked(cookie), "all of them to be gone", 5)
    eventually(lambda: not Path(f"/proc/{runner}").exists(), "the runner to be gone", 5)


def test_an_orderly_end_takes_everything_with_it(stubborn: Folder, cookie: str) -> None:
    runner = RunnerProcess(Terms(str(stubborn.path), cookie), since_boot)
    eventually(lambda: runner.hear(0.1) and len(marked(cookie)) >= EXPECTED, "all scripts to run")
    runner.end(5.0)
    assert marked(cookie) == {}


def test_the_next_runner_ends_what_a_killed_one_left(stubborn: Folder, cookie: str) -> None:
    """The kernel ends the long-lived scripts themselves, the next runner what they had started."""
    terms = Terms(str(stubborn.path), cookie)
    runner = RunnerProcess(terms, since_boot)
    eventually(lambda: runner.hear(0.1) and len(marked(cookie)) >= EXPECTED, "all scripts to run")
    os.kill(runner.pid, signal.SIGKILL)
    with pytest.raises(KeeperError, match="the collector runner is gone: signal 9 ended it"):
        while True:
            runner.hear(1.0)
    runner.close()

    def themselves() -> list[str]:
        """The long-lived scripts, not what they started: that has the same command line where it is a shell's child."""
        scripts = [words for words in marked(cookie).values() if f"{stubborn.path}/0/" in words]
        return [words for words in scripts if "forks" not in words]

    eventually(lambda: not themselves(), "the scripts to be gone", 5)
    left = marked(cookie)
    after = RunnerProcess(Terms("", cookie, shipped={"quiet": ("/bin/sleep", "1000")}), since_boot)
    try:
        eventually(lambda: after.hear(0.1) and not left.keys() & marked(cookie).keys(), "the rest to be gone", 10)
    finally:
        after.end(5.0)


def test_what_hides_from_us_is_ended_all_the_same(folder: Folder, cookie: str) -> None:
    """In a session of its own, without keeper's marks in its environment: it ends with its script, or with keeper."""
    words = f"sleep 1000.{int(cookie[:8], 16)}"
    hides = f"(env -i setsid {words} &)"
    folder.put("ends", f"{hides}; sleep 2", 1000)
    runner = RunnerProcess(Terms(str(folder.path), cookie, spread=0.1), since_boot)
    try:
        eventually(lambda: runner.hear(0.1) and with_words(words), "it to hide")
        eventually(lambda: runner.hear(0.1) and not with_words(words), "it to end with its script", 10)
        folder.put("stays", f"{hides}; exec sleep 1000")
        eventually(lambda: runner.hear(0.1) and with_words(words), "the other to hide")
        for _ in range(30):
            runner.hear(0.1)
        assert with_words(words)
    finally:
        runner.end(5.0)
    assert not with_words(words)


def with_words(words: str) -> list[int]:
    """The processes with that command line."""
    return [pid for pid, line in everything().items() if line == words]


def test_a_thousand_long_lived_scripts_run(folder: Folder, cookie: str) -> None:
    """As many as there may be, also where a process may have no more than 1,024 open files at first."""
    for n in range(MOST):
        folder.put(f"s{n}", f"{PRINTS}; exec sleep 1000")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        runner = RunnerProcess(Terms(str(folder.path), cookie), since_boot)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    told: set[str] = set()

    def all_told() -> bool:
        told.update(message[1] for message in runner.hear(0.1) if message[0] == "points")
        return len(told) == MOST

    try:
        eventually(all_told, "all of them", 60)
    finally:
        runner.end(15.0)
    assert marked(cookie) == {}


def test_one_that_cannot_be_watched_is_not_left_running(folder: Folder, cookie: str) -> None:
    """There is a file too few for it: it ends at once, and nothing stays open."""
    path = folder.put("one", "exec sleep 1000")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = [os.open(os.devnull, os.O_RDONLY) for _ in range(4)]
    opened = files()
    for descriptor in spare:  # so that there is room for its two pipes, and for nothing else
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(spare) + 1, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            start((str(path),), "one#1", Care(), cookie, "", False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert files() == opened - len(spare)
    assert marked(cookie) == {}


def files() -> int:
    """How many are open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_what_one_left_behind_costs_the_others_nothing(folder: Folder, cookie: str) -> None:
    """A script that runs on and has put something into a session of its own: that is spared, and so is all else that
    scripts have started; when the script ends, so does that."""
    folder.put("works", f"{PRINTS}; sleep 1000; echo gone >&2; exec sleep 1000")
    path = folder.put("leaves", f"(setsid sleep 1000.5 &) ; {PRINTS}; exec sleep 1000")
    runner, told = RunnerProcess(Terms(str(folder.path), cookie), since_boot), list[Message]()
    try:
        all_of_them = ["/bin/sh " + str(folder.path / "0" / "works"), "sleep 1000", "sleep 1000", "sleep 1000.5"]
        eventually(
            lambda: runner.hear(0.1) and sorted(marked(cookie).values()) == all_of_them,
            "both to run, with what they started",
        )
        before = marked(cookie)
        until = since_boot() + 3 * LOOK_EVERY
        while since_boot() < until:
            told += runner.hear(0.1)
        assert marked(cookie) == before
        assert not [message for message in told if message[0] == "said"]
        path.unlink()
        eventually(lambda: runner.hear(0.1) and len(marked(cookie)) == 2, "it to end with what it started", 10)
    finally:
        runner.end(5.0)


def test_one_that_hangs_is_noticed(folder: Folder, cookie: str) -> None:
    """A frozen runner says nothing, so keeper starts another."""
    clock = [1000.0]
    runner = RunnerProcess(Terms(str(folder.path), cookie), lambda: clock[0])
    eventually(lambda: runner.hear(0.1), "a word")
    os.kill(runner.pid, signal.SIGSTOP)
    try:
        while runner.hear(0.2):
            continue  # what it had said before
        clock[0] += 16.0
        with pytest.raises(KeeperError, match="the collector runner has said nothing for 16 s"):
            runner.hear(0.0)
    finally:
        os.kill(runner.pid, signal.SIGCONT)
        runner.close()


def test_one_that_was_frozen_like_its_host_is_not_taken_for_hung(folder: Folder, cookie: str) -> None:
    """After a freeze of both it has said nothing for long, either; it gets a moment."""
    clock = [1000.0]
    runner = RunnerProcess(Terms(str(folder.path), cookie), lambda: clock[0])
    try:
        eventually(lambda: runner.hear(0.1), "a word")
        os.kill(runner.pid, signal.SIGSTOP)
        while runner.hear(0.2):
            continue  # what it had said before
        clock[0] += 3600.0
        Timer(0.3, os.kill, (runner.pid, signal.SIGCONT)).start()
        runner.hear(0.0)
        assert runner.hear(0.0)
    finally:
        runner.end(5.0)


def test_a_frozen_one_leaves_nothing_behind(stubborn: Folder, cookie: str) -> None:
    """It is killed when it does not end, and what it ran with it."""
    runner = RunnerProcess(Terms(str(stubborn.path), cookie, spread=0.1), since_boot)
    eventually(lambda: runner.hear(0.1) and len(marked(cookie)) >= EXPECTED + 2, "all scripts to run")
    os.kill(runner.pid, signal.SIGSTOP)
    runner.end(1.0)
    assert marked(cookie) == {}


def resident(pid: int) -> int:
    """Bytes it has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_endless_complaints_cost_no_time(folder: Folder, cookie: str) -> None:
    """What is printed on standard error without end is read for no more of each second than other output."""
    folder.put("noisy", "exec yes >&2")
    runner = RunnerProcess(Terms(str(folder.path), cookie), since_boot)
    try:
        eventually(lambda: any(message[0] == "said" for message in runner.hear(0.1)), "it to begin")
        before, until = processor_time(runner.pid), since_boot() + 5
        while since_boot() < until:
            runner.hear(0.1)
        assert processor_time(runner.pid) - before <= 1.5
    finally:
        runner.end(5.0)


def processor_time(pid: int) -> float:
    """Seconds it has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


DROPS = """
import os, pwd, signal, sys, time
from collectors.lib import who
stat = open("/proc/self/stat")  # as long as it is root
user = pwd.getpwnam(who.USER)
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
sys.stdin.close()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.nice(19)
while True:
    print("drops.uid", int(time.time()), os.getuid(), flush=True)
    time.sleep(1)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_one_that_becomes_another_user_is_read_and_ended_like_any_other(tmp_path: Path, cookie: str) -> None:
    """As many of tcollector's do, with what they need from the folder's `lib`: by keeper's end, and by the next runner
    when this one is killed, though the kernel forgets whose child it is."""
    folder = Folder(tmp_path / "collectors")
    (folder.path / "lib").mkdir()
    (folder.path / "lib" / "who.py").write_text("USER = 'nobody'\n")
    folder.put("drops", DROPS, by="/usr/bin/env python3")
    terms, told = Terms(str(folder.path), cookie), list[Message]()

    def points() -> list[Message]:
        told.extend(runner.hear(0.1))
        return [message for message in told if message[0] == "points"]

    runner = RunnerProcess(terms, since_boot)
    eventually(points, "its point")
    assert points()[0][3][0][2] == pwd.getpwnam("nobody").pw_uid
    [first] = marked(cookie)
    os.kill(runner.pid, signal.SIGKILL)
    runner.close()
    told.clear()
    runner = RunnerProcess(terms, since_boot)
    try:
        eventually(points, "another one's point")
        assert first not in marked(cookie)
    finally:
        runner.end(5.0)
    assert marked(cookie) == {}


HOSTILE = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(2, b"INFO: here\\n")
out = os.fdopen(1, "wb", 0)
for n in range(3):
    if os.fork() == 0:
        break
bad = b"\\xff\\x00bad bytes\\n" * 4000
endless = b"x" * 65536
while True:
    for n in range(1600):
        out.write(endless)
    out.write(b"\\n")
    for n in range(50):
        out.write(bad)
        os.write(2, bad)
"""


def test_a_hostile_script_costs_neither_memory_nor_the_others(folder: Folder, cookie: str) -> None:
    """100 MB without a newline again and again, bad bytes on both its outputs, four processes that ignore SIGTERM: the
    others' points come each second, and the runner does not grow by more than 8 MiB."""
    for n in range(5):
        folder.put(f"good{n}", f'echo "good{n}.x $(date +%s) $(date +%N | sed s/^0*//) a=b"', 1)
    told: list[Message] = []
    runner = RunnerProcess(Terms(str(folder.path), cookie), since_boot)

    def seen(name: str) -> int:
        return sum(message[0] == "points" and message[1] == name for message in told)

    def heard(enough: int) -> bool:
        told.extend(runner.hear(0.1))
        return all(seen(f"good{n}") >= enough for n in range(5))

    try:
        eventually(lambda: heard(3), "the good ones to run")
        before = resident(runner.pid)
        folder.put("hostile", HOSTILE, 5, by=f"/usr/bin/env -S {sys.executable} -I")
        eventually(lambda: heard(3) and any(m[:2] == ("said", "hostile") for m in told), "it to begin")
        began = {n: seen(f"good{n}") for n in range(5)}
        most = 0

        def over() -> bool:
            """It ran longer than its interval, was killed for it, and began again; the others ran each second."""
            nonlocal most
            told.extend(runner.hear(0.1))
            most = max(most, resident(runner.pid))
            stands = [m[2] for m in told if m[:2] == ("stand", "hostile")]
            others = all(seen(f"good{n}") - began[n] >= 11 for n in range(5))
            return others and stands[-1]["killed"] >= 1 and stands[-1]["runs"] >= 2

        eventually(over, "the others to run on beside it", 40)
        assert most - before <= 8 << 20
        [stand] = [m[2] for m in told if m[:2] == ("stand", "hostile")][-1:]
        assert stand["killed"] >= 1
        assert not stand["worked"]
    finally:
        runner.end(5.0)
    assert marked(cookie) == {}
