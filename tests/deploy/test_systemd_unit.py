"""The systemd unit is valid and hardened, as systemd's own tools judge it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keeper import guard
from keeper.commands.status import address_of
from keeper.failover.lease import Timing
from keeper.receiver.server import FINISH
from keeper.receiver.settings import ReceiverSettings
from tests.deploy.files import DEPLOY, RECEIVER_UNIT, UNIT
from tests.peers import installed
from tests.peers.process import run


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with programs that exist here: systemd wants to see what it shall start."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/opt/keeper/bin/keeper", "/bin/true"))
    return path


def test_systemd_accepts_the_unit(unit: Path) -> None:
    """`systemd-analyze verify` has nothing to say."""
    verified = run([installed("systemd-analyze"), "verify", "--man=no", str(unit)])
    said = [line for line in (verified.stdout + verified.stderr).splitlines() if unit.name in line]
    assert (verified.returncode, said) == (0, [])


def test_systemd_judges_it_hardened(unit: Path) -> None:
    """`systemd-analyze security` gives it an exposure of at most 1.8 of 10 (unhardened services get 9.6); 0.3 of
    them are for capset and setpriority, with which one without capabilities can lower its priority, and no more."""
    command = ["security", "--offline=true", "--no-pager", "--threshold=18", str(unit)]
    judged = run([installed("systemd-analyze"), *command])
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_systemd_accepts_the_guards_unit_and_judges_it_hardened(tmp_path: Path) -> None:
    """With the drop-in of the node it guards."""
    unit = tmp_path / "keeper-guard.service"
    unit.write_text((DEPLOY / unit.name).read_text().replace("/opt/keeper/bin/python", "/bin/true"))
    node = tmp_path / "nodeos.service"
    node.write_text("[Service]\nExecStart=/bin/true\n")
    dropin = tmp_path / "nodeos.service.d" / "guarded.conf"
    dropin.parent.mkdir()
    dropin.write_text((DEPLOY / "nodeos-guarded.conf").read_text())
    verified = run([installed("systemd-analyze"), "verify", "--man=no", str(unit), str(node)])
    said = [line for line in (verified.stdout + verified.stderr).splitlines() if str(tmp_path) in line]
    assert (verified.returncode, said) == (0, [])
    command = ["security", "--offline=true", "--no-pager", "--threshold=15", str(unit)]
    judged = run([installed("systemd-analyze"), *command])
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_guard_is_missed_in_time() -> None:
    """A guard that is frozen is killed before the lease of its node can end elsewhere."""
    text = (DEPLOY / "keeper-guard.service").read_text()
    [seconds] = re.findall(r"(?m)^WatchdogSec=(\d+)$", text)
    assert int(seconds) < Timing().act_within + Timing().margin
    assert re.findall(r"(?m)^(?:User|StateDirectory)=(.+)$", text) == ["keeper", "keeper"]
    [seconds] = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", text)
    assert int(seconds) > Timing().act_within
    assert f"-m {guard.__name__} /var/lib/keeper {guard.STAY}\n" in text


def test_the_node_ends_with_its_guard_and_starts_with_it() -> None:
    """BindsTo= alone would leave it stopped, and is not strict without After=."""
    text = (DEPLOY / "nodeos-guarded.conf").read_text()
    bound = re.findall(r"(?m)^(BindsTo|After|WantedBy)=keeper-guard\.service$", text)
    assert bound == ["BindsTo", "After", "WantedBy"]


def test_the_user_of_the_unit_is_the_one_that_is_created(tmp_path: Path) -> None:
    """deploy/keeper.sysusers.conf makes the user and group the unit runs as, at home in its state."""
    (tmp_path / "etc").mkdir()
    made = run([installed("systemd-sysusers"), f"--root={tmp_path}", str(DEPLOY / "keeper.sysusers.conf")])
    assert made.returncode == 0, made.stderr
    [line] = (tmp_path / "etc/passwd").read_text().splitlines()
    name, home = line.split(":")[0], line.split(":")[5]
    text = UNIT.read_text()
    assert re.findall(r"(?m)^(?:User|Group)=(.+)$", text) == [name, name]
    assert re.findall(r"(?m)^StateDirectory=(.+)$", text) == [home.removeprefix("/var/lib/")]


def test_the_guard_outlives_keeper() -> None:
    """When keeper dies, systemd must leave the guard alone; when all of it is told to end, the guard has the time."""
    text = UNIT.read_text()
    assert re.findall(r"(?m)^KillMode=(.+)$", text) == ["process"]
    [seconds] = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", text)
    assert int(seconds) > Timing().act_within


def drop_ins(of: Path) -> list[str]:
    """What stands commented out at the end of the unit, each from [Service] on."""
    lines = re.findall(r"(?m)^#   (.+)$", of.read_text().partition("# Drop-ins")[2])
    return ["[Service]\n" + part for part in "\n".join(lines).split("[Service]\n")[1:]]


@pytest.mark.parametrize("drop_in", drop_ins(UNIT), ids=lambda text: text.split("\n")[1])
def test_systemd_accepts_the_unit_with_each_drop_in(unit: Path, drop_in: str) -> None:
    """They are written for systemd, not only for people."""
    beside = unit.with_name(f"{unit.name}.d") / "site.conf"
    beside.parent.mkdir()
    beside.write_text(drop_in)
    verified = run([installed("systemd-analyze"), "verify", "--man=no", str(unit)])
    said = [line for line in (verified.stdout + verified.stderr).splitlines() if str(unit.parent) in line]
    assert (verified.returncode, said) == (0, [])


@pytest.mark.parametrize(
    "drop_in", ["", *drop_ins(RECEIVER_UNIT)], ids=lambda text: text.partition("\n")[2][:20] or "none"
)
def test_systemd_accepts_the_receivers_unit_with_each_drop_in(tmp_path: Path, drop_in: str) -> None:
    """`systemd-analyze verify` has nothing to say."""
    unit = tmp_path / RECEIVER_UNIT.name
    unit.write_text(RECEIVER_UNIT.read_text().replace("/opt/keeper/bin/keeper", "/bin/true"))
    if drop_in:
        beside = unit.with_name(f"{unit.name}.d") / "site.conf"
        beside.parent.mkdir()
        beside.write_text(drop_in)
    verified = run([installed("systemd-analyze"), "verify", "--man=no", str(unit)])
    said = [line for line in (verified.stdout + verified.stderr).splitlines() if str(tmp_path) in line]
    assert (verified.returncode, said) == (0, [])


def test_systemd_judges_the_receiver_hardened() -> None:
    """As keeper, without what scripts need: at most 1.5 of 10."""
    command = ["security", "--offline=true", "--no-pager", "--threshold=15", str(RECEIVER_UNIT)]
    judged = run([installed("systemd-analyze"), *command])
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_receiver_has_what_its_defaults_need() -> None:
    """Files for all connections, time to stop in order, and the user, group and folders of keeper."""
    text, keepers = RECEIVER_UNIT.read_text(), UNIT.read_text()
    settings = ReceiverSettings()
    [files] = re.findall(r"(?m)^LimitNOFILE=(\d+)$", text)
    assert int(files) > settings.max_connections + 1000
    [seconds] = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", text)
    assert int(seconds) > FINISH + 2 * settings.drain
    for line in ("User", "Group", "StateDirectory", "ConfigurationDirectory", "ExecStartPre", "UMask"):
        assert re.findall(rf"(?m)^{line}=.+$", text) == re.findall(rf"(?m)^{line}=.+$", keepers)
    assert "\nExecStart=/opt/keeper/bin/keeper receive -c /etc/keeper/config.ini\n" in text
    assert {"prlimit64", "fdatasync", "flock"} <= allowed(text)


def allowed(text: str) -> set[str]:
    """The system calls that the lines SystemCallFilter= of a unit leave, as systemd reads them: one after another."""
    sets: dict[str, set[str]] = {}
    for line in run([installed("systemd-analyze"), "--no-pager", "syscall-filter"]).stdout.splitlines():
        if line.startswith("@"):
            here = sets[line] = set()
        elif line.startswith("    ") and not line.startswith("    #"):
            here.add(line.strip())

    def calls(word: str) -> set[str]:
        return set().union(*map(calls, sets[word])) if word.startswith("@") else {word}

    left: set[str] = set()
    for away, words in re.findall(r"(?m)^SystemCallFilter=(~?)(.+)$", text):
        named = set().union(*map(calls, words.split()))
        left = left - named if away else left | named
    return left


def test_collectors_can_run_under_the_unit() -> None:
    """Runner and setpriv may do what starting, limiting and ending scripts takes; another user takes a drop-in, too."""
    starting = {"capset", "prctl", "prlimit64", "setpriority", "setsid", "pidfd_open", "waitid", "kill"}
    becoming = {"setresuid", "setresgid", "setgroups"}
    assert starting <= allowed(UNIT.read_text())
    [of_another_user] = [text for text in drop_ins(UNIT) if "User=root" in text]
    assert not becoming & allowed(UNIT.read_text())
    assert starting | becoming <= allowed(UNIT.read_text() + of_another_user)


def test_the_image_and_the_unit_run_the_same_command() -> None:
    """Both start `keeper run -c /etc/keeper/config.ini`; the image asks the port keeper listens on by default."""
    image = (DEPLOY / "Dockerfile").read_text()
    assert '\nENTRYPOINT ["keeper"]\nCMD ["run", "-c", "/etc/keeper/config.ini"]\n' in image
    assert "\nExecStart=/opt/keeper/bin/keeper run -c /etc/keeper/config.ini\n" in UNIT.read_text()
    port = address_of(None).rpartition(":")[2]
    assert f"\nEXPOSE {port} " in image
    assert f" HEALTH_PORT={port}\n" in image
    assert "\nUSER 10001:10001\n" in image
