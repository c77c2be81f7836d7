"""Programs of the operator's: which are not run, what is told of those that are, and that nothing of them is left."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keeper.actions.script import LONGEST_LINE, run
from keeper.actions.trust import why_not_trusted
from keeper.errors import KeeperError
from tests.actions.program import alive, script
from tests.peers.ask import eventually

ENVIRONMENT = {"PATH": os.defpath}
NEVER = threading.Event().wait


def execute(program: Path, seconds: float = 20.0, wait: Callable[[float], bool] = NEVER) -> tuple[str, list[bytes]]:
    """What went wrong, and the lines it printed."""
    lines: list[bytes] = []
    return run([str(program), "argument"], ENVIRONMENT, seconds, lines.append, time.monotonic, wait), lines


def _missing(_: Path) -> None:
    """Leave it out."""


def _as_folder(path: Path) -> None:
    path.mkdir()


def _not_executable(path: Path) -> None:
    script(path, "true").chmod(0o600)


def _of_another_user(path: Path) -> None:
    os.chown(script(path, "true"), 12345, -1)


def _writable_by_group(path: Path) -> None:
    script(path, "true").chmod(0o770)


def _writable_by_all(path: Path) -> None:
    script(path, "true").chmod(0o702)


def _in_a_folder_of_others(path: Path) -> None:
    script(path, "true")
    path.parent.chmod(0o777)


def _behind_a_link_to_others(path: Path) -> None:
    real = path.with_name("real")
    script(real, "true").chmod(0o722)
    path.symlink_to(real)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_missing, "cannot be looked at: No such file or directory"),
        (_as_folder, "is no file"),
        (_not_executable, "may not be executed; chmod u+x it"),
        pytest.param(
            _of_another_user,
            "belongs to another user (uid 12345), who could change what keeper runs",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away"),
        ),
        (_writable_by_group, "can be written by others; chmod go-w"),
        (_writable_by_all, "can be written by others; chmod go-w"),
        (_in_a_folder_of_others, "can be written by others; chmod go-w"),
        (_behind_a_link_to_others, "real can be written by others; chmod go-w"),
    ],
)
def test_what_others_could_change_is_not_run(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    """The program, what a link names, and every folder on the way belong to keeper's user or root, and to nobody
    else's pen."""
    folder = tmp_path / "own"
    folder.mkdir(mode=0o700)
    make(folder / "send")
    assert reason in (why_not_trusted(folder / "send") or "")
    with pytest.raises(KeeperError, match=r"send|own|real"):
        execute(folder / "send")


def test_a_folder_of_all_with_the_sticky_bit_is_safe(tmp_path: Path) -> None:
    """In /tmp nobody can put another program in the place of ours."""
    tmp_path.chmod(0o1777)
    assert why_not_trusted(script(tmp_path / "send", "true")) is None


@pytest.mark.parametrize(
    ("body", "told", "lines"),
    [
        ("echo 5; echo 6", "", [b"5", b"6"]),
        ("printf 7", "", [b"7"]),
        ("printf '5\\r\\n\\377\\n'", "", [b"5\r", b"\xff"]),
        ('echo "$1 $KEEPER $HOME $PWD"', "", [b"argument   /"]),
        ("cat; echo read", "", [b"read"]),
        ("exit 3", "it ended with 3", []),
        ("echo one >&2; echo two >&2; exit 1", "it ended with 1: two", []),
        ("echo complaint >&2", "", []),
        ("kill -9 $$", "it ended with -9", []),
    ],
)
def test_how_it_ended_and_what_it_printed(tmp_path: Path, body: str, told: str, lines: list[bytes]) -> None:
    """0 is well; otherwise the code, and the last it complained of. It has an argument, no input, and nothing of
    keeper's environment."""
    assert execute(script(tmp_path / "send", body)) == (told, lines)


def test_a_program_of_no_known_kind_cannot_be_started(tmp_path: Path) -> None:
    """An answer, not a crash."""
    broken = tmp_path / "send"
    broken.write_bytes(b"\x7fELF and nothing")
    broken.chmod(0o700)
    with pytest.raises(KeeperError, match="cannot be started"):
        execute(broken)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("trap '' TERM; (trap '' TERM; exec sleep 300) & echo $!; echo $$; sleep 300; true", id="deaf"),
        pytest.param("(trap '' TERM; exec sleep 300) & echo $!; echo $$; exec sleep 300", id="deaf child"),
    ],
)
def test_one_that_takes_too_long_is_ended_with_all_its_children(tmp_path: Path, body: str) -> None:
    """TERM first; what does not follow, or whose parent followed, is killed."""
    began = time.monotonic()
    told, lines = execute(script(tmp_path / "send", body), seconds=0.5)
    assert told == "it did not end within 0.5 s"
    assert time.monotonic() - began < 15
    pids = [int(line) for line in lines]
    assert len(pids) == 2
    eventually(lambda: not any(map(alive, pids)), "the whole group to be gone", 5)


@pytest.mark.parametrize("redirect", ["", ">/dev/null 2>&1"])
def test_children_of_one_that_ended_well_are_ended(tmp_path: Path, redirect: str) -> None:
    """They would hold its output open, and the next run would send beside them."""
    told, lines = execute(script(tmp_path / "send", f"sleep 300 {redirect} & echo $!"))
    assert told == ""
    eventually(lambda: not alive(int(lines[0])), "the child to be gone", 5)


def test_one_that_is_told_to_stop_has_little_time(tmp_path: Path) -> None:
    """keeper promises to end within five seconds, and it must not leave a program behind that goes on sending."""
    begun = tmp_path / "begun"
    program = script(tmp_path / "send", f"trap '' TERM; echo $$; touch {begun}; while true; do sleep 300; done")
    told, lines = execute(program, 60.0, lambda seconds: NEVER(seconds) or begun.exists())
    assert told == "it was told to stop"
    assert time.time() - begun.stat().st_mtime < 3
    assert not alive(int(lines[0]))


def test_what_it_prints_before_it_follows_counts(tmp_path: Path) -> None:
    """Ids it names on its way out were delivered."""
    body = "trap 'echo 8; exit 0' TERM; echo 7; while true; do sleep 0.05; done"
    assert execute(script(tmp_path / "send", body), seconds=0.5) == ("it did not end within 0.5 s", [b"7", b"8"])


def test_output_without_end_costs_no_memory(tmp_path: Path) -> None:
    """Neither a line that never ends nor complaints without end are kept: hundreds of megabytes pass by."""
    body = "head -c 300000000 /dev/zero >&2 & head -c 300000000 /dev/zero; wait; echo; echo 5"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told, lines = execute(script(tmp_path / "send", body), seconds=120)
    assert told == ""
    assert [len(line) for line in lines] == [LONGEST_LINE, 1]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


RUNNER = """
import sys, threading, time
from keeper.actions.script import run
run([sys.argv[1]], {}, 300.0, print, time.monotonic, threading.Event().wait)
"""


def test_it_does_not_outlive_a_keeper_that_is_killed(tmp_path: Path) -> None:
    """The next keeper would send the same packets beside it."""
    told = tmp_path / "pid"
    program = script(tmp_path / "send", f"echo $$ > {told}.new; mv {told}.new {told}; while true; do sleep 0.1; done")
    keeper = subprocess.Popen([sys.executable, "-c", RUNNER, str(program)])
    eventually(told.exists, "the program to run", 20)
    pid = int(told.read_text())
    assert alive(pid)
    keeper.kill()
    keeper.wait()
    eventually(lambda: not alive(pid), "the program to be gone", 5)
