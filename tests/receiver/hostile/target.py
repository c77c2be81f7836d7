"""The receiver that is attacked, and what it must be able to do all the while."""

from __future__ import annotations

import itertools
from pathlib import Path

from keeper.receiver.standing import CODES
from tests.receiver.receiver_process import ReceiverProcess
from tests.receiver.shapes import in_json, in_lines, words_of
from tests.receiver.wire import Answer, ask

MAX_BODY = 1 << 20
TIMEOUT = 1.0  # seconds a request may take
CROWD = 10_000  # connections
MEMORY = 100.0  # MiB more than before an attack, whatever comes

JSON = "Content-Type: application/json"
TEXT = "Content-Type: text/plain"
THRIFT = "Content-Type: application/x-thrift"
LINE = b"eosriobrazil 2026-11-26 word-line-1\n"
SMUGGLED = in_lines(["word-smuggled-1"])  # a request that must never be seen as one


class Target(ReceiverProcess):
    """Has little patience and small bounds, but room for the crowd."""

    def __init__(self, directory: Path, timeout: str = f"request_timeout = {TIMEOUT:g}s") -> None:
        options = (
            f"max_body = {MAX_BODY}B",
            timeout,
            "idle_timeout = 20s",
            f"max_connections = {CROWD + 500}",
            "max_pending = 8MiB",
        )
        limits = ("prlimit", f"--nofile={CROWD + 2000}:{CROWD + 2000}")
        super().__init__(directory, *options, before=limits)
        self._numbers = itertools.count()
        self._sent: list[str] = []

    def good(self, patience: float = 10.0) -> None:
        """Send a packet as it should be; it is taken."""
        word = f"word-good-{next(self._numbers)}"
        answer = ask(self.address, in_json([word]), patience)
        assert answer is not None
        assert (answer.status, answer.json["events"]) == (200, 1), answer
        self._sent.append(word)

    def judge(self) -> None:
        """After it all: it made no mistake of its own; what was good is stored once, and nothing that was refused."""
        assert self.running(), self.tail()
        self.drain()
        status = self.status()
        assert status["answers"]["500"] == 0
        assert [worker["deaths"] for worker in status["workers"]] == [0]
        assert "Traceback" not in self.log.read_text(errors="replace"), self.tail()
        assert self.stop() == 0
        stored = words_of(self.rows())
        wrong = {word: stored["default", word] for word in self._sent if stored["default", word] != 1}
        assert not wrong, f"{wrong} of {len(self._sent)}\n{self.tail()}"
        assert not [word for _, word in stored if word.startswith(("word-smuggled", "word-half"))]


def refused(answer: Answer | None, *codes: int) -> None:
    """One of these answers, and a reason in it."""
    assert answer is not None, f"the connection ended without an answer; wanted {codes}"
    assert answer.status in codes, answer
    assert answer.status in CODES
    assert answer.json["error"], answer


def accepted(answer: Answer | None) -> Answer:
    assert answer is not None, "the connection ended without an answer"
    assert answer.status == 200, answer
    return answer
