"""The spool against a list, with random appends, batches, crashes and restarts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keeper.opentsdb.disk import Batch
from keeper.opentsdb.spool import LEAST, Spool

WIDTHS = st.lists(st.sampled_from([20, 21, 300, 1000, 9000]), max_size=8)


class Model(RuleBasedStateMachine):
    """`expected` is every line that is not delivered, and `fallen` how many of its first ones a full spool dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="keeper-spool-"))
        self.lives = 0
        self.number = 0
        self.now = 1000.0
        self.expected: list[bytes] = []
        self.dropped = 0  # by this life, as the spool counts
        self.batch: Batch | None = None
        self.spool = self._open()

    def _open(self) -> Spool:
        return Spool.open(self.folder / str(self.lives), LEAST, lambda: self.now)

    @rule(widths=WIDTHS)
    def append(self, widths: list[int]) -> None:
        self.now += 1
        fresh = [b"%019d" % (self.number + position) + b"x" * (width - 19) for position, width in enumerate(widths)]
        self.number += len(fresh)
        self.spool.append(fresh)
        self.expected += fresh

    @rule(most=st.integers(1, 20), most_bytes=st.sampled_from([1, 1000, 50_000]))
    def take(self, most: int, most_bytes: int) -> None:
        self.batch = self.spool.take(most, most_bytes)
        self._fall()
        assert (self.batch is None) == (not self.expected)
        if self.batch is not None:
            lines = list(self.batch.lines)
            assert lines == self.expected[: len(lines)]
            assert len(lines) <= most
            assert len(lines) == 1 or sum(map(len, lines)) <= most_bytes

    @precondition(lambda self: self.batch is not None)
    @rule()
    def done(self) -> None:
        assert self.batch is not None
        self.spool.done(self.batch)
        delivered = set(self.batch.lines)
        self.expected = [line for line in self.expected if line not in delivered]
        self.batch = None

    @rule()
    def restart(self) -> None:
        self._fall_out_of_the_way()
        self.spool.close()
        self.spool = self._open()
        self.dropped = 0
        self.batch = None
        assert (self.spool.points, self.spool.torn) == (len(self.expected), 0)

    @rule()
    def crash(self) -> None:
        """What is in the files is all that the next process finds."""
        self._fall_out_of_the_way()
        shutil.copytree(self.folder / str(self.lives), self.folder / str(self.lives + 1))
        self.spool.close()
        self.lives += 1
        self.spool = self._open()
        self.dropped = 0
        self.batch = None
        assert (self.spool.points, self.spool.torn) == (len(self.expected), 0)

    def _fall(self) -> None:
        """Forget what the spool says it dropped: the oldest."""
        del self.expected[: self.spool.dropped - self.dropped]
        self.dropped = self.spool.dropped

    def _fall_out_of_the_way(self) -> None:
        """A batch that fell out while it was on its way is only counted when the next one is taken."""
        self.spool.take(1, 1)
        self._fall()

    @invariant()
    def counts(self) -> None:
        assert self.spool.bytes <= LEAST
        assert self.spool.trouble == ""
        on_its_way = len(self.batch.lines) if self.batch else 0
        missing = len(self.expected) - (self.spool.dropped - self.dropped) - self.spool.points
        assert missing in (0, on_its_way)
        assert (self.spool.oldest is None) == (self.spool.points == 0)

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)


Model.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase
