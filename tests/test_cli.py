"""The command line as a person at three in the morning meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keeper import __version__
from keeper.cli import COMMANDS


def keeper(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "keeper", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **env}
    )


def test_help_teaches_and_names_every_command() -> None:
    """`keeper --help` lists the commands, first steps and exit codes."""
    told = keeper("--help").stdout
    for name in COMMANDS:
        assert name in told
    assert "first steps:" in told
    assert "exit codes:" in told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    """`keeper COMMAND --help` has an example a person can copy."""
    done = keeper(command, "--help")
    assert done.returncode == 0
    assert "example" in done.stdout


def test_every_command_stands_in_the_readme() -> None:
    """The README names each command once at least."""
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    assert [name for name in COMMANDS if f"keeper {name}" not in readme and f"make {name}" not in readme] == []


def test_version_and_wrong_usage() -> None:
    """--version tells the version; an unknown command is wrong usage."""
    assert keeper("--version").stdout == f"keeper {__version__}\n"
    assert keeper("dance").returncode == 2


def test_check_config_for_people_and_for_machines(tmp_path: Path) -> None:
    """Every mistake with file and line on stderr and exit code 1; the same as JSON."""
    bad = tmp_path / "bad.ini"
    bad.write_text("[keeper]\nrole = Q\n[node]\nlog = nowhere\n")
    done = keeper("check-config", str(bad))
    assert done.returncode == 1
    assert f"{bad}:2: [keeper] role" in done.stderr
    assert f"{bad}:4: [node] log" in done.stderr
    assert done.stderr.endswith("2 mistakes\n")
    told = json.loads(keeper("check-config", "--json", str(bad)).stdout)
    assert told["ok"] is False
    assert len(told["problems"]) == 2
    good = tmp_path / "good.ini"
    good.write_text("[node]\nlog = file:/var/log/nodeos.log\n")
    done = keeper("check-config", "-c", str(good))
    assert done.returncode == 0
    assert "no [alertmanager]" in done.stdout


@pytest.mark.parametrize("command", [["run"], ["replay", "x.log"], ["history"], ["silence", "--list"], ["test-alert"]])
def test_a_wrong_configuration_stops_every_command_with_its_mistakes(command: list[str], tmp_path: Path) -> None:
    """No command starts on a file with mistakes, and none shows a traceback."""
    bad = tmp_path / "bad.ini"
    bad.write_text("[nod]\n")
    done = keeper(command[0], "-c", str(bad), *command[1:])
    assert done.returncode == 1
    assert "did you mean node?" in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_about_a_keeper_that_never_ran_say_so(tmp_path: Path) -> None:
    """history and silence need a state database; status needs a keeper that answers."""
    config = tmp_path / "config.ini"
    config.write_text(f"[keeper]\nstate_dir = {tmp_path}/state\nlisten = 127.0.0.1:1\n[node]\nlog = file:/x\n")
    for arguments in (["history"], ["silence", "--for", "1h", "--why", "test"]):
        done = keeper(arguments[0], "-c", str(config), *arguments[1:])
        assert done.returncode == 1
        assert "no keeper has run with this state_dir yet" in done.stderr
    done = keeper("status", "-c", str(config))
    assert done.returncode == 1
    assert "no keeper answers at 127.0.0.1:1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--for", "1h"], "needs --for and --why"),
        (["--for", "10", "--why", "x"], "is not a duration"),
        (["--for", "60d", "--why", "x"], "at most 30d"),
        (["--for", "1h", "--why", "x", "--rule", "nope"], "no rule 'nope'"),
        (["--for", "1h", "--why", "x", "--subject", "nope"], "nothing is called 'nope'"),
    ],
)
def test_a_silence_that_cannot_be_meant_is_refused(arguments: list[str], said: str, tmp_path: Path) -> None:
    """Mistakes of the command line name what would be right."""
    config = tmp_path / "config.ini"
    config.write_text(f"[keeper]\nstate_dir = {tmp_path}\n[node]\nlog = file:/x\n")
    done = keeper("silence", "-c", str(config), *arguments)
    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    ("command", "package"),
    [
        *((command, "orjson") for command in ("stats", "export", "letters", "reconcile", "work", "receive")),
        *((command, "numpy") for command in ("work", "receive")),
    ],
)
def test_what_needs_extra_packages_says_which(command: str, package: str, tmp_path: Path) -> None:
    """On a host that only watches, the receiver's are not installed; nobody gets a traceback for it."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules['{package}'] = None\n")
    config = tmp_path / "config.ini"
    config.write_text(
        f"[keeper]\nstate_dir = {tmp_path}\n[receiver]\nlisten = 127.0.0.1:0\nstatus_listen = 127.0.0.1:0\n"
    )
    done = keeper(command, "-c", str(config), PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    assert done.returncode == 1
    assert "keeper: " in done.stderr
    assert f"({package}): pip install 'keeper[receiver]'" in done.stderr
    assert "Traceback" not in done.stderr
