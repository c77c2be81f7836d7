"""A whole keeper in bad surroundings: what it cannot see or use, a full disk, and orders at bad moments."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from keeper.core.notice import alertname
from keeper.runtime.store import FILE, Store
from tests.peers import free_port, require
from tests.peers.alertmanager import Alertmanager
from tests.peers.ask import eventually, get
from tests.peers.docker_engine import DockerEngine
from tests.peers.inbox import Inbox
from tests.peers.process import run
from tests.scenarios.keeper_process import KeeperProcess

pytestmark = pytest.mark.timeout(120)

NewAlertmanager = Callable[..., Alertmanager]

# A log with a pattern, whose alert is over 2 s after the last match.
AGENT = """
[log:agent]
log = file:{log}
pattern.refused = refused
[rule:pattern_seen]
window = 1s
recover = 1s
[rule:log_silent]
enabled = no
"""
# Something to watch that is not there.
NOTHING = "[log:nothing]\nlog = file:/nowhere/nothing.log\npattern.any = any\n"


def told_to(*urls: str) -> str:
    return f"[alertmanager]\nurls = {', '.join(urls)}\ninterval = 2s\n"


def reason(alertmanager: Alertmanager, rule: str, status: str, deadline: float = 20, **labels: str) -> str:
    """Wait for a notification; the reason in it."""
    labels["alertname"] = alertname(rule)

    def heard() -> str:
        found = [n for n in alertmanager.inbox.notified(**labels) if n.status == status]
        return found[0].annotations["reason"] if found else ""

    return eventually(heard, f"{rule} {labels} to be {status}", deadline)


def test_a_keeper_that_can_see_nothing_starts_and_says_so(new_alertmanager: NewAlertmanager, tmp_path: Path) -> None:
    """An unreadable log, no Docker engine and a dead API: it runs, and tells of each with its reason. What comes back
    is seen without a restart."""
    log = tmp_path / "nodeos.log"
    log.touch(mode=0o000)
    alertmanager = new_alertmanager()
    settings = f"""
[node:tokyo]
log = file:{log}
api = http://127.0.0.1:{free_port()}
[log:paris]
log = docker:nodeos
pattern.any = any
[endpoint:oslo]
url = http://127.0.0.1:{free_port()}/health
{told_to(alertmanager.url)}
"""
    env = {"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    with KeeperProcess(tmp_path / "keeper", "k", settings, env=env, confined=True) as keeper:
        assert "ermission denied" in reason(alertmanager, "source_down", "firing", node="tokyo")
        assert "connection refused" in reason(alertmanager, "http_down", "firing", node="tokyo")
        assert "docker.sock" in reason(alertmanager, "source_down", "firing", subject="paris")
        assert "connection refused" in reason(alertmanager, "endpoint_failing", "firing", subject="oslo")
        assert keeper.metric("keeper_source_up", subject="tokyo", source="log") == 0
        assert get(f"http://{keeper.address}/-/healthy").ok
        fired = {n.labels["alertname"] for n in alertmanager.inbox.notified() if n.status == "firing"}
        assert fired == {"KeeperWatchdog", "KeeperSourceDown", "KeeperHttpDown", "KeeperEndpointFailing"}

        log.chmod(0o644)
        assert reason(alertmanager, "source_down", "resolved", node="tokyo") == "the log can be read"
        assert keeper.stop() == 0


def test_a_missing_container_is_waited_for(
    docker_engine: DockerEngine, new_alertmanager: NewAlertmanager, tmp_path: Path
) -> None:
    """A container that is not there yet is told as missing; once there, its log is read from its beginning."""
    alertmanager = new_alertmanager()
    settings = f"""
[log:paris]
log = docker:keeper-late
pattern.refused = refused
[rule:log_silent]
enabled = no
{told_to(alertmanager.url)}
"""
    env = {"DOCKER_HOST": docker_engine.url}
    with KeeperProcess(tmp_path / "keeper", "k", settings, env=env) as keeper:
        assert "keeper-late" in reason(alertmanager, "source_down", "firing", subject="paris")
        container = docker_engine.run("echo connection refused; sleep 60", name="keeper-late")
        try:
            assert "connection refused" in reason(alertmanager, "pattern_seen", "firing", subject="paris")
            reason(alertmanager, "source_down", "resolved", deadline=30, subject="paris")
            assert keeper.metric("keeper_source_lines_total", subject="paris") == 1
        finally:
            docker_engine.remove(container)


def test_a_taken_port_and_a_taken_state_are_refused(tmp_path: Path) -> None:
    """A second keeper on the same port or on the same state ends with code 1 and one clear sentence."""
    with KeeperProcess(tmp_path / "first", "first", NOTHING) as first:
        second = KeeperProcess(tmp_path / "second", "second", NOTHING)
        second.address = first.address
        second.configure(NOTHING)
        refused = second.refusal()
        assert refused.returncode == 1
        assert f"cannot listen on {first.address}: Address already in use" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1

        third = KeeperProcess(tmp_path / "third", "third", NOTHING, state_dir=first.state_dir)
        refused = third.refusal()
        assert refused.returncode == 1
        assert f"in use by another keeper (pid {first.pid})" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_a_state_directory_it_cannot_write_is_refused(tmp_path: Path) -> None:
    """The sentence names the directory and the cure."""
    state = tmp_path / "state"
    state.mkdir(mode=0o555)
    refused = KeeperProcess(tmp_path / "keeper", "k", NOTHING, state_dir=state, confined=True).refusal()
    assert refused.returncode == 1
    assert str(state) in refused.stderr
    assert "must be writable by keeper" in refused.stderr
    refused = KeeperProcess(tmp_path / "keeper", "k", NOTHING, state_dir=Path("/proc/keeper")).refusal()
    assert refused.returncode == 1
    assert "/proc/keeper" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("how", ["foreign", "torn", "no database"])
def test_a_database_it_cannot_trust_is_refused_and_left_as_it_is(how: str, tmp_path: Path) -> None:
    """Foreign, torn or no database at all: exit code 1, the file named and not a byte of it changed."""
    keeper = KeeperProcess(tmp_path / "keeper", "k", NOTHING)
    path = keeper.state_dir / FILE
    if how == "torn":
        keeper.start()
        assert keeper.stop() == 0
        with path.open("r+b") as database:
            database.seek(4096)
            database.write(os.urandom(8192))
    else:
        keeper.state_dir.mkdir(parents=True)
        if how == "foreign":
            with closing(sqlite3.connect(path)) as foreign:
                foreign.execute("CREATE TABLE something (else_ TEXT)")
        else:
            path.write_bytes(b"this is a letter, not a database\n" * 300)
    before = path.read_bytes()
    refused = keeper.refusal()
    assert refused.returncode == 1
    assert str(path) in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert path.read_bytes() == before


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB of its own."""
    require(os.geteuid() == 0, "mounting a file system needs root")
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = run(["mount", "-t", "tmpfs", "-o", "size=1m", "keeper-test", str(place)])
    require(mounted.returncode == 0, f"a tmpfs cannot be mounted: {mounted.stderr}")
    try:
        yield place
    finally:
        run(["umount", "--lazy", str(place)])


def fill(place: Path) -> Path:
    """Leave no byte free."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as out:
        size = 65536
        while size:
            try:
                out.write(b"x" * size)
            except OSError:
                size //= 2
    return filler


def test_a_full_disk_stops_neither_watching_nor_alerting(
    tiny_disk: Path, new_alertmanager: NewAlertmanager, tmp_path: Path
) -> None:
    """On a full disk it alerts from memory and says that it cannot save; with room again it saves. Killed on the full
    disk it goes on from the last position it had saved: every line behind it is read, none before it."""
    log = tmp_path / "agent.log"
    log.touch()
    alertmanager = new_alertmanager()
    settings = (
        AGENT.format(log=log) + "[rule:state_unwritable]\nwindow = 3s\nrecover = 1s\n" + told_to(alertmanager.url)
    )
    state = tiny_disk / "state"
    with KeeperProcess(tmp_path / "keeper", "k", settings, state_dir=state) as keeper:

        def append(count: int, text: str = "all is well") -> None:
            with log.open("a") as out:
                out.write(f"{text}\n" * count)

        def read(count: int) -> None:
            eventually(lambda: keeper.metric("keeper_source_lines_total", subject="agent") == count, f"{count} lines")

        def saved() -> bool:
            position = Store.read(state / FILE).positions().get("agent/log", "")
            return str(log.stat().st_size) in position

        eventually(lambda: keeper.metric("keeper_source_up", subject="agent") == 1, "the log")
        append(10)
        read(10)
        eventually(saved, "the position to be saved")

        filler = fill(tiny_disk)
        append(5)
        append(1, "connection refused")
        assert "refused" in reason(alertmanager, "pattern_seen", "firing", subject="agent")
        assert "full" in reason(alertmanager, "state_unwritable", "firing")
        reason(alertmanager, "pattern_seen", "resolved", subject="agent")
        assert any("cannot be written" in trouble for trouble in keeper.status()["keeper"]["troubles"])
        assert keeper.metric("keeper_state_writable") == 0
        read(16)

        filler.unlink()
        reason(alertmanager, "state_unwritable", "resolved")
        eventually(saved, "the position to be saved")
        assert "could not be written for" in keeper.command("history", "--kind", "state").stdout

        filler = fill(tiny_disk)
        append(7)
        read(23)
        eventually(lambda: keeper.metric("keeper_state_writable") == 0, "the disk to be found full")
        keeper.kill()
        append(2)
        keeper.start()  # also where there is no room
        read(9)
        filler.unlink()
        append(1)
        read(10)
        eventually(saved, "the position to be saved")
        keeper.kill()
        append(3)
        keeper.start()
        read(3)
        assert keeper.metric("keeper_source_lost_bytes_total", subject="agent") == 0


def test_reloads_in_the_middle_of_a_busy_log_lose_and_double_nothing(tmp_path: Path) -> None:
    """Thirty SIGHUPs that each time remake the source and the receiver while lines and alerts come: every line is
    counted once, every alert is posted once."""
    log = tmp_path / "agent.log"
    log.touch()
    written = 0
    done = threading.Event()

    def write() -> None:
        nonlocal written
        with log.open("a", buffering=1) as out:
            while not done.wait(0.002):
                out.write("connection refused\n" if written % 500 == 250 else "all is well, as it was before\n")
                written += 1

    def settings(turn: int) -> str:
        webhook = f"[webhook:inbox]\nurl = {inbox.url}\ntimeout = {5 + turn % 2}s\n"
        lookback = f"lookback = {turn % 2}KiB\n"
        # A log that comes into sight is not judged for two seconds: a match must count for longer than these reloads.
        agent = AGENT.format(log=log).replace("window = 1s", "window = 15s")
        return webhook + agent.replace("pattern.refused", f"{lookback}pattern.refused")

    with Inbox() as inbox, KeeperProcess(tmp_path / "keeper", "k", settings(0)) as keeper:
        eventually(lambda: keeper.metric("keeper_source_up", subject="agent") == 1, "the log")
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for turn in range(1, 31):
                keeper.configure(settings(turn))
                taken = sum("config=taken" in line for line in keeper.lines())
                keeper.reload()
                eventually(
                    lambda taken=taken: sum("config=taken" in line for line in keeper.lines()) > taken,  # type: ignore[misc]
                    f"reload {turn}",
                )
            eventually(lambda: written > 600, "a line that is worth an alert", 60)
        finally:
            done.set()
            writer.join()
        lines = keeper.metric("keeper_source_lines_total", subject="agent")
        eventually(lambda: keeper.metric("keeper_source_lines_total", subject="agent") >= written, f"{written} lines")

        def journaled(kind: str) -> int:
            return len(keeper.command("history", "--limit", "100000", "--kind", kind).stdout.splitlines())

        # The status is a second old at most: the journal tells first that an alert came, and that it is over.
        eventually(lambda: 0 < journaled("firing") == journaled("resolved"), "an alert and its end", 60)
        eventually(lambda: not keeper.status()["alerts"], "the end of the alerts")
        changes = journaled("firing") + journaled("resolved")
        eventually(lambda: len(inbox.received()) >= changes, f"{changes} notices", 10)
        lines = keeper.metric("keeper_source_lines_total", subject="agent")
        assert lines == written
        assert changes >= 2
        told = Counter(letter.body["id"] for letter in inbox.received())
        assert len(told) == changes
        assert set(told.values()) == {1}, told
        assert keeper.stop() == 0


def test_what_a_reload_removes_is_over(new_alertmanager: NewAlertmanager, tmp_path: Path) -> None:
    """The firing alert of a node that is no longer configured is told as over, once, with the reason; its series go."""
    alertmanager = new_alertmanager()
    node = f"[node:{{}}]\napi = http://127.0.0.1:{free_port()}\n"
    both = node.format("tokyo") + node.format("paris") + told_to(alertmanager.url)
    with KeeperProcess(tmp_path / "keeper", "k", both) as keeper:
        for name in ("tokyo", "paris"):
            reason(alertmanager, "http_down", "firing", node=name)
        keeper.configure(node.format("tokyo") + told_to(alertmanager.url))
        keeper.reload()
        assert "no longer configured" in reason(alertmanager, "http_down", "resolved", node="paris")
        assert 'subject="paris"' not in get(f"http://{keeper.address}/metrics").text
        eventually(
            lambda: [one["name"] for one in keeper.status()["subjects"]] == ["tokyo", "keeper"],
            "the page without it",
            5,
        )
        assert keeper.stop() == 0
        keeper.start()
        statuses = [n.status for n in alertmanager.inbox.notified(node="tokyo")]
        assert statuses == ["firing"]
        assert [n.status for n in alertmanager.inbox.notified(node="paris")] == ["firing", "resolved"]


def test_receivers_that_hang_do_not_hold_up_the_end(tmp_path: Path) -> None:
    """Three receivers that take the connection and never answer: SIGTERM still ends it within 5 s, with code 0."""
    with ExitStack() as stack:
        hanging = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        urls = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in hanging]
        keeper = stack.enter_context(KeeperProcess(tmp_path / "keeper", "k", NOTHING + told_to(*urls)))
        accepted = [one.accept()[0] for one in hanging]
        assert keeper.stop(deadline=5) == 0
        for connection in accepted:
            connection.close()


def test_signals_in_quick_succession_do_not_stop_it(tmp_path: Path) -> None:
    """Two thousand SIGHUPs while its queue is busy: it reloads, lives, and ends when told to."""
    log = tmp_path / "agent.log"
    log.touch()
    with KeeperProcess(tmp_path / "keeper", "k", AGENT.format(log=log)) as keeper, log.open("a", buffering=1) as out:
        for number in range(2000):
            out.write(f"line {number}\n")
            keeper.reload()
        eventually(lambda: keeper.metric("keeper_source_lines_total", subject="agent") > 0, "lines")
        began = time.monotonic()
        eventually(lambda: get(f"http://{keeper.address}/-/healthy").ok and time.monotonic() - began > 1, "health", 30)
        assert keeper.stop() == 0
