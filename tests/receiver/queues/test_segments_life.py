"""Segments come and go: they fill, are shared, are done and removed; disks fill up and are free again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.errors import SourceError, StateError
from keeper.receiver.queues.queue import NotTaken
from keeper.receiver.queues.segments.intake import SegmentIntake
from keeper.receiver.queues.segments.segment import path_of
from tests.peers import require
from tests.peers.ask import eventually
from tests.receiver.queues.server import Server, drain, segment_intake

SMALL = 1 << 20  # a bound with which a segment has 64 KiB


def numbered(first: int, count: int, size: int = 1000) -> list[bytes]:
    return [b"%d" % number + b" " * size for number in range(first, first + count)]


def number(record: bytes) -> int:
    return int(record)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """512 KiB, and nothing in reserve."""
    require(os.geteuid() == 0, "only root mounts disks")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_the_folder_is_one_servers(tmp_path: Path) -> None:
    """A second one is told so, as long as the first one lives; the folder is its user's alone."""
    folder = tmp_path / "state" / "queue"
    with Server(folder) as server:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert server.segments()[0].stat().st_mode & 0o777 == 0o600
        with pytest.raises(StateError, match="in use by another keeper"):
            Server(folder)
        assert server.put(b"still ours") is None
    Server(folder).close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Is said at the start."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be used: Not a directory"):
        Server(tmp_path / "file" / "queue")


def test_workers_before_the_first_server(tmp_path: Path) -> None:
    """They are told to come again, and find what is put as soon as it is there."""
    intake = segment_intake(tmp_path / "queue")
    with pytest.raises(SourceError, match="No such file"):
        intake.take(1, 1000, 0.0)
    with Server(tmp_path / "queue") as server:
        server.put(b"one")
        assert drain(intake) == [b"one"]
    intake.close()


def test_segments_are_removed_when_they_are_done(tmp_path: Path) -> None:
    """A row of them fills; two workers have one each; in the end there is the one that is written to."""
    with Server(tmp_path, SMALL) as server:
        for first in range(0, 600, 50):
            assert server.put(*numbered(first, 50)) is None
        assert len(server.segments()) > 5
        depth = server.depth(600)
        assert 600_000 < depth.bytes < SMALL
        one, two = segment_intake(tmp_path), segment_intake(tmp_path)
        batch_one, batch_two = one.take(10, SMALL, 0.0), two.take(10, SMALL, 0.0)
        assert batch_one is not None
        assert batch_two is not None
        assert [number(record) for record in batch_one.records] == list(range(10))
        assert min(number(record) for record in batch_two.records) > 50
        one.done(batch_one)
        two.done(batch_two)
        found = [*batch_one.records, *batch_two.records]
        while left := [*drain(one, 7), *drain(two, 7)]:
            found += left
        assert sorted(map(number, found)) == list(range(600))
        assert server.drained(20.0)
        eventually(server.swept, "what is done to be removed")
        assert server.depth(0) == (0, 0, None, 0, "")
        one.close()
        two.close()


def test_a_worker_goes_back_to_what_another_one_left(tmp_path: Path) -> None:
    """One that waits at the end takes what a worker that ended had taken, from the first record that was not done."""
    with Server(tmp_path, SMALL) as server:
        for first in range(0, 150, 50):
            server.put(*numbered(first, 50))
        ended, waits = segment_intake(tmp_path), segment_intake(tmp_path)
        batch = ended.take(5, SMALL, 0.0)
        assert batch is not None
        ended.done(batch)
        assert ended.take(5, SMALL, 0.0) is not None
        later = drain(waits)
        assert server.put(b"1000") is None
        assert drain(waits) == [b"1000"]
        ended.close()
        found = [*map(number, batch.records), *map(number, later), *map(number, drain(waits))]
        assert sorted(found) == list(range(150))
        assert server.put(b"1001") is None
        assert drain(waits) == [b"1001"]
        assert server.drained(20.0)
        waits.close()


def test_a_worker_at_the_end_of_a_segment_goes_on_into_the_next(tmp_path: Path) -> None:
    """What it holds is done when a later one is there, and removed; nothing is left out, the torn tail of a server that
    was killed is passed."""
    with Server(tmp_path, SMALL) as server:
        intake = segment_intake(tmp_path)
        assert server.put(*numbered(0, 10)) is None
        assert [*map(number, drain(intake))] == list(range(10))
        for first in range(10, 160, 50):
            assert server.put(*numbered(first, 50)) is None
        assert len(server.segments()) > 1
        assert [*map(number, drain(intake))] == list(range(10, 160))
        eventually(server.swept, "what is done to be removed")
        (last,) = server.segments()
    with last.open("ab") as file:
        file.write(b"half a record")
    with Server(tmp_path, SMALL) as server:
        assert server.put(b"160") is None
        assert drain(intake) == [b"160"]
        eventually(server.swept, "what is done to be removed")
        assert last not in server.segments()
    intake.close()


def test_a_put_of_nothing(tmp_path: Path) -> None:
    """Is answered when the disk answers, and nothing comes of it."""
    with Server(tmp_path) as server:
        assert server.put_all([[], [b"one"], []]) == [None] * 3
        assert server.put() is None
        intake = segment_intake(tmp_path)
        assert drain(intake) == [b"one"]
        intake.close()


def test_only_the_batch_taken_last_can_be_done(tmp_path: Path) -> None:
    """Once; what is taken again before it was done is the same."""
    with Server(tmp_path) as server:
        server.put(b"one", b"two")
        intake = segment_intake(tmp_path)
        first = intake.take(1, 100, 0.0)
        second = intake.take(1, 100, 0.0)
        assert first is not None
        assert second is not None
        assert first.records == second.records == [b"one"]
        with pytest.raises(ValueError, match="taken last"):
            intake.done(first)
        intake.done(second)
        with pytest.raises(ValueError, match="only once"):
            intake.done(second)
        assert drain(intake) == [b"two"]
        intake.close()


def test_a_queue_is_full_at_its_bound(tmp_path: Path) -> None:
    """Then records are refused, all of a put or none; when workers are done with some, there is room again."""
    with Server(tmp_path, SMALL) as server:
        answers = server.put_all([numbered(first, 10) for first in range(0, 2000, 10)])
        taken = [first * 10 for first, answer in enumerate(answers) if answer is None]
        refused = [answer for answer in answers if answer is not None]
        assert 90 < len(taken) < 110
        assert {(answer.full, answer.retry_after > 0) for answer in refused} == {(True, True)}
        never = server.put(b"x" * 2 * SMALL)
        assert never is not None
        assert never.too_large, "however empty it is"
        intake = segment_intake(tmp_path)
        found = [number(record) for record in drain(intake)]
        assert found == [number for first in taken for number in range(first, first + 10)]
        eventually(lambda: server.put(*numbered(0, 10)) is None, "room in the queue")
        intake.close()


def test_so_much_of_the_disk_stays_free(tmp_path: Path) -> None:
    """Or records are refused, and the depth says why."""
    with Server(tmp_path, min_free=1 << 60) as server:
        refused = server.put(b"one")
        assert refused is not None
        assert refused.full
        assert "is full" in refused.why
        assert "is full" in server.depth(0).trouble


def test_a_full_disk(small_disk: Path) -> None:
    """What does not fit is refused and says why; what was taken comes, while the disk is full; then there is room."""
    folder = small_disk / "queue"
    expected: list[int] = []
    refused: NotTaken | None = None
    with Server(folder) as server:
        while refused is None:
            fresh = numbered(len(expected), 20)
            refused = server.put(*fresh)
            expected += [] if refused else map(number, fresh)
        assert "No space left on device" in refused.why
        assert server.queue.depth().trouble == refused.why
        (small_disk / "rest").write_bytes(b"x" * os.statvfs(small_disk).f_bfree * 4096)  # of what was cut off again
        intake = segment_intake(folder)
        found = [number(record) for record in drain(intake, 30)]
        assert found == expected

        def taken() -> bool:
            assert drain(intake) == []  # looking, it lets go of the segment that was removed
            return server.put(b"-1") is None

        eventually(taken, "room on the disk")
        assert server.queue.depth().trouble == ""
        assert drain(intake) == [b"-1"]
        assert server.drained(20.0)
        eventually(server.swept, "what is done to be removed")
        assert server.depth(0).lost == 0
        intake.close()


def test_a_disk_that_is_full_at_the_start(small_disk: Path) -> None:
    """The server starts, and takes records as soon as there is room; workers get what was left."""
    folder = small_disk / "queue"
    with Server(folder) as server:
        assert server.put(b"old") is None
    filled = small_disk / "other"
    filled.write_bytes(b"x" * os.statvfs(small_disk).f_bfree * 4096)
    with Server(folder) as server:
        assert server.put(b"refused") is not None
        intake = segment_intake(folder)
        assert drain(intake) == [b"old"]
        filled.unlink()
        eventually(lambda: not server.put(b"new"), "room on the disk")
        assert drain(intake) == [b"new"]
        intake.close()


def test_a_segment_that_somebody_removed(tmp_path: Path) -> None:
    """What was in it counts as lost, and the next records go into another one."""
    with Server(tmp_path) as server:
        server.put(b"one")
        intake = segment_intake(tmp_path)
        assert drain(intake) == [b"one"]
        server.put(b"two")
        server.segments()[0].unlink()
        lost = eventually(lambda: server.queue.depth().lost, "the loss to be seen")
        assert server.put(b"three") is None
        assert server.segments() == [path_of(tmp_path, 2)]
        eventually(lambda: b"three" in drain(intake), "what came after")
        assert server.depth(0).lost == lost
        intake.close()


def test_numbers_that_begin_again(tmp_path: Path) -> None:
    """A worker that waits in a segment which is gone goes on in the new one, even when it has the same name."""
    with Server(tmp_path) as server:
        server.put(b"one")
        intake = segment_intake(tmp_path)
        assert drain(intake) == [b"one"]
    for path in tmp_path.glob("*.records"):
        path.unlink()
    with Server(tmp_path) as server:
        assert server.segments() == [path_of(tmp_path, 1)]
        server.put(b"two")
        assert drain(intake) == [b"two"]
        intake.close()


def test_many_workers_without_a_bell_wait_for_little(tmp_path: Path) -> None:
    """Each of them looks again soon."""
    with Server(tmp_path) as server:
        intakes = [SegmentIntake(tmp_path, time.time, None) for _ in range(4)]
        for intake in intakes:
            assert intake.take(1, 10, 0.0) is None
        server.put(b"one")
        found = [batch for intake in intakes if (batch := intake.take(1, 10, 0.3)) is not None]
        assert [list(batch.records) for batch in found] == [[b"one"]]
        for intake in intakes:
            intake.close()
