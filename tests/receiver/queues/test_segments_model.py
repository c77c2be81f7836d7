"""The embedded queue against a list, with workers that come and go, crashes, restarts and torn tails."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from keeper.receiver.queues.queue import Batch
from keeper.receiver.queues.segments.intake import SegmentIntake
from tests.peers.ask import eventually
from tests.receiver.queues.server import Server, drain, segment_intake

QUEUE_BYTES = 1 << 20  # a segment has 64 KiB
WORKERS = 3
PUTS = st.lists(st.lists(st.sampled_from([0, 1, 500, 9000, 70_000]), max_size=4), min_size=1, max_size=4)


class Model(RuleBasedStateMachine):
    """`expected` is every record that is durable and not done. Each is taken until it is done, and never again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="keeper-queue-"))
        self.lives = 0
        self.number = 0
        self.expected: set[bytes] = set()
        self._open()

    def _open(self) -> None:
        self.place = self.folder / str(self.lives)
        self.server = Server(self.place, QUEUE_BYTES)
        self.intakes: list[SegmentIntake] = [segment_intake(self.place) for _ in range(WORKERS)]
        self.out: list[Batch | None] = [None] * WORKERS

    @rule(puts=PUTS)
    def put(self, puts: list[list[int]]) -> None:
        fresh = [[self._record(width) for width in widths] for widths in puts]
        for records, refused in zip(fresh, self.server.put_all(fresh), strict=True):
            if refused is None:
                self.expected.update(records)
            else:
                assert refused.full

    def _record(self, width: int) -> bytes:
        self.number += 1
        return b"%d " % self.number + b"\0KQ\1" * (width // 4)

    @rule(worker=st.integers(0, WORKERS - 1), most=st.integers(1, 8), most_bytes=st.sampled_from([1, 9999, 1 << 20]))
    def take(self, worker: int, most: int, most_bytes: int) -> None:
        """What nobody else has. Who finds nothing may wait for others, as one waits at the end of the last segment."""
        batch = self.out[worker] = self.intakes[worker].take(most, most_bytes, 0.0)
        if batch is None and self.expected and not any(self.out):
            self.out = [intake.take(most, most_bytes, 0.0) for intake in self.intakes]
            assert any(self.out)
            return
        others = {record for number, other in enumerate(self.out) if other and number != worker for record in other[0]}
        if batch is None:
            return
        records = batch.records
        assert set(records) <= self.expected - others
        assert len(set(records)) == len(records) <= most
        assert len(records) == 1 or sum(map(len, records)) <= most_bytes
        assert [int(record.split()[0]) for record in records] == sorted(int(record.split()[0]) for record in records)

    @precondition(lambda self: any(self.out))
    @rule(worker=st.integers(0, WORKERS - 1))
    def done(self, worker: int) -> None:
        batch = self.out[worker]
        if batch is not None:
            self.intakes[worker].done(batch)
            self.expected -= set(batch.records)
            self.out[worker] = None

    @rule(worker=st.integers(0, WORKERS - 1))
    def worker_ends(self, worker: int) -> None:
        self.intakes[worker].close()
        self.intakes[worker] = segment_intake(self.place)
        self.out[worker] = None

    @rule()
    def server_ends(self) -> None:
        """Workers live on."""
        self.server.close()
        self.server = Server(self.place, QUEUE_BYTES)

    @rule(torn=st.sampled_from([b"", b"\0", b"\0KQ\1", b"\0KQ\1\xff\0\0\0" + b"x" * 300, b"\0" * 5000]))
    def all_crash(self, torn: bytes) -> None:
        """What is in the files is all that the next ones find; perhaps with the beginning of what was written last."""
        following = self.folder / str(self.lives + 1)
        shutil.copytree(self.place, following)
        with max(following.glob("*.records")).open("ab") as last:
            last.write(torn)
        self._close()
        self.lives += 1
        self._open()

    @rule()
    def counts(self) -> None:
        assert self.server.depth(len(self.expected)).trouble == ""

    def teardown(self) -> None:
        found: list[bytes] = []
        while left := [record for intake in self.intakes for record in drain(intake)]:
            found += left
        assert sorted(found) == sorted(self.expected)
        assert self.server.drained(20.0)
        eventually(self.server.swept, "what is done to be removed")
        self._close()
        shutil.rmtree(self.folder)

    def _close(self) -> None:
        for intake in self.intakes:
            intake.close()
        self.server.close()


Model.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
TestModel = Model.TestCase
