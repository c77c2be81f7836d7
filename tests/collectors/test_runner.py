"""Real scripts, started, read, and ended as the protocol says."""

from __future__ import annotations

import os
import time
from pathlib import Path

from keeper.collectors.life import GRACE
from keeper.collectors.roster import COMPLAINTS
from keeper.collectors.terms import Terms
from tests.collectors.conftest import Ran
from tests.collectors.folder import Folder

PRINTS = 'echo "a.b $(date +%s) 1 x=y"'


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_periodic_one_runs_at_its_interval(folder: Folder, ran: Ran) -> None:
    """A folder `1` means every second."""
    folder.put("each", PRINTS, 1)
    ran.until(lambda: len(ran.points("each")) >= 3, "three points", 6)
    times = [at for _, at, _ in ran.points("each")]
    assert times == sorted(set(times))
    assert ran.points("each")[0][0] == "a.b x=y"
    assert ran.stand("each")["failures"] == 0


def test_a_long_lived_one_is_read_while_it_runs(folder: Folder, ran: Ran) -> None:
    folder.put("long", f"{PRINTS}; exec sleep 1000")
    ran.until(lambda: ran.points("long"), "its point")
    pid = ran.stand("long")["pid"]
    assert alive(pid)
    assert os.getpgid(pid) == pid
    ran.runner.stop(1)
    assert not alive(pid)


def test_what_is_no_script_is_left_alone(folder: Folder, ran: Ran) -> None:
    """Dot files, folders that are no number, files that cannot be executed, and folders in them."""
    folder.put(".hidden", PRINTS)
    folder.put("data", PRINTS, mode=0o644)
    (folder.path / "lib").mkdir()
    (folder.path / "lib" / "x").write_text("#!/bin/sh\n")
    (folder.path / "lib" / "x").chmod(0o755)
    (folder.path / "0" / "sub").mkdir()
    folder.put("real", PRINTS)
    ran.runner.look()
    assert set(ran.runner.roster.running) == {"real"}


def test_one_name_in_two_folders_is_refused(folder: Folder, ran: Ran) -> None:
    """The second one, in words, and the first one runs."""
    first, second = folder.put("same", PRINTS, 0), folder.put("same", PRINTS, 15)
    ran.runner.look()
    assert ("complaints", (f"{second} is not run: {first} has the same name; rename one of them",)) in ran.told
    assert ran.stand("same")["interval"] == 0


def test_a_name_of_any_bytes_is_said_in_print(folder: Folder, ran: Ran) -> None:
    """A file may be called what it likes: no terminal, log or page is moved by it. Of many complaints some are told."""
    odd = os.fsdecode(b"\xff\x1b[2J\nname")
    folder.put(odd, PRINTS)
    for n in range(COMPLAINTS + 5):
        folder.put(f"~ {n}", PRINTS)
    ran.runner.look()
    [complaints] = [words[0] for kind, *words in ran.told if kind == "complaints"]
    assert len(complaints) == COMPLAINTS + 1
    assert complaints[-1] == "and 6 more like these"
    for n in range(COMPLAINTS + 5):
        (folder.path / "0" / f"~ {n}").unlink()
    ran.runner.look()
    [said] = ran.told[-1][1]
    assert said.startswith(f"{folder.path}/0/\\udcff\\x1b[2J\\nname is not run: ")


def test_what_nobody_takes_is_told_again(folder: Folder) -> None:
    """keeper was frozen and there was no room: it hears later which scripts are gone, and what is wrong."""
    folder.put("one", f"{PRINTS}; exec sleep 1000")
    folder.put("two", "exit 13")
    ran = Ran(Terms(str(folder.path), f"again-{os.getpid()}"))
    try:
        ran.until(lambda: ran.points("one") and ran.stand("two")["stage"] == "retired", "both to run")
        ran.deaf = True
        for path in (folder.path / "0").iterdir():
            path.unlink()
        folder.put("~", PRINTS)
        for _ in range(5):
            ran.runner.look()
            ran.runner.turn(0.1)
        ran.deaf = False
        ran.until(lambda: {("gone", "one"), ("gone", "two")} <= set(ran.kinds("gone")), "both to be gone")
        assert len(ran.kinds("complaints")[-1][1]) == 1
        assert ran.runner.roster.running == {}
    finally:
        ran.runner.stop(0)


def test_a_script_that_others_can_write_is_refused_until_that_is_mended(folder: Folder, ran: Ran) -> None:
    path = folder.put("open", PRINTS, mode=0o777)
    ran.runner.look()
    assert ran.stand("open")["stage"] == "refused"
    assert ran.stand("open")["why"] == f"{path} can be written by others; chmod go-w {path}"
    path.chmod(0o755)
    ran.until(lambda: ran.points("open"), "its point")


def test_exit_codes_mean_what_they_mean(folder: Folder, ran: Ran) -> None:
    """0 waits, 13 retires, others rest; and who never worked is known."""
    folder.put("good", f"{PRINTS}; exit 0", 1)
    folder.put("gone", "exit 13", 1)
    folder.put("bad", "echo ERROR: no database >&2; exit 3", 1)
    ran.until(lambda: {ran.stand(n)["runs"] for n in ("good", "gone", "bad")} >= {1}, "all to run", 5)
    ran.until(lambda: ran.stand("gone")["stage"] == "retired" and ran.stand("bad")["failures"], "their ends")
    assert ran.stand("gone")["why"] == "it ended with 13: nothing for it on this host"
    assert ran.stand("bad")["why"] == "it ended with 3"
    assert not ran.stand("bad")["worked"]
    ran.until(lambda: ran.stand("good")["worked"], "a good end")
    assert ("error", "ERROR: no database") in ran.said("bad")


def test_one_that_retired_runs_again_when_its_file_changes(folder: Folder, ran: Ran) -> None:
    folder.put("some", "exit 13")
    ran.until(lambda: ran.stand("some")["stage"] == "retired", "it to retire")
    folder.put("some", f"{PRINTS}; exec sleep 1000")
    ran.until(lambda: ran.points("some"), "its point")


def test_a_changed_file_restarts_a_long_lived_one_and_a_removed_one_ends(folder: Folder, ran: Ran) -> None:
    path = folder.put("long", f"{PRINTS}; exec sleep 1000")
    ran.until(lambda: ran.points("long"), "its point")
    first = ran.stand("long")["pid"]
    folder.put("long", 'echo "a.c $(date +%s) 2 x=y"; exec sleep 1000')
    ran.until(lambda: ran.points("long")[-1][0] == "a.c x=y", "the new file's point")
    assert not alive(first)
    second = ran.stand("long")["pid"]
    path.unlink()
    ran.until(lambda: ("gone", "long") in ran.told, "it to be gone")
    assert not alive(second)
    folder.put("long", f"{PRINTS}; exec sleep 1000")
    ran.until(lambda: "long" in ran.runner.roster.running and ran.stand("long")["pid"], "it to be back")


def test_one_that_ignores_to_be_told_is_killed_and_delays_nobody(folder: Folder, ran: Ran) -> None:
    folder.put("stubborn", "trap '' TERM; while :; do sleep 1; done", 2)
    folder.put("other", PRINTS, 1)
    ran.until(lambda: ran.stand("stubborn")["stage"] == "stopping", "the end")
    began = len(ran.points("other"))
    ran.until(lambda: ran.stand("stubborn")["killed"], "it to be killed", GRACE + 5)
    assert len(ran.points("other")) >= began + int(GRACE) - 1
    assert ran.stand("stubborn")["why"] == "it ran longer than its 2 s and was stopped"


def test_what_it_started_goes_with_it_at_once(folder: Folder, ran: Ran) -> None:
    """What is in its group: nobody waits for it, and it holds no pipe of ours open."""
    folder.put("forks", "sleep 1000 & echo $! >&2; exit 0", 100)
    ran.runner.roster.terms = ran.runner.roster.terms._replace(spread=0.1)
    ran.until(lambda: ran.said("forks"), "its child's number")
    ran.until(lambda: ran.stand("forks")["worked"], "its end")
    ran.until(lambda: not alive(int(ran.said("forks")[0][1])), "its child to be gone", 5)


def test_a_person_may_disable_it_and_have_it_run_again(folder: Folder, ran: Ran) -> None:
    folder.put("one", f"{PRINTS}; exec sleep 1000")
    ran.until(lambda: ran.points("one"), "its point")
    pid, terms = ran.stand("one")["pid"], ran.runner.roster.terms
    ran.runner.adopt(terms._replace(disabled=frozenset({"one"})))
    ran.until(lambda: ran.stand("one")["stage"] == "disabled", "it to be disabled")
    assert not alive(pid)
    ran.runner.adopt(terms)
    ran.until(lambda: ran.stand("one")["pid"], "it to run again")


def test_one_that_rests_runs_at_once_if_a_person_says_so(folder: Folder, ran: Ran) -> None:
    folder.put("bad", "exit 1")
    ran.until(lambda: ran.stand("bad")["failures"] >= 3, "three failures")
    runs, due = ran.stand("bad")["runs"], ran.stand("bad")["due"]
    assert due > 1
    ran.runner.again("bad")
    began = time.monotonic()
    ran.until(lambda: ran.stand("bad")["runs"] > runs, "another run")
    assert time.monotonic() - began < due


def test_a_folder_that_cannot_be_read_stops_nothing(folder: Folder, ran: Ran) -> None:
    """It may be a mount that is gone for a moment."""
    folder.put("long", f"{PRINTS}; exec sleep 1000")
    ran.until(lambda: ran.points("long"), "its point")
    folder.path.rename(folder.path.with_name("away"))
    ran.runner.look()
    assert alive(ran.stand("long")["pid"])
    assert ran.told[-1] == ("complaints", (f"{folder.path} cannot be read: No such file or directory",))


def test_its_environment_is_its_own(folder: Folder, ran: Ran) -> None:
    """keeper's secrets are not in it; what the site configured is, and the way to `collectors.lib`."""
    os.environ["KEEPER_TEST_SECRET"] = "s3cret"
    try:
        (folder.path / "lib").mkdir()
        folder.put("env", "env >&2; exec sleep 1000")
        care = ran.runner.roster.terms.general._replace(environment={"SITE": "here"})
        ran.runner.roster.terms = ran.runner.roster.terms._replace(general=care)
        ran.until(lambda: any("SITE=here" in text for _, text in ran.said("env")), "its environment")
    finally:
        del os.environ["KEEPER_TEST_SECRET"]
    said = [text for _, text in ran.said("env")]
    assert not any("s3cret" in text for text in said)
    assert f"PYTHONPATH={folder.path.parent}" in said


def test_other_settings_restart_the_script_they_are_for(folder: Folder, ran: Ran) -> None:
    folder.put("env", "echo $NUMBER >&2; exec sleep 1000")
    folder.put("other", f"{PRINTS}; exec sleep 1000")
    ran.until(lambda: ran.points("other") and ran.stand("env")["pid"], "both to run")
    pid, terms = ran.stand("other")["pid"], ran.runner.roster.terms
    ran.runner.adopt(terms._replace(care={"env": terms.general._replace(environment={"NUMBER": "7"})}))
    ran.until(lambda: ("warning", "7") in ran.said("env"), "the new environment")
    assert ran.stand("other")["pid"] == pid


def test_limits_are_kept(folder: Folder, ran: Ran) -> None:
    """Memory and processor time, each its own run."""
    terms = ran.runner.roster.terms
    hungry = terms.general._replace(memory=200 << 20)
    busy = terms.general._replace(cpu=1)
    ran.runner.roster.terms = terms._replace(care={"hungry": hungry, "busy": busy})
    folder.put("hungry", "x = bytearray(1 << 30)", by="/usr/bin/env python3")
    folder.put("busy", "while :; do :; done")
    ran.until(lambda: any("MemoryError" in text for _, text in ran.said("hungry")), "no memory")
    ran.until(lambda: ran.stand("busy")["failures"], "its time to be over")
    assert ran.stand("busy")["why"] in ("signal 24 ended it", "signal 9 ended it")


def test_standard_error_is_told_with_its_level_and_bounded(folder: Folder, ran: Ran) -> None:
    folder.put("loud", "for n in $(seq 100); do echo INFO: line $n >&2; done; exec sleep 1000")
    ran.until(lambda: len(ran.said("loud")) >= 20, "its lines")
    ran.runner.turn(0.2)
    assert ran.said("loud") == [("info", f"INFO: line {n}") for n in range(1, 21)]


def test_another_user(folder: Folder) -> None:
    """Where keeper is root."""
    if os.geteuid() != 0:
        import pytest  # noqa: PLC0415

        pytest.skip("only root may run a script as somebody else")
    for path in (folder.path, *folder.path.parents):
        if path.owner() == "root" and path != Path("/tmp"):  # where pytest's folders lie
            path.chmod(path.stat().st_mode | 0o055)
    ran = Ran(Terms(str(folder.path), f"user-{os.getpid()}"))
    care = ran.runner.roster.terms.general._replace(user="nobody")
    ran.runner.roster.terms = ran.runner.roster.terms._replace(care={"who": care})
    folder.put("who", "id -un >&2; exec sleep 1000")
    try:
        ran.until(lambda: ran.said("who"), "its name")
        assert ran.said("who") == [("warning", "nobody")]
    finally:
        ran.runner.stop(0)
