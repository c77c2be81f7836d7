"""`keeper receive` on a real beanstalkd and a real JetStream that go and come back: each packet that was answered 200
is in the store, once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import requests

from keeper.errors import StateError
from keeper.receiver.home import home
from keeper.receiver.queues.table import refuse_to_forget
from keeper.receiver.settings import BEANSTALKD, ReceiverSettings
from tests.peers.ask import eventually
from tests.peers.beanstalkd import Beanstalkd
from tests.peers.nats import Nats
from tests.peers.process import run
from tests.receiver.receiver_process import ReceiverProcess
from tests.scenarios.daemon import PROGRAM


class Sender:
    """Sends packets with ids, several at once, each until it is answered 200; each one sent once more at the end."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/"
        self._next = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self.confirmed: set[int] = set()
        self.answers: Counter[int] = Counter()
        self.problems: list[str] = []

    def post(self, number: int) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            body = {"Login": [{"auid": number, "timestamp": 1795600000}]}
            return session.post(f"{self._url}?packet_id={number}", json=body, timeout=20)

    def takes(self, number: int) -> bool:
        return self.post(number).status_code == 200

    def _send(self) -> None:
        while not self._ending.is_set():
            with self._lock:
                self._next += 1
                number = self._next
            while (answer := self.post(number)).status_code != 200 and not self._ending.is_set():
                self.answers[answer.status_code] += 1
                if answer.status_code != 503 or int(answer.headers["Retry-After"]) < 1:
                    self.problems.append(f"{answer.status_code} {answer.text}")
                time.sleep(0.1)
            if answer.status_code == 200:
                self.confirmed.add(number)

    @contextmanager
    def sending(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._send) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ending.set()
            for thread in threads:
                thread.join()

    def more(self, count: int = 30) -> None:
        wanted = len(self.confirmed) + count
        eventually(lambda: len(self.confirmed) >= wanted, f"{count} more packets to be taken", 60)


def stored(receiver: ReceiverProcess) -> Counter[int]:
    """How often each is in the store. What was not confirmed may be there, too."""
    return Counter(row.id for row in receiver.rows() if row.id is not None)


def goes_and_comes(receiver: ReceiverProcess, disturb: Callable[[], None], mend: Callable[[], None]) -> Sender:
    sender = Sender(receiver.address)
    with sender.sending():
        sender.more()
        disturb()
        eventually(lambda: sender.answers[503] and receiver.status()["trouble"], "somebody to be told")
        mend()
        sender.more()
    for number in sorted(sender.confirmed)[:50]:
        eventually(partial(sender.takes, number), f"{number} to be taken again", 60)
    receiver.drain()
    found = stored(receiver)
    assert sender.confirmed <= found.keys()
    assert set(found.values()) == {1}
    assert not sender.problems
    assert receiver.status()["trouble"] == ""
    assert receiver.status()["dead_records"] == 0
    assert receiver.stop() == 0
    assert "Traceback" not in receiver.log.read_text()
    return sender


def test_beanstalkd_goes_and_comes_back(tmp_path: Path) -> None:
    """Killed and started with its binlog; a packet that it can never take is answered 413."""
    with (
        Beanstalkd(tmp_path / "beanstalkd") as beanstalkd,
        ReceiverProcess(tmp_path / "receiver", f"queue = beanstalkd:{beanstalkd.address}", "workers = 2") as receiver,
    ):
        with requests.Session() as session:
            session.trust_env = False
            large = {"Login": [{"what": random.Random(1).randbytes(60_000).hex()}]}
            answer = session.post(f"http://{receiver.address}/?packet_id=1000000", json=large, timeout=20)
        assert answer.status_code == 413
        assert "larger than the 65535 bytes that the queue takes" in answer.text
        goes_and_comes(receiver, beanstalkd.kill, beanstalkd.start)


def test_jetstream_loses_all_its_nodes(tmp_path: Path) -> None:
    """Three nodes: one is killed, the others are stopped, all come back."""
    with Nats(tmp_path / "nats") as nats:
        queue = f"queue = jetstream:{nats.addresses}/packets"
        with ReceiverProcess(tmp_path / "receiver", queue, "workers = 2") as receiver:

            def disturb() -> None:
                nats.nodes[0].kill()
                for node in nats.nodes:
                    node.stop()

            goes_and_comes(receiver, disturb, nats.restore)


def test_a_queue_that_still_holds_something_is_not_left(tmp_path: Path) -> None:
    """Nobody would bring what was acknowledged into the store any more: the receiver says so and ends, until it is
    stored."""
    receiver = ReceiverProcess(tmp_path / "receiver", "workers = 0")
    with Beanstalkd(tmp_path / "beanstalkd") as beanstalkd:
        other = f"queue = beanstalkd:{beanstalkd.address}/keeper"
        with receiver:
            sender = Sender(receiver.address)
            assert all(sender.takes(number) for number in range(3))
            receiver.stop()
            receiver.configure(other)
            ended = run([PROGRAM, "receive", "-c", str(receiver.config)])
            assert ended.returncode == 1
            assert "holds 3 records of `queue = segments` that are not stored yet: set it back" in ended.stderr
            receiver.configure()
            receiver.start()
            receiver.drain()
            receiver.stop()
            receiver.configure(other)
            receiver.start()
            assert sender.takes(3)
            receiver.drain()
        assert stored(receiver) == Counter(range(4))


def test_a_queue_that_cannot_be_looked_at_is_not_left(tmp_path: Path) -> None:
    """Nobody knows what it holds: it is said where that is. Where none ever was, none is left."""
    settings = ReceiverSettings(queue=(BEANSTALKD, "127.0.0.1:11300/keeper"))
    refuse_to_forget(settings, str(tmp_path))
    folder = home(str(tmp_path)) / "queue"
    folder.touch()
    with pytest.raises(StateError, match=f"{folder} cannot be looked at: Not a directory"):
        refuse_to_forget(settings, str(tmp_path))
    folder.unlink()
    folder.symlink_to(tmp_path / "disk" / "queue")  # which is not mounted
    with pytest.raises(StateError, match=f"{folder} cannot be looked at: No such file"):
        refuse_to_forget(settings, str(tmp_path))
    folder.unlink()
    folder.mkdir()
    refuse_to_forget(settings, str(tmp_path))
    foreign = folder / "000000000001.records"
    foreign.write_bytes(b"a letter to a friend")
    with pytest.raises(StateError, match=f"{foreign} is not one of keeper's files of records"):
        refuse_to_forget(settings, str(tmp_path))
