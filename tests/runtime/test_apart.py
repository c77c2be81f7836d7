"""A log read in a process of its own is the log, and whatever happens to that process is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.recorded import recording
from keeper.core.batch import Parsed
from keeper.core.event import BlockReceived, Event, LogException, NodeStopped, PeerCount, ScheduleProposed
from keeper.errors import KeeperError
from keeper.formats.nodeos import NodeosFormat
from keeper.runtime.apart import apart, packed, processors, unpacked
from tests.peers.ask import eventually

ONE = Parsed([PeerCount(1.5, 2, 3)], 4, 4, 0)


@pytest.fixture
def others() -> set[int]:
    """Children this process had before: the peers of other tests."""
    return children()


def children() -> set[int]:
    """The processes that are children of this one."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            if int(status.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(status.parent.name))
    return found


def test_what_the_child_read_is_what_was_read(others: set[int]) -> None:
    """A whole recording in chunks: the same values of the same types."""
    log = recording("C")
    chunks = [log[start : start + 65_536] for start in range(0, len(log), 65_536)]

    def read() -> Iterator[Parsed]:
        form = NodeosFormat()
        for chunk in chunks:
            yield form.parse(chunk, 0.0)

    here, there = list(read()), list(apart(read))
    assert there == here
    kinds = [[type(event) for event in parsed.events] for parsed in there]
    assert kinds == [[type(event) for event in parsed.events] for parsed in here]
    assert children() <= others


def test_packing_keeps_everything() -> None:
    """None, texts that are no UTF-8, tuples in tuples, order of kinds, empty readings."""
    events: list[Event] = [
        BlockReceived(1.25, 7, "00ff", 1.0, "bpa", None, None, None),
        BlockReceived(1.75, 8, "00fe", 1.5, "bpa", 6, 0, -0.5),
        LogException(2.0, "\udcff text", ("one", "two")),
        NodeStopped(2.0, ""),
        ScheduleProposed(3.0, 2, ("a", "b")),
        BlockReceived(1.25, 2**40, "00ff", 1.0, "bpa", None, None, None),
    ]
    parsed = Parsed(events, 9, 7, 2)
    again = unpacked(packed(parsed))
    assert again == parsed
    assert list(map(type, again.events)) == list(map(type, events))
    assert unpacked(packed(Parsed([], 0, 0, 0))) == Parsed([], 0, 0, 0)


def test_an_error_comes_behind_what_was_read_before_it(others: set[int]) -> None:
    """As it would in one process."""

    def read() -> Iterator[Parsed]:
        yield ONE
        raise KeeperError("cannot read \udcff.log: it is torn")

    reading = apart(read)
    assert next(reading) == ONE
    with pytest.raises(KeeperError, match="is torn"):
        next(reading)
    assert children() <= others


def test_a_bug_in_the_child_is_an_error_here(others: set[int], capfd: pytest.CaptureFixture[str]) -> None:
    """With its traceback, and without the child going on as a second parent."""

    def read() -> Iterator[Parsed]:
        yield ONE
        raise ZeroDivisionError("a bug")

    with pytest.raises(KeeperError, match="ended in the middle"):
        list(apart(read))
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err
    assert children() <= others


def test_a_killed_child_is_an_error_here(others: set[int]) -> None:
    """The kernel does that when memory is short."""

    def read() -> Iterator[Parsed]:
        yield ONE
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(KeeperError, match="ended in the middle"):
        list(apart(read))
    assert children() <= others


def test_who_wants_no_more_leaves_no_process_behind(others: set[int]) -> None:
    """The child would go on for ever."""

    def read() -> Iterator[Parsed]:
        while True:
            yield ONE

    reading = apart(read)
    assert next(reading) == ONE
    assert len(children() - others) == 1
    reading.close()  # type: ignore[attr-defined]  # a generator
    eventually(lambda: children() <= others, "no child left")


def test_there_is_a_processor() -> None:
    """Of those this process may use."""
    assert 1 <= processors() <= (os.cpu_count() or 1)
