"""Collector scripts in a real keeper, with a real VictoriaMetrics and a real Prometheus behind it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from math import isnan
from pathlib import Path

import pytest

from keeper.collectors.orders import read_orders
from keeper.opentsdb.spool import Spool
from tests.collectors.folder import Folder
from tests.peers import free_port
from tests.peers.ask import eventually
from tests.peers.prometheus import Prometheus
from tests.peers.victoria import Victoria
from tests.scenarios.daemon import PROGRAM
from tests.scenarios.keeper_process import KeeperProcess

# Prints a point every so many seconds, each with another value, and writes down what it printed after it did.
COUNTS = """
import os, sys, time
name, path = os.path.basename(sys.argv[0]), {path!r}
number = sum(1 for _ in open(path)) if os.path.exists(path) else 0
at = time.time() // {step} * {step} + {step}
with open(path, "a", buffering=1) as done:
    while True:
        print("seq." + name, int(at * 1000), number, "b=c", flush=True)
        done.write("%d %d\\n" % (int(at * 1000), number))
        number, at = number + 1, at + {step}
        time.sleep(max(0.0, at - time.time()))
"""
FLIGHT = 8  # points, at most, that are on their way at once at this pace
SETTINGS = """
[collectors]
dir = {folder}
host = here
statistics = yes
[opentsdb]
hosts = 127.0.0.1:{port}
way = {way}
dedup = 0s
[rule:too_many]
metric = seq.count above 5 for 1s
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "collectors")


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[Victoria]:
    with Victoria(tmp_path / "victoria") as it:
        yield it


def counting(folder: Folder, tmp_path: Path, step: float = 0.2) -> Path:
    """A script that counts; the path of what it says it printed."""
    done = tmp_path / "printed"
    folder.put("count", COUNTS.format(path=str(done), step=step), by="/usr/bin/env python3")
    return done


def printed(done: Path) -> Counter[tuple[float, int]]:
    pairs = [line.split() for line in done.read_text().splitlines()] if done.exists() else []
    return Counter((float(number), int(at)) for at, number in pairs)


def await_all(victoria: Victoria, done: Path, what: str, deadline: float = 30.0) -> None:
    """Wait until everything that was printed before this moment has arrived."""
    eventually(lambda: printed(done), "something to be printed")
    before = printed(done)
    eventually(lambda: victoria.points("seq.count") >= before, what, deadline)


@pytest.mark.parametrize("way", ["telnet", "http"])
@pytest.mark.parametrize("away", [8, pytest.param(300, marks=pytest.mark.soak)])
def test_every_point_is_there_once_after_an_outage(
    folder: Folder, tmp_path: Path, victoria: Victoria, way: str, away: int
) -> None:
    """VictoriaMetrics is stopped in the middle and comes back: nothing is missing, nothing is there twice."""
    step = 1 if way == "telnet" else 0.2  # VictoriaMetrics knows no milliseconds by telnet
    done = counting(folder, tmp_path, step)
    port = victoria.telnet if way == "telnet" else victoria.put
    settings = SETTINGS.format(folder=folder.path, port=port, way=way)
    with KeeperProcess(tmp_path / "keeper", "k", settings) as keeper:
        await_all(victoria, done, "the first points")
        victoria.stop()
        begun = len(printed(done))
        eventually(lambda: keeper.metric("keeper_opentsdb_up") == 0, "the outage to be noticed", 30)
        eventually(lambda: len(printed(done)) >= begun + away / step, "so many points", away + 30)
        eventually(lambda: keeper.metric("keeper_opentsdb_waiting_points") >= (away - 3) / step, "them to wait")
        victoria.start()
        await_all(victoria, done, "all points", 90)
        eventually(lambda: keeper.metric("keeper_opentsdb_up") == 1, "its end to be noticed")
        assert keeper.metric("keeper_opentsdb_repeated_points_total") == 0
        keeper.stop()
    found = victoria.points("seq.count")
    assert set(found.values()) == {1}
    assert len(found.keys() - printed(done).keys()) <= 1  # it was ended before it could write the last one down


def scripts_of(folder: Folder) -> list[int]:
    """Processes whose command line names a script of the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(folder.path).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_keeper_killed_leaves_no_script_and_sends_nothing_twice(
    folder: Folder, tmp_path: Path, victoria: Victoria
) -> None:
    """kill -9 three times at odd moments: no collector survives; what was taken before is not sent again, neither out
    of the spool nor by a script that prints the same time anew."""
    done = counting(folder, tmp_path)
    folder.put("same", 'for n in 1 2 3; do echo "same.time 170000000$n $n a=b"; done; exec sleep 1000')
    settings = SETTINGS.format(folder=folder.path, port=victoria.put, way="http")
    with KeeperProcess(tmp_path / "keeper", "k", settings) as keeper:
        for turn in range(1, 4):
            begun = len(printed(done))
            eventually(lambda begun=begun: len(printed(done)) > begun + 5, "some points")  # type: ignore[misc]
            eventually(lambda: len(victoria.points("same.time")) == 3, "the other script's points")
            keeper.kill()
            eventually(lambda: not scripts_of(folder), f"the scripts to be gone after kill {turn}", 3)
            keeper.start()
        eventually(lambda: keeper.metric("keeper_collector_points_total", collector="same") == 3, "it to run again")
        begun = len(printed(done))
        eventually(lambda: len(printed(done)) > begun + 5, "some points")
        keeper.stop()
    assert victoria.points("same.time") == Counter({(float(n), 1_700_000_000_000 + n * 1000): 1 for n in (1, 2, 3)})
    found = victoria.points("seq.count")
    # What was on its way when it was killed may have arrived, and is sent again: a batch for each kill.
    assert sum(found.values()) - len(found) <= 3 * FLIGHT
    assert set(found.values()) <= {1, 2}


def test_prometheus_scrapes_it_a_rule_judges_it_and_people_see_it(
    folder: Folder, tmp_path: Path, victoria: Victoria
) -> None:
    """What a script measures is in Prometheus, fails a rule of the site, and is in lists; statistics are sent."""
    counting(folder, tmp_path)
    folder.put("bad", "echo ERROR: no database >&2; echo x 1 nan; exit 3", 1)
    settings = SETTINGS.format(folder=folder.path, port=victoria.put, way="http")
    with KeeperProcess(tmp_path / "keeper", "k", settings) as keeper:
        with Prometheus(tmp_path / "prometheus", targets=[keeper.address]) as prometheus:
            prometheus.wait_for('seq_count{collector="count",b="c"} > 5')
        eventually(lambda: ("collectors", "too_many") in keeper.failing(), "the rule to fail")
        [one] = [found for found in keeper.subject("collectors")["rules"] if found["rule"] == "too_many"]
        assert one["reason"].startswith("seq.count b=c is ")
        listed = keeper.collectors("list", "--json")
        assert listed.returncode == 3
        stands = {one["name"]: one for one in json.loads(listed.stdout)["collectors"]}
        assert stands["count"]["stage"] == "running"
        assert stands["bad"]["why"] == "it ended with 3"
        assert stands["bad"]["bad"][0] == "bad_value"
        keeper.await_line("collector=bad said='ERROR: no database'")
        eventually(lambda: victoria.points("tcollector.reader.lines_collected"), "its statistics")
        assert keeper.collectors("disable", "count", "--why", "tests").returncode == 0
        eventually(lambda: not scripts_of(folder), "it to be stopped")
        keeper.stop()
        keeper.start()
        eventually(lambda: "tests" in keeper.collectors("list").stdout, "it to be disabled still")
        assert not scripts_of(folder)
        assert keeper.collectors("enable", "count").returncode == 0
        eventually(lambda: scripts_of(folder), "it to run again")


def test_a_reload_changes_what_it_must_and_nothing_else(folder: Folder, tmp_path: Path, victoria: Victoria) -> None:
    """Another environment restarts the script it is for; rules, tags and hosts change while scripts go on."""
    done = counting(folder, tmp_path)
    folder.put("env", 'while :; do echo "env.x $(date +%s) ${NUMBER:-0} a=b"; sleep 1; done')
    settings = SETTINGS.format(folder=folder.path, port=free_port(), way="http")
    with KeeperProcess(tmp_path / "keeper", "k", settings) as keeper:
        eventually(lambda: keeper.metric("env_x", collector="env") == 0, "its first value")
        eventually(lambda: len(pids_of(keeper)) == 2, "both to be shown")
        pids = pids_of(keeper)
        assert victoria.points("seq.count") == Counter()
        keeper.configure(
            SETTINGS.format(folder=folder.path, port=victoria.put, way="http").replace("above 5", "below -5")
            + "[collector:env]\nenv.NUMBER = 7\n"
        )
        keeper.reload()
        eventually(lambda: keeper.metric("env_x", collector="env") == 7, "its new value")
        eventually(lambda: pids_of(keeper).get("env", pids["env"]) != pids["env"], "it to be shown")
        after = pids_of(keeper)
        assert after["count"] == pids["count"]
        await_all(victoria, done, "what waited to be sent to the new host")
        assert ("collectors", "too_many") not in keeper.failing()


def test_a_reload_changes_tags_types_and_bounds(folder: Folder, tmp_path: Path, victoria: Victoria) -> None:
    """Without the script being restarted, of which what counts is the series it has."""
    done = counting(folder, tmp_path)
    folder.put("many", 'while :; do for n in 1 2 3; do echo "many.x $(date +%s) $n n=$n"; done; sleep 1; done')
    settings = SETTINGS.format(folder=folder.path, port=victoria.put, way="http")
    bounded = settings.replace("[opentsdb]", "max_series = 2\n[opentsdb]")
    with KeeperProcess(tmp_path / "keeper", "k", bounded) as keeper:
        await_all(victoria, done, "the first points")
        eventually(lambda: keeper.metric("keeper_collector_series", collector="many") == 2, "two series")
        eventually(lambda: len(pids_of(keeper)) == 2, "both to be shown")
        pids = pids_of(keeper)
        keeper.configure(settings.replace("host = here", "host = there\ntags = a=1\ntype.seq.count = counter"))
        keeper.reload()
        eventually(lambda: keeper.metric("keeper_collector_series", collector="many") == 3, "three series", 30)
        eventually(lambda: keeper.metric("seq_count_total", collector="count", b="c") >= 0, "another type")
        await_all(victoria, done, "all points")
        eventually(lambda: victoria.points("seq.count", host="there", a="1"), "points with other tags")
        assert pids_of(keeper) == pids


def test_the_way_to_opentsdb_is_tried_again_until_it_can_be_had(
    folder: Folder, tmp_path: Path, victoria: Victoria
) -> None:
    """Another has the spool when a reload wants it: that is said, the scripts go on, and it is sent when it is free."""
    done = counting(folder, tmp_path)
    settings = SETTINGS.format(folder=folder.path, port=victoria.put, way="http")
    without = settings[: settings.index("[opentsdb]")] + settings[settings.index("[rule") :]
    with KeeperProcess(tmp_path / "keeper", "k", without) as keeper:
        eventually(lambda: printed(done), "the script to run")
        pids = eventually(lambda: pids_of(keeper), "it to be shown")
        other = Spool.open(keeper.state_dir / "collectors" / "opentsdb" / "spool", 1 << 20, time.time)
        keeper.configure(settings)
        keeper.reload()
        keeper.await_line("opentsdb=down")
        other.close()
        eventually(lambda: victoria.points("seq.count"), "points", 20)
        assert pids_of(keeper) == pids


def test_what_went_while_there_was_no_runner_is_forgotten(folder: Folder, tmp_path: Path) -> None:
    """A script that failed and is removed in the moment its runner is killed keeps no alert and no metric."""
    path = folder.put("bad", "exit 3")
    folder.put("good", 'echo "good.x $(date +%s) 1"; exec sleep 1000')
    with KeeperProcess(tmp_path / "keeper", "k", f"[collectors]\ndir = {folder.path}\n") as keeper:
        eventually(lambda: keeper.metric("keeper_collector_failing", collector="bad") == 1, "it to fail")
        eventually(lambda: pids_of(keeper), "the other to be shown")
        parent = int(Path(f"/proc/{pids_of(keeper)['good']}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGSTOP)
        path.unlink()
        os.kill(parent, signal.SIGKILL)
        keeper.await_line("collector=bad stage=gone")
        eventually(lambda: "bad" not in stands_of(keeper), "it to be gone")
        assert isnan(keeper.metric("keeper_collector_failing", collector="bad"))


def pids_of(keeper: KeeperProcess) -> dict[str, int]:
    """Of those that run."""
    return {name: stand["pid"] for name, stand in stands_of(keeper).items() if stand["pid"]}


def stands_of(keeper: KeeperProcess) -> dict[str, dict[str, int]]:
    return {one["name"]: one for one in keeper.status()["collectors"]["collectors"]}


@pytest.mark.parametrize("seconds", [10, pytest.param(120, marks=pytest.mark.soak)])
def test_a_folder_that_changes_all_the_time(folder: Folder, tmp_path: Path, seconds: int, seed: int) -> None:
    """Scripts are added, changed and removed at random: in the end exactly those that are there run, as they are."""
    chance = random.Random(seed)
    settings = f"[collectors]\ndir = {folder.path}\n"
    there: dict[str, tuple[int, int]] = {}
    folder.put("first", "exec sleep 1000")
    with KeeperProcess(tmp_path / "keeper", "k", settings) as keeper:
        until, version = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            name, version = f"s{chance.randrange(20)}", version + 1
            if name in there and chance.random() < 0.4:
                (folder.path / str(there.pop(name)[0]) / name).unlink()
            else:
                interval = chance.choice([0, 1, 2])
                if name in there and there[name][0] != interval:
                    (folder.path / str(there[name][0]) / name).unlink()
                # What is printed in the same second as the point before it is no new point: it is said again.
                said = f'echo "version.{name} $(date +%s) {version} a=b"'
                folder.put(name, said if interval else f"while {said}; do sleep 1; done", interval)
                there[name] = (interval, version)
            moment = time.monotonic() + chance.random() * 0.3
            eventually(lambda moment=moment: time.monotonic() > moment, "a moment")  # type: ignore[misc]
        there["first"] = (0, 0)

        def as_it_is() -> bool:
            stands = stands_of(keeper)
            shown = {name: keeper.metric(f"version_{name}", collector=name) for name in there if name != "first"}
            return stands.keys() == there.keys() and all(shown[name] == there[name][1] for name in shown)

        eventually(as_it_is, f"exactly these: {there}", 20)
        assert not [one for one in stands_of(keeper).values() if one["failures"]]
        assert keeper.stop() == 0
    assert not scripts_of(folder)


def test_standard_input_is_sent_as_it_comes_and_none_of_it_is_lost(
    folder: Folder, tmp_path: Path, victoria: Victoria
) -> None:
    """What comes is sent before more comes, and SIGTERM ends the waiting; of more than the spool holds nothing falls
    out of it."""
    settings = SETTINGS.format(folder=folder.path, port=victoria.put, way="http")
    keeper = KeeperProcess(tmp_path / "keeper", "k", settings)
    argv = [PROGRAM, "collectors", "run-all", "-c", str(keeper.config), "--stdin"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as program:
        assert program.stdin is not None
        program.stdin.write(b"in.x 1700000000 1 a=b\n")
        program.stdin.flush()
        eventually(lambda: victoria.points("in.x"), "the first point")
        os.kill(program.pid, signal.SIGTERM)
        assert program.wait(5) == 0
    keeper.configure(settings.replace("dedup = 0s", "dedup = 0s\nspool = 1MiB"))
    many = "".join(f"in.y {1_700_000_000 + n} {n} a=b\n" for n in range(60_000))
    assert keeper.collectors("run-all", "--stdin", stdin=many).returncode == 0
    assert len(victoria.points("in.y")) == 60_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_single_run_that_is_ended_leaves_no_script_behind(folder: Folder, tmp_path: Path, number: int) -> None:
    folder.put("long", "echo a.b 1700000000 1; exec sleep 1000")
    keeper = KeeperProcess(tmp_path / "keeper", "k", f"[collectors]\ndir = {folder.path}\n")
    as_usual = ["env", "--default-signal=INT"]  # where the tests run in a shell's background it would be ignored
    argv = [*as_usual, PROGRAM, "collectors", "run", "-c", str(keeper.config), "long", "--for", "100s"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert b"a.b" in program.stdout.readline()
        [script] = children_of(program.pid)
        os.kill(program.pid, number)
        program.wait(10)
    eventually(lambda: not Path(f"/proc/{script}").exists(), "the script to be gone", 5)


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_what_two_people_say_at_once_is_both_heard(folder: Folder, tmp_path: Path) -> None:
    """Many disable a script each, in one moment: all of them are disabled."""
    keeper = KeeperProcess(tmp_path / "keeper", "k", f"[collectors]\ndir = {folder.path}\n")
    names = [f"s{n}" for n in range(12)]
    for name in names:
        folder.put(name, "exit 13")
    argv = [PROGRAM, "collectors", "disable", "-c", str(keeper.config), "--why", "test"]
    programs = [subprocess.Popen([*argv, name], stdout=subprocess.DEVNULL) for name in names]
    assert [program.wait(30) for program in programs] == [0] * len(names)
    assert sorted(read_orders(keeper.state_dir / "collectors").disabled) == sorted(names)


def test_it_can_be_used_alone(folder: Folder, tmp_path: Path, victoria: Victoria) -> None:
    """`run-all` prints or sends, `--stdin` sends what it is given and ends."""
    folder.put("one", 'echo "one.x $(date +%s) 5 a=b"; exec sleep 1000')
    keeper = KeeperProcess(tmp_path / "keeper", "k", SETTINGS.format(folder=folder.path, port=victoria.put, way="http"))
    given = keeper.collectors("run-all", "--stdin", stdin="in.x 1700000000 1 a=b\nin.x 1700000001 nan\n")
    assert given.returncode == 3
    assert "reason=bad_value" in given.stderr
    assert victoria.points("in.x") == Counter({(1.0, 1_700_000_000_000): 1})
    printed_only = keeper.collectors("run-all", "--stdin", "--dry-run", stdin="in.y 1700000000 1\n")
    assert printed_only.stdout == "in.y 1700000000 1 host=here\n"
    pid_file = tmp_path / "pid"
    argv = [PROGRAM, "collectors", "run-all", "-c", str(keeper.config), "--pid-file", str(pid_file)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as program:
        eventually(lambda: victoria.points("one.x"), "its point")
        assert int(pid_file.read_text()) == program.pid
        os.kill(program.pid, signal.SIGTERM)
        assert program.wait(10) == 0
    assert not pid_file.exists()
    assert not scripts_of(folder)
