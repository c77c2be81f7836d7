"""Following containers of a real engine: every pitfall of its log streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keeper.core.batch import Chunk
from tests.peers import installed
from tests.peers.ask import eventually
from tests.peers.docker_engine import DockerEngine
from tests.sources.docker_following import NOW, Following, Proxy
from tests.sources.loopback import Loopback

SHAPES = [("json-file", False), ("json-file", True), ("local", False), ("local", True)]
FOREVER = "sleep 300"


@pytest.fixture
def name() -> str:
    return f"c{os.urandom(6).hex()}"


@pytest.fixture
def engine(docker_engine: DockerEngine, name: str) -> Iterator[DockerEngine]:
    """The session's engine, without what the last test left running."""
    yield docker_engine
    docker_engine.remove(name)


def numbered(last: int, pause: str = "", to: str = "") -> str:
    return f"i=0; while [ $i -lt {last} ]; do i=$((i+1)); echo line $i {to}; {pause} done"


def lines(last: int, first: int = 1) -> list[str]:
    return [f"line {number}" for number in range(first, last + 1)]


@pytest.mark.parametrize(("driver", "tty"), SHAPES)
def test_lines_as_they_were_printed(engine: DockerEngine, name: str, driver: str, tty: bool) -> None:
    """Every line comes once, without the engine's timestamp and frames, with a plain newline, whatever its bytes."""
    script = r"printf 'one\n\ntwo\000\rx\n2026-11-20T21:52:12.160976991Z forged\n'; echo error >&2; " + FOREVER
    engine.run(script, name=name, driver=driver, tty=tty)
    with Following(engine.url, name) as following:
        following.until_line("error")
        following.until_line("2026-11-20T21:52:12.160976991Z forged")
        following.until_checked()
    out = following.data.replace(b"error\n", b"")
    assert out == b"one\n\ntwo\0\rx\n2026-11-20T21:52:12.160976991Z forged\n"
    assert following.data.count(b"error\n") == 1
    assert not following.downs
    assert not following.lost


@pytest.mark.parametrize(("driver", "tty"), SHAPES)
def test_long_lines_cut_inside_a_character(engine: DockerEngine, name: str, driver: str, tty: bool) -> None:
    """Lines of 40 KiB are joined from the engine's pieces, printed before keeper came and while it looks, and the cuts
    inside characters do no harm. (json-file writes U+FFFD for the halves: that is gone before anybody can read it.)"""
    script = (
        "long() { printf ab; yes '€' | head -n 13600 | tr -d '\\n'; echo; }\n"
        f"long; echo between; while [ ! -e /tmp/go ]; do sleep 0.05; done; long; echo after; {FOREVER}"
    )
    container = engine.run(script, name=name, driver=driver, tty=tty)
    with Following(engine.url, name) as following:
        following.until_line("between")
        engine.touch(container, "/tmp/go")
        following.until_line("after")
        following.until_checked()
    first, between, second, after = following.data.decode(errors="replace").splitlines()
    assert (between, after) == ("between", "after")
    assert first == second
    if driver == "local":
        assert first == "ab" + "€" * 13_600
    else:
        assert first.replace("\ufffd", "").replace("€", "") == "ab"
        assert first.count("€") + first.count("\ufffd") / 3 == 13_600


def test_line_over_a_mebibyte(engine: DockerEngine, name: str) -> None:
    """A line of 3 MiB is cut to one MiB and counted, and what follows is there."""
    engine.run(f"yes x | head -c 3000000 | tr -d '\\n' | head -c 3000000; echo; echo after; {FOREVER}", name=name)
    with Following(engine.url, name) as following:
        following.until_line("after")
        following.until_checked()
    assert [len(line) for line in following.data.splitlines()] == [(1 << 20) - 1, 5]
    assert sum(item.cut for item in following.items if isinstance(item, Chunk)) == 1


@pytest.mark.parametrize("tty", [False, True])
def test_restarts_of_the_container(engine: DockerEngine, name: str, tty: bool) -> None:
    """A container that ends and starts again goes on in the same log: no line twice, last words without a newline do
    not glue to the next run's first line, and keeper was never blind."""
    container = engine.run("echo begin; printf last", name=name, tty=tty)
    with Following(engine.url, name) as following:
        for run in range(1, 4):
            expected = ["begin", "last"] * run
            following.until(lambda: following.lines == expected, f"run {run}")  # noqa: B023 - awaited right here
            engine.ended(container)
            following.until_checked()
            if run < 3:
                engine.client.start(container)
    assert following.lines == ["begin", "last"] * 3
    assert not following.downs
    assert not following.lost


def test_container_created_anew(engine: DockerEngine, name: str) -> None:
    """Under the same name another container's log begins at its beginning. Nothing is called lost when the old one had
    ended and was read to its end."""
    old = engine.run("echo old", name=name)
    with Following(engine.url, name) as following:
        following.until_line("old")
        engine.ended(old)
        following.until_checked()
        engine.remove(old)
        following.until(lambda: not following.sees, "the container to be missed")
        assert f"there is no container {name}" in following.downs[-1]
        assert f"docker:{name}" in following.downs[-1]
        engine.run(f"echo new; {FOREVER}", name=name)
        following.until_line("new")
        following.until_checked()
    assert following.lines == ["old", "new"]
    assert not following.lost
    with Following(engine.url, name, following.position) as again:
        again.until_checked()
    assert again.lines == []
    assert not again.lost


def test_container_torn_down_while_it_printed(engine: DockerEngine, name: str) -> None:
    """When the old container was removed while it ran, its last lines may be gone, and that is said once."""
    engine.run(f"{numbered(50)}; {FOREVER}", name=name)
    with Following(engine.url, name) as following:
        following.until_line("line 50")
    engine.remove(name)
    unseen = engine.run("echo unseen", name=name)
    engine.ended(unseen)
    engine.remove(unseen)
    new = engine.run(f"echo new; {FOREVER}", name=name)
    with Following(engine.url, name, following.position) as after:
        after.until_line("new")
    assert after.lines == ["new"]
    (lost,) = after.lost
    assert f"created anew as {new[:12]}, 1 containers unseen came and went" in lost.reason
    assert lost.where.startswith(f"container {name} (")
    with Following(engine.url, name, lost.position) as again:
        again.until_line("new")
    assert not again.lost


def test_container_renamed_away(engine: DockerEngine, name: str) -> None:
    """What compose does: the old container is renamed before the new one is created. It is read to its end first."""
    old = engine.run("echo one", name=name)
    with Following(engine.url, name) as following:
        following.until_line("one")
        engine.ended(old)
    engine.client.start(old)
    engine.ended(old)
    engine.client.rename(old, f"{name}-old")
    engine.run(f"echo two; {FOREVER}", name=name)
    with Following(engine.url, name, following.position) as after:
        after.until_line("two")
    engine.remove(old)
    assert after.lines == ["one", "two"]
    assert not after.lost


@pytest.mark.parametrize(("way", "driver"), [("restart", "json-file"), ("kill", "local")])
def test_engine_goes_and_comes(engine: DockerEngine, name: str, driver: str, way: str) -> None:
    """While the engine is away keeper says that it is blind, and why; afterwards every line is there once."""
    container = engine.run(f"{numbered(40, 'sleep 0.01;')}; {FOREVER}", name=name, driver=driver)
    with Following(engine.url, name) as following:
        following.until_line("line 40")
        engine.stop() if way == "restart" else engine.kill()
        following.until(lambda: not following.sees, "the engine to be missed")
        following.until(lambda: "engine" in following.downs[-1] and "start it" in following.downs[-1], "the reason")
        engine.start()
        following.until(lambda: following.sees, "the engine to be seen")
        engine.client.start(container)
        following.until(lambda: following.lines.count("line 40") == 2, "the second run")
        following.until_checked()
    assert following.lines == lines(40) * 2
    assert not following.lost


def test_engine_that_hangs(engine: DockerEngine, name: str) -> None:
    """A stopped engine is noticed within the timeout and a second, and does not keep keeper from stopping."""
    engine.run(f"echo one; {FOREVER}", name=name)
    with Following(engine.url, name, timeout=1.0) as following:
        following.until_line("one")
        asked = NOW()
        engine.signal(signal.SIGSTOP)
        try:
            following.until(lambda: not following.sees, "the hang to be noticed", 5.0)
            assert NOW() - asked < 4.0
            assert "does not answer" in following.downs[-1]
            engine.signal(signal.SIGCONT)
            following.until(lambda: following.sees, "the engine to be seen again")
            engine.signal(signal.SIGSTOP)
            following.until(lambda: not following.sees, "the hang to be noticed", 5.0)
            following.__exit__(None, None, None)
        finally:
            engine.signal(signal.SIGCONT)
    assert following.lines == ["one"]
    assert len(following.downs) == 2


@pytest.mark.parametrize("script", [FOREVER, "while true; do echo x; done", "true"])
def test_stops_at_once(engine: DockerEngine, name: str, script: str) -> None:
    """Within half a second, whether the container is silent, prints as fast as it can, or has ended."""
    engine.run(script, name=name, log={"max-size": "1m", "max-file": "2"})
    with Following(engine.url, name) as following:
        following.until(lambda: following.items, "anything")
    assert following.stopped_in < 0.5


@pytest.mark.parametrize(("driver", "files"), [("json-file", "1"), ("json-file", "3"), ("local", "2")])
def test_rotation_while_following(engine: DockerEngine, name: str, driver: str, files: str) -> None:
    """At an honest pace a log of 20 kB files is followed over seven rotations without a gap or a repetition."""
    log = {"max-size": "20k", "max-file": files, "compress": "false"}
    line = "x" * 400
    script = f"i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i {line}; sleep 0.004; done; {FOREVER}"
    engine.run(script, name=name, driver=driver, log=log)
    with Following(engine.url, name) as following:
        following.until(lambda: following.lines and following.lines[-1].startswith("line 300 "), "the last line")
        following.until_checked()
    assert [entry.split(" x")[0] for entry in following.lines] == lines(300)
    if files != "1":  # with one file there is no line left to prove that none is missing
        assert not following.lost, following.lost[0].reason


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_rotation_deleted_what_was_not_read(engine: DockerEngine, name: str, driver: str) -> None:
    """When the engine deleted lines while keeper was away, that is said, and the rest comes without a further gap."""
    log = {"max-size": "20k", "max-file": "2", "compress": "false"}
    script = f"echo first; while [ ! -e /tmp/go ]; do sleep 0.05; done; {numbered(5000)}; {FOREVER}"
    container = engine.run(script, name=name, driver=driver, log=log)
    with Following(engine.url, name) as before:
        before.until_line("first")
    engine.touch(container, "/tmp/go")
    eventually(lambda: b"line 5000\n" in engine.client.logs(container, tail=5), "the last line to be printed", 30)
    with Following(engine.url, name, before.position) as after:
        after.until_line("line 5000")
        after.until_checked()
    begin = int(after.lines[0].split()[1])
    assert 1 < begin < 5000
    assert after.lines == lines(5000, begin)
    (lost,) = after.lost
    assert (lost.size, lost.where) == (0, f"container {name} ({container[:12]})")
    assert "gone from the log" in lost.reason


def test_storm_with_tiny_files(engine: DockerEngine, name: str) -> None:
    """When a container prints faster than anybody can read before the engine deletes it, no line comes twice, and what
    is missing was said to be lost."""
    script = f"echo line 0; sleep 1; {numbered(30000)}; {FOREVER}"
    engine.run(script, name=name, log={"max-size": "20k", "max-file": "2", "compress": "true"})
    with Following(engine.url, name) as following:
        following.until_line("line 30000", 60)
        following.until_checked()
    assert len(set(following.lines)) == len(following.lines)
    assert len(following.lines) == 30001 or following.lost


def test_stream_that_stands_still(engine: DockerEngine, name: str) -> None:
    """When the engine's stream shows nothing more though lines are printed (moby#23913, #37646), they come all the
    same, and the stream is opened anew."""
    engine.run(f"{numbered(1000, 'sleep 0.1;')}; {FOREVER}", name=name)
    proxy = Proxy(str(engine.socket))
    with Loopback(proxy) as server, Following(f"tcp://127.0.0.1:{server.port}", name) as following:
        following.until_line("line 3")
        proxy.holding.set()
        assert proxy.follows == 1
        seen = len(following.lines)
        following.until(lambda: len(following.lines) >= seen + 20, "twenty more lines")
        following.until(lambda: proxy.follows > 1, "another stream")
        proxy.holding.clear()
        following.until(lambda: len(following.lines) >= seen + 40, "twenty more lines")
        assert following.sees
    assert following.lines == lines(len(following.lines))
    assert not following.downs
    assert not following.lost


def test_connection_cut_anywhere(engine: DockerEngine, name: str, seed: int) -> None:
    """Connections that break in the middle of heads, frames and lines cost no line and repeat none."""
    engine.run(f"{numbered(400, 'sleep 0.005;')}; {FOREVER}", name=name)
    proxy = Proxy(str(engine.socket))
    with Loopback(proxy) as server, Following(f"tcp://127.0.0.1:{server.port}", name) as following:
        for cut in range(1, 16):
            following.until(lambda: following.sees and len(following.lines) >= 20 * cut, f"cut {cut}", 30)  # noqa: B023
            proxy.cut_after = (seed * cut) % 2000
        following.until_line("line 400", 40)
        following.until_checked()
    assert following.lines == lines(400)
    assert not following.lost


def test_engine_over_tls(
    engine: DockerEngine, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    """DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH are honoured, by the streams as well."""
    engine.run(f"{numbered(100, 'sleep 0.01;')}; {FOREVER}", name=name)
    for file in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / file).write_bytes(certificate.read_bytes())
    with Loopback(Proxy(str(engine.socket)), tls=certificate) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.port}")
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
        with Following("", name) as following:
            following.until_line("line 100")
            following.until_checked()
    assert following.lines == lines(100)
    assert following.stopped_in < 0.5


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate with its key in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [installed("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=keeper", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.mark.parametrize(
    ("driver", "log"),
    [("none", {}), ("syslog", {"syslog-address": "udp://127.0.0.1:9", "cache-disabled": "true"})],
)
def test_driver_that_cannot_be_read(engine: DockerEngine, name: str, driver: str, log: dict[str, str]) -> None:
    """keeper says once what is the matter and what to do, and asks seldom."""
    engine.run(f"echo hello; {FOREVER}", name=name, driver=driver, log=log)
    proxy = Proxy(str(engine.socket))
    with Loopback(proxy) as server, Following(f"tcp://127.0.0.1:{server.port}", name, longest_pause=10.0) as following:
        following.until(lambda: following.downs, "the reason")
        following.until(lambda: sum("logs" in head for head in server.requests) >= 2, "another try")
        tried, asked = len(server.requests), NOW()
        following.until(lambda: NOW() - asked > 2.0, "two seconds")
        assert len(server.requests) - tried <= 8
    (why,) = following.downs
    assert f"driver {driver}" in why
    assert "--log-driver json-file or local" in why
    assert not following.sees


def test_driver_with_a_cache(engine: DockerEngine, name: str) -> None:
    """Drivers that cannot be read are read from the engine's own copy (dual logging, since 20.10)."""
    engine.run(f"{numbered(20)}; {FOREVER}", name=name, driver="syslog", log={"syslog-address": "udp://127.0.0.1:9"})
    with Following(engine.url, name) as following:
        following.until_line("line 20")
        following.until_checked()
    assert following.lines == lines(20)


def test_container_that_is_not_there_yet(engine: DockerEngine, name: str) -> None:
    """keeper starts, says that there is none, and follows it from its first line when it comes."""
    with Following(engine.url, name, lookback=0) as following:
        following.until(lambda: following.downs, "the reason")
        assert following.downs == [
            f"there is no container {name} on the Docker engine at {engine.url}: "
            f"start it, or correct `log = docker:{name}`"
        ]
        engine.run(f"{numbered(30)}; {FOREVER}", name=name)
        following.until_line("line 30")
        following.until_checked()
    assert following.lines == lines(30)
    assert len(following.downs) == 1


def test_container_that_has_ended(engine: DockerEngine, name: str) -> None:
    """Its log is read, and that nothing comes any more is seen, not blindness."""
    engine.ended(engine.run(numbered(10), name=name))
    with Following(engine.url, name) as following:
        following.until_line("line 10")
        following.until_checked()
    assert following.lines == lines(10)
    assert not following.downs


@pytest.mark.parametrize("running", [True, False])
def test_first_start_on_a_long_log(engine: DockerEngine, name: str, running: bool) -> None:
    """The very first start reads about the last `lookback` bytes; a restart before the first line reads no more."""
    container = engine.run(numbered(2000) + (f"; {FOREVER}" if running else ""), name=name)
    eventually(lambda: b"line 2000\n" in engine.client.logs(container, tail=5), "the last line to be printed", 30)
    with Following(engine.url, name, lookback=1000) as following:
        following.until_line("line 2000")
        following.until_checked()
    assert following.lines == lines(2000, 2000 - len(following.lines) + 1)
    assert len(following.data) == 1000
    with Following(engine.url, name, lookback=0) as nothing:
        nothing.until_checked()
    assert nothing.lines == []
    assert nothing.position is not None
    assert container in nothing.position


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_resume_after_kill(engine: DockerEngine, name: str, driver: str, tmp_path: Path) -> None:
    """A keeper that is killed with -9 again and again, and each time started with the position of its last
    transaction, has every line of both streams once."""
    from tests.scenarios.docker_to_sqlite import open_database  # noqa: PLC0415

    database = open_database(str(tmp_path / "lines.db"))
    script = f"({numbered(300, 'sleep 0.01;', '>&2')}) & {numbered(300, 'sleep 0.01;')}; wait; echo end; {FOREVER}"
    engine.run(script, name=name, driver=driver)

    def count() -> int:
        return int(database.execute("SELECT count(*) FROM lines").fetchone()[0])

    for stop_at in (20, 150, 151, 300, 450, 601):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.scenarios.docker_to_sqlite", name, tmp_path / "lines.db", _json(engine), "0"],
            cwd=Path(__file__).parents[2],
        )
        try:
            eventually(lambda: count() >= stop_at, f"line {stop_at}", 30, 0.001)  # noqa: B023 - awaited right here
        finally:
            child.kill()
            child.wait()
    got = [line.decode() for (line,) in database.execute("SELECT line FROM lines")]
    assert sorted(got) == sorted([*lines(300), *lines(300), "end"])


def _json(engine: DockerEngine) -> str:
    return f'{{"base_url": "{engine.url}", "idle_after": 0.3, "lookback": 1000000}}'


@pytest.mark.parametrize("damage", [b"\0" * 3000, b'{"log":"torn', b"\0" * 100 + b"\n"])
def test_damaged_log(engine: DockerEngine, name: str, damage: bytes) -> None:
    """What a power cut or a full disk leaves in a json-file does not stop keeper, and is said."""
    go = "while [ ! -e /tmp/go ]; do sleep 0.05; done"
    container = engine.run(f"{numbered(5)}; {go}; {numbered(20)}; {FOREVER}", name=name)
    with Following(engine.url, name) as following:
        following.until_line("line 5")
        with Path(engine.client.inspect_container(container)["LogPath"]).open("ab") as log:
            log.write(damage)
        engine.touch(container, "/tmp/go")
        following.until(lambda: following.lines[-1] == "line 20", "the lines behind it")
        following.until_checked()
        told = len(following.lost)
        following.until_checked()
    assert following.lines[:5] == lines(5)
    assert following.lines[5:] == lines(20, 20 - len(following.lines) + 6)
    assert len(following.lines) > 7
    assert 1 <= told <= 2
    assert len(following.lost) == told
    reasons = [lost.reason for lost in following.lost]
    assert "damaged" in reasons[0]
    # Where the stream left lines out and showed later ones, a reading behind the damage cannot tell which they are.
    assert [why for why in reasons if "damaged" not in why and "dated before" not in why] == []


def test_log_truncated_by_hand(engine: DockerEngine, name: str) -> None:
    """Who empties a json-file under the engine loses nothing that was read; keeper goes on and says that it cannot know
    what was not."""
    go = "while [ ! -e /tmp/go ]; do sleep 0.05; done"
    container = engine.run(f"{numbered(50)}; {go}; echo after; {FOREVER}", name=name)
    with Following(engine.url, name) as following:
        following.until_line("line 50")
        os.truncate(engine.client.inspect_container(container)["LogPath"], 0)
        following.until_checked()
        engine.touch(container, "/tmp/go")
        following.until_line("after")
        following.until_checked()
    assert following.lines == [*lines(50), "after"]
    assert len(following.lost) == 1


def test_engine_in_another_time_zone(name: str) -> None:
    """The `local` driver's times with an offset lead to the same lines and the same resume."""
    with DockerEngine(env={"TZ": "Asia/Tokyo"}) as engine:
        container = engine.run(f"{numbered(30)}; {FOREVER}", name=name, driver="local")
        with Following(engine.url, name) as following:
            following.until_line("line 30")
        assert b"+09:00 line" in engine.client.logs(container, timestamps=True)
        engine.client.restart(container, timeout=0)
        with Following(engine.url, name, following.position) as again:
            again.until_line("line 30")
            again.until_checked()
    assert following.lines + again.lines == lines(30) * 2
    assert not again.lost


@pytest.mark.parametrize("way", ["missing", "dead", "forbidden", "address"])
def test_engine_that_cannot_be_asked(engine: DockerEngine, tmp_path: Path, way: str) -> None:
    """Each way in which there is no engine has its sentence with its cure, said once while keeper keeps trying."""
    asked: dict[str, Any] = {"missing": f"unix://{tmp_path}/no.sock", "address": "pigeon://loft:1"}
    if way == "dead":
        import socket  # noqa: PLC0415

        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "dead.sock"))
        asked["dead"] = f"unix://{tmp_path}/dead.sock"
    if way == "forbidden":
        assert _reason_for_nobody(engine) == (
            f"keeper may not use the Docker engine's socket at {engine.url}: let keeper's user into the group that "
            "owns the socket (usermod -aG docker keeper) and restart keeper"
        )
        return
    with Following(asked[way], "nodeos") as following:
        following.until(lambda: following.downs, "the reason")
        tried = NOW()
        following.until(lambda: NOW() - tried > 1.0, "some tries")
    assert following.downs == [
        {
            "missing": f"there is no Docker engine at {asked['missing']}: start it, or set DOCKER_HOST to its address",
            "dead": f"no Docker engine listens at {asked.get('dead')}: start it (systemctl start docker)",
            "address": "pigeon://loft:1 is no address of a Docker engine: "
            "Invalid bind address protocol: pigeon://loft:1",
        }[way]
    ]
    assert following.stopped_in < 0.5


def _reason_for_nobody(engine: DockerEngine) -> str:
    """What keeper says when it runs as a user who may not use the engine's socket."""
    program = (
        "import sys\n"
        "from keeper.sources.docker_logs import *\n"
        f"settings = DockerLogsSettings(base_url={engine.url!r})\n"
        "def emit(item):\n"
        "    print(item.reason)\n"
        "    raise SystemExit\n"
        "DockerLogs('node/log', 'nodeos', None, lambda: 0.0, settings).run(emit, lambda seconds: False)\n"
    )
    engine.directory.chmod(0o711)  # the way to the socket is free, the socket is not
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "HOME": "/nonexistent"}
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd="/", timeout=30, check=False)
    assert not done.stderr
    return done.stdout.strip()


GARBAGE = [
    (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "does not speak HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", "is not a Docker engine"),
    (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nsorry", "status 502: sorry"),
    (b"HTTP/1.1 200 OK\r\nApi-Version: 0.1\r\nContent-Length: 2\r\n\r\nOK", "API versions below"),
    (b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\n[]", "answers for container nodeos"),
    (b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\n{{", "failed"),
    (b"", "broke off"),
]


@pytest.mark.parametrize(("answer", "why"), GARBAGE)
def test_no_engine_answers(answer: bytes, why: str) -> None:
    """Whatever else answers at the address becomes a reason, never an end of the source."""

    def treat(server: Loopback, connection: Any, _: int) -> None:
        if server.head(connection):
            connection.sendall(answer)

    with Loopback(treat) as server, Following(f"tcp://127.0.0.1:{server.port}", "nodeos") as following:
        following.until(lambda: following.downs, "the reason")
        following.until(lambda: server.connections > 3, "more tries")
    assert why in following.downs[0]
    assert not following.sees
