"""`keeper collectors run` and `try`: what a person sees of a script."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from keeper.commands.collectors import show
from keeper.page_collectors import render_collectors
from tests.collectors.folder import Folder
from tests.peers.process import run
from tests.scenarios.daemon import PROGRAM

GOOD = 'echo "good.x $(date +%s) 1 a=b"'


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "collectors")


def keeper(folder: Folder, *words: str) -> subprocess.CompletedProcess[str]:
    config = folder.path.parent / "config.ini"
    config.write_text(f"[keeper]\nstate_dir = {folder.path.parent}/state\n[collectors]\ndir = {folder.path}\n")
    return run([PROGRAM, "collectors", words[0], "-c", str(config), *words[1:]])


def test_a_run_shows_points_complaints_and_how_it_ended(folder: Folder) -> None:
    folder.put("mixed", f"{GOOD}; echo oops; echo WARNING: hm >&2; echo 'good.y 1 nan'; exit 4", 15)
    ran = keeper(folder, "run", "mixed")
    lines = ran.stdout.splitlines()
    assert any(line.startswith("point     good.x ") and line.endswith(" 1 a=b") for line in lines)
    assert "rejected  'oops'" in lines
    assert "          no_point: write: metric timestamp value tag=value ..." in lines
    assert "stderr    WARNING: hm" in lines
    assert lines[-1].startswith(f"{folder.path}/15/mixed ended with 4; ")
    assert lines[-1].endswith("1 points of 1 series, 2 lines rejected")
    assert ran.returncode == 3


def test_a_good_run_is_well_and_machines_can_read_it(folder: Folder) -> None:
    folder.put("good", GOOD, 15)
    assert keeper(folder, "run", "good").returncode == 0
    told = json.loads(keeper(folder, "run", "good", "--json").stdout)
    assert (told["exit"], told["points"], told["rejected"]) == (0, 1, {})
    assert told["lines"][0]["point"].startswith("good.x ")


def test_one_that_has_nothing_to_do_says_so(folder: Folder) -> None:
    folder.put("none", "exit 13", 15)
    ran = keeper(folder, "run", "none")
    assert "ended with 13: it has nothing to do here, and will not be run again" in ran.stdout
    assert ran.returncode == 0


def test_one_that_runs_on_is_stopped_with_all_it_started(folder: Folder) -> None:
    """Which is well for a long-lived one, and an overstay for a periodic one."""
    folder.put("long", f"{GOOD}; sleep 1000 & sleep 1000")
    ran = keeper(folder, "run", "long", "--for", "1s")
    assert "was stopped after 1 s" in ran.stdout
    assert ran.returncode == 0
    folder.put("slow", f"{GOOD}; sleep 1000", 1)
    assert keeper(folder, "run", "slow").returncode == 3


def test_a_file_may_be_run_by_its_path(folder: Folder) -> None:
    path = folder.put("elsewhere", GOOD, 15)
    assert keeper(folder, "run", str(path)).returncode == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "there is no script 'nothing'; known are good, open"),
        ("open", "can be written by others; chmod go-w"),
        ("/no/such/file", "/no/such/file cannot be looked at: No such file or directory"),
    ],
)
def test_what_cannot_be_run_is_said_with_its_cure(folder: Folder, name: str, said: str) -> None:
    folder.put("good", GOOD, 15)
    folder.put("open", GOOD, 15, mode=0o777)
    ran = keeper(folder, "run", name)
    assert said in ran.stderr
    assert ran.returncode == 1


def test_only_what_is_there_can_be_disabled(folder: Folder) -> None:
    """A slip of the finger is said; what was disabled and is gone by now can be enabled."""
    path = folder.put("good", GOOD, 15)
    assert "there is no script 'goof'; known are good" in keeper(folder, "disable", "goof", "--why", "x").stderr
    assert keeper(folder, "disable", "good", "--why", "x").stdout == "good is disabled\n"
    path.unlink()
    assert keeper(folder, "enable", "good").stdout == "good is enabled, and runs again now\n"


def test_a_whole_folder_is_tried(folder: Folder) -> None:
    """A table with a line for each, also for those whose interval is longer than the trial."""
    folder.put("good", GOOD, 60)
    folder.put("bad", "echo ERROR: no database >&2; exit 3", 60)
    folder.put("long", f"{GOOD}; exec sleep 1000")
    ran = run([PROGRAM, "collectors", "try", str(folder.path), "--for", "3s"])
    lines = {line.split()[0]: line for line in ran.stdout.splitlines() if line}
    assert " ".join(lines["script"].split()) == "script every runs points series rejected exit RSS stage"
    assert "it ended with 3; ERROR: no database" in lines["bad"]
    assert "waiting" in lines["good"]
    assert "MiB" in lines["long"]
    assert ran.stdout.splitlines()[-1] == "3 scripts, 2 points, 0 lines rejected"
    assert ran.returncode == 3
    told = json.loads(run([PROGRAM, "collectors", "try", str(folder.path), "--for", "3s", "--json"]).stdout)
    assert [one["name"] for one in told["scripts"]] == ["bad", "good", "long"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    ran = run([PROGRAM, "collectors", "try", str(tmp_path / "none")])
    assert f"{tmp_path}/none is no folder" in ran.stderr
    assert ran.returncode == 1


STAND = {
    "name": "<b>x", "interval": 15.0, "stage": "looping", "since": "2026-11-26T15:00:00.000Z", "runs": 7, "points": 0,
    "series": 0, "rejected": {"bad_value": 2}, "memory": 0, "worked": False, "why": "it ended with <1>",
    "bad": ("bad_value", "a <i> nan", "'nan' is no finite decimal number"),
}  # fmt: skip
STATUS = {"collectors": [STAND], "complaints": ["<two> of one name"], "series": 3, "out": None}


def test_the_page_shows_what_scripts_say_as_text() -> None:
    """Names, reasons and lines are the scripts' own words: none of them becomes a part of the page."""
    page = render_collectors(STATUS)
    for word in ("<b>", "<i>", "<1>", "<two>"):
        assert word not in page
    assert "it ended with &lt;1&gt;" in page
    assert render_collectors({}) == ""


def test_the_list_tells_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(STATUS, as_json=False) == 3
    shown = capsys.readouterr().out
    assert "has never worked: it ended with <1>; last bad line (bad_value): 'a <i> nan'" in shown
    assert "<two> of one name" in shown
    assert show({"collectors": [], "complaints": []}, as_json=False) == 0
    assert "there are no scripts" in capsys.readouterr().out
