"""The life of a receiver: a real `keeper receive` with its workers, started, disturbed and stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.peers.ask import eventually, get_json
from tests.peers.process import run
from tests.receiver.receiver_process import ReceiverProcess
from tests.scenarios.daemon import PROGRAM

LOGIN = b'{"Login": [{"auid": 7, "timestamp": 1795600000}]}'


def post(
    address: str, body: bytes, *, path: str = "/", scheme: str = "http", context: Any = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{scheme}://{address}{path}", body, named)
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def packets(receiver: ReceiverProcess) -> int:
    """How many are stored; raises sqlite3.Error while the store is being made."""
    with contextlib.closing(sqlite3.connect(receiver.state_dir / "packets.db")) as db:
        count: int = db.execute("SELECT count(*) FROM packets").fetchone()[0]
        return count


def stored(receiver: ReceiverProcess) -> int:
    """The same, 0 until there is a store."""
    with contextlib.suppress(sqlite3.Error):
        return packets(receiver)
    return 0


def test_a_stop_stores_what_was_taken_and_the_rest_waits(tmp_path: Path) -> None:
    """Exit code 0 and nothing lost: what the workers had no time for is stored after the next start."""
    receiver = ReceiverProcess(tmp_path, "workers = 2", "batch = 50")
    with receiver:
        for number in range(300):
            assert post(receiver.address, LOGIN, path=f"/?packet_id={number}")[0] == 200
        assert receiver.stop() == 0
        assert receiver.workers() == [] if receiver.running() else True
        receiver.start()
        receiver.drain()
        assert packets(receiver) == 300
        assert receiver.stop() == 0
    assert "Traceback" not in receiver.log.read_text()


def test_workers_that_die_come_back(tmp_path: Path) -> None:
    """Each death is counted, with how it ended; packets go on being stored."""
    with ReceiverProcess(tmp_path, "workers = 2") as receiver:
        before = set(receiver.workers())
        assert receiver.kill_workers() == 2
        eventually(lambda: sum(worker["deaths"] for worker in receiver.status()["workers"]) == 2, "two deaths")
        post(receiver.address, LOGIN)
        eventually(
            lambda: [worker["state"] for worker in receiver.status()["workers"]] == ["running"] * 2, "both to be back"
        )
        receiver.drain()
        assert packets(receiver) == 1
        assert not before & set(receiver.workers())
        assert "signal 9 ended it" in receiver.log.read_text()


def test_a_worker_that_comes_back_does_as_the_others_do(tmp_path: Path) -> None:
    """The file may be broken by then, or name another store: only what the receiver was started with counts."""
    with ReceiverProcess(tmp_path) as receiver:
        receiver.configure(f"store = sqlite:{tmp_path}/other.db", "nonsense = yes")
        assert receiver.kill_workers() == 1
        assert post(receiver.address, LOGIN, path="/?packet_id=1")[0] == 200
        receiver.drain()
        assert packets(receiver) == 1
        assert not (tmp_path / "other.db").exists()


def test_workers_end_with_their_receiver(tmp_path: Path) -> None:
    """Killed by whatever, it leaves none behind, and none that hangs: it would keep what it took from the next."""
    with ReceiverProcess(tmp_path, "workers = 3") as receiver:
        workers = receiver.workers()
        assert len(workers) == 3
        eventually(lambda: len(list(Path(f"/proc/{workers[0]}/task").iterdir())) > 1, "it to have begun")
        os.kill(workers[0], signal.SIGSTOP)
        receiver.kill_server()
        eventually(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers), "its workers to be gone")


def test_a_hung_worker_does_not_keep_a_stop(tmp_path: Path) -> None:
    """It is killed after `drain`; what it held is stored at the next start."""
    with ReceiverProcess(tmp_path, "drain = 1s") as receiver:
        [worker] = receiver.workers()
        os.kill(worker, signal.SIGSTOP)
        assert post(receiver.address, LOGIN)[0] == 200
        assert receiver.stop() == 0
        assert not Path(f"/proc/{worker}/cmdline").exists()
        receiver.start()
        receiver.drain()
        assert packets(receiver) == 1


def test_an_answer_is_complete_when_nothing_waits_to_be_stored(tmp_path: Path) -> None:
    """What is missing from an incomplete one may still be in the queue: it proves no loss."""
    with ReceiverProcess(tmp_path) as receiver:

        def asked(wait: float) -> dict[str, Any]:
            answer: dict[str, Any] = get_json(f"http://{receiver.address}/v1/confirmed", ids="1-3", wait=f"{wait:g}")
            return {key: answer[key] for key in ("complete", "confirmed", "missing")}

        assert post(receiver.address, LOGIN, path="/?packet_id=1")[0] == 200
        assert asked(10) == {"complete": True, "confirmed": "1", "missing": "2-3"}
        [worker] = receiver.workers()
        os.kill(worker, signal.SIGSTOP)
        assert post(receiver.address, LOGIN, path="/?packet_id=2")[0] == 200
        for wait in (0, 0.5):
            assert asked(wait) == {"complete": False, "confirmed": "1", "missing": "2-3"}
        os.kill(worker, signal.SIGCONT)
        assert asked(10) == {"complete": True, "confirmed": "1-2", "missing": "3"}


def test_a_worker_that_cannot_begin_is_a_crash_loop_that_ends(tmp_path: Path) -> None:
    """What comes meanwhile waits in the queue; when the cause is gone, it is stored."""
    broken = tmp_path / "state" / "packets.db"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"this is somebody's letter, and no database" * 100)
    with ReceiverProcess(tmp_path) as receiver:
        assert post(receiver.address, LOGIN)[0] == 200
        found = eventually(
            lambda: [w for w in receiver.status()["workers"] if w["trouble"] or w["deaths"]], "the worker's trouble"
        )
        assert "is not a database" in found[0]["trouble"]
        assert receiver.status()["records"] == 1
        assert broken.read_bytes().startswith(b"this is somebody's letter"), "it is not replaced"
        broken.unlink()
        eventually(broken.exists, "the store to be made", 40)
        receiver.drain()
        assert packets(receiver) == 1


def test_a_store_that_cannot_even_be_looked_for_stops_nothing(tmp_path: Path) -> None:
    """A file server that is away, a folder that may not be entered: packets are taken, and stored when it is there."""
    folder = tmp_path / "store"
    folder.write_bytes(b"")
    with ReceiverProcess(tmp_path / "receiver", f"store = sqlite:{folder}/packets.db") as receiver:
        assert post(receiver.address, LOGIN)[0] == 200
        trouble = eventually(lambda: receiver.status()["counts_trouble"], "it to look at the store")
        assert "Not a directory" in trouble
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://{receiver.address}/v1/confirmed?ids=1&wait=0", timeout=10)
        folder.unlink()
        eventually((folder / "packets.db").exists, "the store to be made", 40)
        receiver.drain()
        assert len(receiver.rows()) == 1


def test_a_store_whose_disk_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    """What comes is taken and waits, what is asked is not answered from an empty store; when the disk is back, all is
    stored, and what was there before is known."""
    disk, away = tmp_path / "disk", tmp_path / "away"
    with ReceiverProcess(tmp_path / "receiver", f"store = sqlite:{disk}/packets.db") as receiver:
        assert post(receiver.address, LOGIN, path="/?packet_id=1")[0] == 200
        receiver.drain()
        receiver.stop()
        disk.rename(away)
        receiver.start()
        for number in (1, 2):
            assert post(receiver.address, LOGIN, path=f"/?packet_id={number}")[0] == 200
        trouble = eventually(lambda: receiver.status()["workers"][0]["trouble"], "the worker's trouble")
        assert "was begun before and is not there: mount its disk" in trouble
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://{receiver.address}/v1/confirmed?ids=1-2&wait=0", timeout=10)
        assert not disk.exists()
        away.rename(disk)
        receiver.drain()
        assert len(receiver.rows()) == 2


def test_only_who_may_sends(tmp_path: Path) -> None:
    """Tokens and passwords; each is a source of its own, and may ask for its own only."""
    sections = "[source:a]\ntoken = t0ken\n[source:b]\nusername = bob\npassword = pass\n"
    with ReceiverProcess(tmp_path, "lines_listen =", sections=sections) as receiver:
        assert post(receiver.address, LOGIN)[0] == 401
        assert post(receiver.address, LOGIN, Authorization="Bearer wrong")[0] == 401
        assert post(receiver.address, LOGIN, path="/?packet_id=1", Authorization="Bearer t0ken")[0] == 200
        assert post(receiver.address, LOGIN, path="/?packet_id=1", Authorization="Basic Ym9iOnBhc3M=")[0] == 200
        eventually(lambda: stored(receiver) == 2, "the same packet of two sources to be two packets")

        def asked(source: str) -> tuple[int, dict[str, Any]]:
            body = json.dumps({"source": source, "packets": []}).encode()
            return post(receiver.address, body, path="/v1/confirmed", Authorization="Bearer t0ken")

        assert asked("a") == (200, {"source": "a", "complete": True, "confirmed": []})
        assert asked("b")[0] == 401
        log = receiver.log.read_text()
        assert "t0ken" not in log
        assert "pass" not in log


def test_who_may_send_can_change_while_it_runs(tmp_path: Path) -> None:
    """SIGHUP takes new sources and forgets old ones; a file with a mistake changes nothing, and is said."""

    def hup(sections: str, said: str) -> None:
        before = receiver.log.read_text().count(said)
        text = receiver.config.read_text().partition("[source:")[0]
        receiver.config.write_text(text + sections)
        os.kill(receiver.pid, signal.SIGHUP)
        eventually(lambda: receiver.log.read_text().count(said) > before, said)

    def status(token: str) -> int:
        return post(receiver.address, LOGIN, Authorization=f"Bearer {token}")[0]

    a = "[source:a]\ntoken = one\nsilent_after = 5m\n"
    with ReceiverProcess(tmp_path, "lines_listen =", sections=a) as receiver:
        assert (status("one"), status("two")) == (200, 401)
        stands = receiver.status()
        assert (stands["silent_after"], stands["known_since"]) == ({"a": 300.0}, {"a": stands["started"]})
        hup("[source:b]\ntoken = two\nsilent_after = 7s\n", "config=taken sources=1")
        assert (status("one"), status("two")) == (401, 200)
        stands = receiver.status()
        assert stands["silent_after"] == {"a": 0.0, "b": 7.0}
        assert stands["known_since"]["b"] > stands["known_since"]["a"] == stands["started"]
        hup("[source:b]\ntoken = three\nnonsense = 5\n", "config=refused")
        assert (status("one"), status("two")) == (401, 200)
        assert set(receiver.status()["sources"]) == {"a", "b"}


def test_who_sends_lines_is_looked_at_again(tmp_path: Path) -> None:
    """Who may still send keeps its connection over a SIGHUP; who may not, or is another source from now on, does not
    keep what it had."""
    here, other = "[source:here]\naddresses = 127.0.0.0/8\n", "[source:other]\naddresses = 127.0.0.0/8\n"
    with ReceiverProcess(tmp_path, sections=here) as receiver:
        host, _, port = receiver.lines_address.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as lines:
            lines.sendall(b"web 2026-11-26 1\n")
            assert lines.recv(10) == b"0"
            os.kill(receiver.pid, signal.SIGHUP)
            eventually(lambda: "config=taken" in receiver.log.read_text(), "the reload")
            lines.sendall(b"web 2026-11-26 2\n")
            assert lines.recv(10) == b"0"
            receiver.config.write_text(receiver.config.read_text().replace(here, other))
            os.kill(receiver.pid, signal.SIGHUP)
            assert lines.recv(10) == b""
        with socket.create_connection((host, int(port)), timeout=10) as lines:
            lines.sendall(b"web 2026-11-26 3\n")
            assert lines.recv(10) == b"0"
        receiver.drain()
        assert [row.source for row in receiver.rows()] == ["here", "here", "other"]


def test_by_tls(tmp_path: Path) -> None:
    """HTTP and lines, both with the configured certificate; without TLS nobody is understood."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    with ReceiverProcess(tmp_path, f"tls_cert = {certificate}", f"tls_key = {key}") as receiver:
        context = ssl.create_default_context(cafile=str(certificate))
        assert post(receiver.address, LOGIN, scheme="https", context=context)[0] == 200
        with pytest.raises((OSError, urllib.error.URLError)):
            post(receiver.address, LOGIN)
        host, _, port = receiver.lines_address.partition(":")
        with (
            socket.create_connection((host, int(port)), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as lines,
        ):
            lines.sendall(b"web 2026-11-26 hello\n")
            assert lines.recv(10) == b"0"
        eventually(lambda: stored(receiver) == 2, "both to be stored")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["listen = 192.0.2.1:8016"], "can be reached from other hosts"),
        (["idl = /nonexistent.thrift"], "[receiver] idl:"),
        (["store = files:relative"], "store"),
        (["max_body = 0"], "max_body"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, options: list[str], said: str) -> None:
    """Exit code 1 and a sentence, without a traceback."""
    receiver = ReceiverProcess(tmp_path, *options)
    ended = run([PROGRAM, "receive", "-c", str(receiver.config)], deadline=30)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_two_receivers_do_not_share_a_queue(tmp_path: Path) -> None:
    """The second one says so and ends."""
    with ReceiverProcess(tmp_path) as receiver:
        second = tmp_path / "second.ini"
        text = receiver.config.read_text().replace(receiver.address, "127.0.0.1:0")
        second.write_text(text.replace(receiver.status_address, "127.0.0.1:0").replace(receiver.lines_address, ""))
        ended = run([PROGRAM, "receive", "-c", str(second)], deadline=30)
        assert ended.returncode == 1
        assert "in use by another" in ended.stderr
        assert post(receiver.address, LOGIN)[0] == 200


def test_a_worker_by_hand(tmp_path: Path) -> None:
    """`keeper work` beside a receiver without workers, and what it says at its end."""
    with ReceiverProcess(tmp_path, "workers = 0") as receiver:
        for number in (1, 1, 2):
            post(receiver.address, LOGIN, path=f"/?packet_id={number}")
        with subprocess.Popen(
            [PROGRAM, "work", "-c", str(receiver.config)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as worker:
            receiver.drain()
            worker.terminate()
            said, _ = worker.communicate(timeout=20)
        assert worker.returncode == 0
        assert said == "stored 2 packets, 2 events; 1 were there, 0 set aside\n"
