"""What tcollector does wrong, confirmed by running it, and keeper must not: one test for each, from a real script to
what arrives."""

from __future__ import annotations

import base64
import json
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from keeper.collectors.known import read_series
from keeper.collectors.life import GRACE, LONGEST_REST
from keeper.core.point import Point
from keeper.opentsdb.settings import OpentsdbSettings
from keeper.opentsdb.terms import Target
from keeper.runtime.clock import Clock
from keeper.runtime.forwarding import Forwarding
from tests.collectors.conftest import Ran
from tests.collectors.folder import Folder
from tests.collectors.test_process import PARENT, marked
from tests.notifiers.receiver import Answer, Receiver, Request
from tests.opentsdb.tsd import Tsd
from tests.peers.ask import eventually
from tests.sources.loopback import Loopback, reset

GOOD = 'echo "good.$N $(date +%s) 1 a=b"'


class Sending:
    """A runner whose points go to a TSD, as in the daemon."""

    def __init__(self, ran: Ran, folder: Path, settings: OpentsdbSettings) -> None:
        self.ran = ran
        self.failed: list[str] = []
        chance = random.Random(1).random
        self.out = Forwarding(settings, (("host", "here"),), folder, Clock(), chance, self.failed.append, None)
        self._taken = 0
        self.out.start()

    def until(self, done: Callable[[], object], what: str, seconds: float = 15.0) -> None:
        def turn() -> object:
            told = self.ran.told
            for kind, *words in told[self._taken :]:
                if kind == "points":
                    points = [Point(read_series(text), at, value) for text, at, value in words[2]]
                    self.out.take(words[0], points)
            self._taken = len(told)
            self.out.tick()
            return done()

        self.ran.until(turn, what, seconds)
        assert not self.failed


@pytest.fixture
def to(ran: Ran, tmp_path: Path) -> Iterator[Callable[..., Sending]]:
    """Makes a `Sending` to these ports of this host."""
    made: list[Sending] = []

    def make(*ports: int, hosts: tuple[Target, ...] = (), **settings: object) -> Sending:
        hosts = hosts + tuple(Target("127.0.0.1", port) for port in ports)
        sending = Sending(ran, tmp_path / "out", OpentsdbSettings(hosts=hosts, dedup=0.0, **settings))  # type: ignore[arg-type]
        made.append(sending)
        return sending

    yield make
    for sending in made:
        sending.out.close(1.0)


def test_1_a_byte_that_is_no_utf8_costs_its_own_line_only(folder: Folder, ran: Ran) -> None:
    folder.put("bytes", r'printf "a.x $(date +%s) 1 b=c\nbad\377 1 2\na.y $(date +%s) 2 b=c\n"; exec sleep 1000')
    ran.until(lambda: len(ran.points("bytes")) == 2, "its good lines")
    assert [text for text, _, _ in ran.points("bytes")] == ["a.x b=c", "a.y b=c"]
    assert ran.stand("bytes")["rejected"] == {"bad_bytes": 1}


def test_2_output_without_a_newline_holds_no_memory(folder: Folder, ran: Ran) -> None:
    """Ten megabytes of it, and the script's next line is read. (The process as a whole: test_process.py)"""
    folder.put("endless", "head -c 10000000 /dev/zero | tr '\\0' x; echo; " + GOOD.replace("$N", "x") + "; sleep 1000")
    ran.until(lambda: ran.points("endless"), "the line behind it", 30)
    assert len(ran.runner.roster.running["endless"].output._held) == 0  # what must not grow
    assert ran.stand("endless")["rejected"] == {"line_too_long": 1}


def test_3_what_is_no_number_is_no_value(folder: Folder, ran: Ran) -> None:
    bad = "".join(f'echo "a.{n} $(date +%s) {value} b=c"; ' for n, value in enumerate(["nan", "inf", "1e400", "1_000"]))
    folder.put("values", f"{bad}{GOOD.replace('$N', 'x')}; exec sleep 1000")
    ran.until(lambda: ran.points("values"), "its good line")
    assert [text for text, _, _ in ran.points("values")] == ["good.x a=b"]
    assert ran.stand("values")["rejected"] == {"bad_value": 4}


def test_4_bad_tags_are_not_sent_and_a_refusal_is_read(folder: Folder, to: Callable[..., Sending]) -> None:
    many = " ".join(f"t{n}=v" for n in range(9))
    folder.put("tags", f'echo "a.x 1 1 b=c b=d"; echo "a.x 1 1 {many}"; {GOOD.replace("$N", "x")}; '
               f'{GOOD.replace("$N", "unwanted")}; exec sleep 1000')  # fmt: skip
    said = b"put: unknown metric: No such name for 'metrics': 'good.unwanted'\n"
    with Tsd(lambda line: said if b"unwanted" in line else b"") as tsd:
        sending = to(tsd.port)
        sending.until(lambda: sending.out.sender.refused, "the refusal")
        assert [line.split()[0] for line in tsd.lines] == [b"good.x"]
        refused = sending.out.status()["last_refused"]
        assert "good.unwanted" in refused
        assert "unknown metric" in refused
    assert sending.ran.stand("tags")["rejected"] == {"duplicate_tag": 1, "too_many_tags": 1}


def test_5_nothing_a_script_prints_poisons_a_batch(folder: Folder, to: Callable[..., Sending]) -> None:
    """A fractional time is sent as milliseconds, `True` is no value, and all that is sent is JSON as it should be."""
    folder.put("odd", 'echo "a.x $(date +%s).5 1 b=c"; echo "a.y $(date +%s) True b=c"; '
               f"{GOOD.replace('$N', 'x')}; exec sleep 1000")  # fmt: skip
    with Receiver(lambda _: Answer(204)) as receiver:
        sending = to(receiver.port, way="http")
        sending.until(lambda: sending.out.sender.sent == 2, "two points")
        found = [point for request in receiver.received() for point in request.json]
    assert {point["metric"] for point in found} == {"a.x", "good.x"}
    for point in found:
        assert type(point["timestamp"]) is int
        assert type(point["value"]) is int
    assert any(point["timestamp"] % 1000 == 500 for point in found)


def test_6_basic_auth_works(folder: Folder, to: Callable[..., Sending]) -> None:
    """And the password is in no word of keeper's."""
    folder.put("one", f"{GOOD.replace('$N', 'x')}; exec sleep 1000")

    def judge(request: Request) -> Answer:
        given = request.headers.get("Authorization", "")
        right = "Basic " + base64.b64encode(b"me:s3cret").decode()
        return Answer(204 if given == right else 401)

    with Receiver(judge) as receiver:
        sending = to(receiver.port, way="http", username="me", password="s3cret")
        sending.until(lambda: sending.out.sender.sent == 1, "the point")
        assert "s3cret" not in json.dumps(sending.out.status()) + repr(sending.out.settings)


def test_7_a_name_that_is_not_found_is_a_host_that_fails(folder: Folder, to: Callable[..., Sending]) -> None:
    """The next host gets the points."""
    folder.put("one", f"{GOOD.replace('$N', 'x')}; exec sleep 1000")
    with Tsd() as tsd:
        sending = to(tsd.port, hosts=(Target("no-such-host.invalid", 4242),))
        sending.until(lambda: tsd.lines, "the point", 30)
        assert sending.out.sender.retries >= 1


def test_8_a_connection_that_is_closed_loses_nothing(folder: Folder, to: Callable[..., Sending]) -> None:
    """The TSD hangs up in the middle of the first three batches: in the end it has all 1,000 points."""
    folder.put("many", "at=$(date +%s); for n in $(seq 1000); do echo many.$n $at $n a=b; done; exec sleep 1000")
    taken: set[bytes] = set()

    def treat(_server: Loopback, connection: socket.socket, number: int) -> None:
        if number <= 3:
            connection.recv(100)
            reset(connection)
            return
        with connection.makefile("rb") as lines:
            taken.update(line.split()[1] for line in lines)

    with Loopback(treat) as rude:
        sending = to(rude.port)
        sending.until(lambda: sending.out.sender.sent == 1000, "all to be taken", 30)
    assert taken == {b"many.%d" % n for n in range(1, 1001)}
    assert sending.out.sender.retries == 3


def test_9_one_that_ignores_sigterm_keeps_nobody_waiting(folder: Folder, ran: Ran) -> None:
    """In the five seconds until it is killed another one runs each second."""
    folder.put("deaf", "trap '' TERM; while :; do sleep 1; done", 1)
    folder.put("other", 'echo "a.x $(date +%s) 1 b=c"', 1)
    ran.until(lambda: ran.stand("deaf")["stage"] == "stopping", "it to be told")
    runs = ran.stand("other")["runs"]
    ran.until(lambda: ran.stand("deaf")["killed"], "it to be killed")
    assert ran.stand("other")["runs"] - runs >= GRACE - 1


def test_10_a_folder_of_one_second_runs_each_second(folder: Folder, ran: Ran) -> None:
    folder.put("each", 'echo "a.x $(date +%s) 1 b=c"', 1)
    ran.until(lambda: len(ran.points("each")) >= 5, "five runs", 8)


def test_11_a_slow_tsd_costs_disk_and_no_memory_and_nothing_is_dropped(
    folder: Folder, to: Callable[..., Sending]
) -> None:
    """It takes the connection and says nothing. What waits is on the disk; the next process finds it there."""
    folder.put("many", "at=$(date +%s); for n in $(seq 900); do echo many.$n $at $n a=b; done; exec sleep 1000")

    def never(server: Loopback, _connection: socket.socket, _number: int) -> None:
        server.stopping.wait(30)

    with Loopback(never) as slow:
        sending = to(slow.port, timeout=0.5)
        sending.until(lambda: sending.out.sender.retries, "a try that failed")
        assert sending.out.status()["waiting"] == 900
        assert sending.out.status()["dropped"] == 0
        segments = list(sending.out.spool._folder.glob("*.points"))  # where they wait
        assert sum(path.stat().st_size for path in segments) > 900 * len(b"many.1 1700000000 1 a=b host=here")


def test_12_one_bad_end_is_tried_again_soon_and_many_are_told(folder: Folder, ran: Ran) -> None:
    """tcollector waits an hour."""
    mended = folder.path.parent / "mended"
    folder.put("flaky", f"[ -e {mended} ] && {{ {GOOD.replace('$N', 'x')}; exec sleep 1000; }}; exit 1")
    ran.until(lambda: ran.stand("flaky")["failures"] == 2, "two failures")
    assert 0 < ran.stand("flaky")["due"] <= 2.0 < LONGEST_REST < 3600
    mended.touch()
    ran.until(lambda: ran.points("flaky"), "its point")
    assert ran.stand("flaky")["stage"] == "running"


def test_13_nothing_survives_keeper(folder: Folder) -> None:
    """Killed with -9. (More kinds of scripts, and the runner killed: test_process.py; a whole keeper, killed again and
    again: scenarios/test_collectors.py)"""
    cookie = uuid4().hex
    folder.put("long", "sleep 1000")
    folder.put("periodic", "trap '' TERM; sleep 1000", 30)
    argv = [sys.executable, "-c", PARENT, str(folder.path), cookie]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as parent:
        eventually(lambda: len(marked(cookie)) >= 2, "the script to run with its child")
        parent.kill()
    eventually(lambda: not marked(cookie), "all of it to be gone", 5)
