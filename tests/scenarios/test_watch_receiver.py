"""A whole keeper that watches a receiver: one that is scripted to go bad and well again, and a real one."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.peers import free_port, free_ports
from tests.peers.ask import answers, eventually, get, get_json, post_json
from tests.peers.inbox import Inbox
from tests.peers.process import Program, run
from tests.receiver.standings import LIVELY, worker
from tests.scenarios.daemon import PROGRAM
from tests.scenarios.keeper_process import KeeperProcess

pytestmark = pytest.mark.timeout(120)

# Rules that make up their minds within seconds, and are well again at once.
QUICK = """
[rule:receiver_down]
window = 2s
recover = 1s
[rule:receiver_refusing]
window = 3s
requests = 1
recover = 1s
[rule:store_failing]
window = 2s
recover = 1s
[rule:worker_failing]
window = 5s
recover = 1s
"""


class Scripted:
    """The status server of a receiver that stands as it is told."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.stands = LIVELY
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        scripted = self

        class Get(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path.partition("?")[0] == "/api/v1/status" else 404)
                self.end_headers()
                self.wfile.write(json.dumps(scripted.stands.shown()).encode())

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        host, _, port = self.address.partition(":")
        self._server = ThreadingHTTPServer((host, int(port)), Get)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def receiver() -> Iterator[Scripted]:
    scripted = Scripted()
    scripted.start()
    yield scripted
    scripted.stop()


def told(inbox: Inbox, rule: str, status: str) -> str:
    """Wait until the webhook was told; the reason."""

    def found() -> str:
        bodies = [letter.body for letter in inbox.received() if letter.body["rule"] == rule]
        return next((body["annotations"]["reason"] for body in bodies if body["status"] == status), "")

    return eventually(found, f"{rule} to be {status}")


def test_each_trouble_of_a_receiver_is_one_alert_until_it_is_over(receiver: Scripted, tmp_path: Path) -> None:
    """With a reason a person understands; what follows from it is held back. The page shows the receiver."""
    locked = [worker(number, trouble="database is locked") for number in (1, 2)]
    with Inbox() as inbox:
        settings = f"[receiver]\nstatus_listen = {receiver.address}\n[webhook:w]\nurl = {inbox.url}\n{QUICK}"
        with KeeperProcess(tmp_path / "keeper", "k", settings) as keeper:
            eventually(lambda: keeper.states().get(("receiver", "queue_behind")) == "ok", "the receiver to be seen")
            assert not keeper.failing()
            assert "<h2>receiver <span class='pill ok'>ok</span>" in get(f"http://{keeper.address}/").text
            assert keeper.metric("keeper_source_up", subject="receiver", source="status") == 1

            receiver.stands = replace(LIVELY, workers=locked)
            reason = r"both workers could not store for \d+ s: worker 1: database is locked; 412 records waiting"
            assert re.fullmatch(reason, told(inbox, "store_failing", "firing"))
            receiver.stands = replace(LIVELY, workers=locked, records=90_000, oldest=LIVELY.now - 600)
            eventually(lambda: ("receiver", "queue_behind") in keeper.failing(), "the queue to be behind")
            [behind] = [one for one in keeper.subject("receiver")["rules"] if one["rule"] == "queue_behind"]
            assert "store_failing" in behind["held"]
            receiver.stands = LIVELY
            assert told(inbox, "store_failing", "resolved") == "2 workers can store"

            receiver.stands = replace(LIVELY, answers={**LIVELY.answers, 503: LIVELY.answers[503] + 4})
            assert told(inbox, "receiver_refusing", "firing").startswith("4 requests refused within 3 s: its queue")
            told(inbox, "receiver_refusing", "resolved")

            receiver.stop()
            assert told(inbox, "receiver_down", "firing").endswith(" s: connection refused")
            receiver.start()
            told(inbox, "receiver_down", "resolved")

            fired = [letter.body["rule"] for letter in inbox.received() if letter.body["status"] == "firing"]
            assert [rule for rule in fired if rule != "watchdog"] == [
                "store_failing",
                "receiver_refusing",
                "receiver_down",
            ]
            assert keeper.stop() == 0


def test_a_receiver_is_watched_as_soon_as_a_reload_names_it(receiver: Scripted, tmp_path: Path) -> None:
    """And forgotten with it."""
    other = f"[log:l]\nlog = file:{tmp_path}/l.log\npattern.a = b\n"
    with KeeperProcess(tmp_path / "keeper", "k", other) as keeper:
        assert [one["name"] for one in keeper.status()["subjects"]] == ["l", "keeper"]
        keeper.configure(f"{other}[receiver]\nstatus_listen = {receiver.address}\n")
        keeper.reload()
        eventually(lambda: keeper.states().get(("receiver", "receiver_down")) == "ok", "the receiver to be seen")
        keeper.configure(other)
        keeper.reload()
        eventually(lambda: "receiver" not in {one["name"] for one in keeper.status()["subjects"]}, "it to be forgotten")


class Both:
    """A real receiver and the keeper that watches it, of one file."""

    def __init__(self, folder: Path, sections: str = "") -> None:
        self.listen, self.status = (f"127.0.0.1:{port}" for port in free_ports(2))
        settings = f"[receiver]\nlisten = {self.listen}\nstatus_listen = {self.status}\n{QUICK}{sections}"
        self.keeper = KeeperProcess(folder / "keeper", "k", settings)
        argv = [PROGRAM, "receive", "-c", str(self.keeper.config)]
        self.receiver = Program("receiver", argv, folder / "receiver.log")

    def start_receiver(self) -> None:
        self.receiver.start(lambda: answers(f"http://{self.status}/-/ready"), 30)

    def worker(self) -> dict[str, Any]:
        [found] = get_json(f"http://{self.status}/api/v1/status")["workers"]
        return dict(found)

    def pid(self) -> int:
        """Of the worker, when it runs; else 0."""
        found = self.worker()
        return int(found["pid"]) if found["state"] == "running" else 0

    def died(self, times: int) -> bool:
        return bool(self.worker()["deaths"] == times)

    def reason(self, rule: str) -> str:
        """Why it fails; empty while it does not."""
        rules = [one for one in self.keeper.subject("receiver")["rules"] if one["rule"] == rule]
        return next((one["reason"] for one in rules if one["state"] == "failing"), "")


def test_a_real_receiver_is_watched_through_its_deaths(tmp_path: Path) -> None:
    """Its worker is killed three times, then it is killed itself, and started again."""
    both = Both(tmp_path)
    keeper = both.keeper
    assert run([PROGRAM, "check-config", str(keeper.config)]).returncode == 0
    try:
        both.start_receiver()
        with keeper:
            eventually(lambda: keeper.states().get(("receiver", "store_failing")) == "ok", "the receiver to be seen")
            post_json(f"http://{both.listen}/?packet_id=7", {"Login": [{"auid": 7}]})
            assert not keeper.failing()

            for times in (1, 2, 3):
                os.kill(eventually(both.pid, "a worker"), signal.SIGKILL)
                eventually(partial(both.died, times), "its death to be seen")
            assert "signal 9 ended it" in eventually(lambda: both.reason("worker_failing"), "the deaths to be told")
            eventually(lambda: not keeper.failing(), "it to be well again", 40)

            both.receiver.kill()
            said = eventually(lambda: both.reason("receiver_down"), "its death to be told")
            assert said.endswith("connection refused")
            assert keeper.failing() == {("receiver", "receiver_down")}
            both.start_receiver()
            eventually(lambda: not keeper.failing(), "it to be well again")
    finally:
        both.receiver.kill()


def test_a_real_sender_that_falls_silent_is_told_until_it_is_heard(tmp_path: Path) -> None:
    """Over restarts of the receiver, which does not know then that it was silent; one that is rare may be."""
    senders = "[source:chatty]\ntoken = one\nsilent_after = 2s\n[source:rare]\ntoken = two\n"
    both = Both(tmp_path, f"{senders}[rule:sender_silent]\nrecover = 0s\n")
    keeper = both.keeper

    def state() -> str:
        return keeper.states().get(("receiver", "sender_silent"), "")

    def send() -> None:
        url = f"http://{both.listen}/?packet_id=7"
        asked = requests.post(url, json={"Login": [{"auid": 7}]}, headers={"Authorization": "Bearer one"}, timeout=5)
        assert asked.status_code == 200

    try:
        both.start_receiver()
        with keeper:
            send()
            eventually(lambda: state() == "ok", "the senders to be watched")
            said = eventually(lambda: both.reason("sender_silent"), "the silence to be told")
            assert re.fullmatch(r"nothing was taken from chatty for \d s", said)
            assert keeper.failing() == {("receiver", "sender_silent")}
            both.receiver.kill()
            eventually(lambda: ("receiver", "receiver_down") in keeper.failing(), "its death to be told")
            eventually(lambda: state() == "unknown", "nobody to know of the sender")
            both.start_receiver()
            eventually(lambda: both.reason("sender_silent"), "the silence to be told again")
            send()
            eventually(lambda: not keeper.failing(), "all to be well again")
    finally:
        both.receiver.kill()
