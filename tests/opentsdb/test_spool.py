"""What is appended to a spool comes out once and in order, whatever its files, its disk and other processes do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.errors import StateError
from keeper.opentsdb.hold import Hold
from keeper.opentsdb.record import OVERHEAD
from keeper.opentsdb.spool import Spool
from tests.peers import require

LIMIT = 1 << 20
PLENTY = 1 << 30


def lines(first: int, count: int) -> list[bytes]:
    return [b"m.%d 1700000000 %d host=a" % (number, number) for number in range(first, first + count)]


def opened(folder: Path, limit: int = LIMIT, hold: Hold | None = None) -> Spool:
    return Spool.open(folder, limit, time.time, hold)


def drain(spool: Spool, most: int = 100) -> list[bytes]:
    """All lines, each batch done."""
    found: list[bytes] = []
    while (batch := spool.take(most, PLENTY)) is not None:
        found += batch.lines
        spool.done(batch)
    return found


def test_one_that_is_closed_is_left_to_the_next(tmp_path: Path) -> None:
    """Whoever still had a batch of it changes nothing any more; the next has all that was not done."""
    spool = opened(tmp_path)
    spool.append(lines(0, 5))
    batch = spool.take(3, PLENTY)
    assert batch is not None
    spool.close()
    after = opened(tmp_path)
    spool.done(batch)
    assert spool.take(3, PLENTY) is None
    assert spool.trouble == ""
    assert drain(after) == lines(0, 5)


def test_lines_stay_until_they_are_done(tmp_path: Path) -> None:
    """A batch is the oldest lines within both bounds; taken again it comes again; done, the next one comes."""
    spool = opened(tmp_path)
    assert spool.take(10, PLENTY) is None
    assert (spool.points, spool.oldest, spool.dropped, spool.torn, spool.trouble) == (0, None, 0, 0, "")
    before = time.time()
    spool.append(lines(0, 5))
    spool.append(lines(5, 5))
    assert spool.oldest is not None
    assert before <= spool.oldest <= time.time()
    batch = spool.take(3, PLENTY)
    assert batch is not None
    assert list(batch.lines) == lines(0, 3)
    batch = spool.take(100, 2 * len(lines(0, 1)[0]))
    assert batch is not None
    assert list(batch.lines) == lines(0, 2)
    spool.done(batch)
    one = spool.take(100, 1)
    assert one is not None
    assert list(one.lines) == lines(2, 1)
    assert spool.points == 8
    assert drain(spool, 4) == lines(2, 8)
    assert spool.points == 0
    assert spool.oldest is None


def test_only_the_batch_taken_last_can_be_done(tmp_path: Path) -> None:
    """Done twice, or an older batch, would count points that are not delivered."""
    spool = opened(tmp_path)
    spool.append(lines(0, 4))
    old = spool.take(1, PLENTY)
    new = spool.take(2, PLENTY)
    assert old is not None
    assert new is not None
    with pytest.raises(ValueError, match="taken last"):
        spool.done(old)
    spool.done(new)
    with pytest.raises(ValueError, match="only once"):
        spool.done(new)
    assert drain(spool) == lines(2, 2)


def test_a_process_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """Also in the middle of a record, and with nothing left but the number of the next segment."""
    spool = opened(tmp_path)
    spool.append(lines(0, 10))
    batch = spool.take(4, PLENTY)
    assert batch is not None
    spool.done(batch)
    came = spool.oldest
    spool.close()
    spool = opened(tmp_path)
    assert (spool.points, spool.oldest, spool.torn) == (6, came, 0)
    spool.append(lines(10, 2))
    assert drain(spool) == lines(4, 8)
    spool.close()
    spool = opened(tmp_path)
    assert spool.take(10, PLENTY) is None
    spool.append(lines(12, 1))
    assert drain(spool) == lines(12, 1)


def test_delivered_segments_are_removed(tmp_path: Path) -> None:
    """The disk has room again for what is delivered, but for the segment being written."""
    spool = opened(tmp_path)
    for first in range(0, 15_000, 100):
        spool.append(lines(first, 100))
    assert len(list(tmp_path.glob("*.points"))) > 5
    assert drain(spool, 5000) == lines(0, 15_000)
    assert len(list(tmp_path.glob("*.points"))) == 1
    assert spool.bytes < LIMIT / 8


def test_over_the_limit_the_oldest_fall_out(tmp_path: Path) -> None:
    """Whole segments of them, counted; the files never take more than the limit; the batch on its way counts too,
    unless it is delivered after all."""
    spool = opened(tmp_path, 65_536)
    spool.append(lines(0, 10))
    batch = spool.take(10, PLENTY)
    assert batch is not None
    total = 10
    while not spool.dropped:
        spool.append(lines(total, 100))
        total += 100
        assert sum(path.stat().st_size for path in tmp_path.glob("*.points")) <= 65_536
    assert spool.points + spool.dropped == total - 10
    spool.done(batch)
    assert spool.points + spool.dropped == total - 10
    left = drain(spool)
    assert left == lines(total - len(left), len(left))
    assert spool.dropped == total - 10 - len(left)


def test_a_batch_that_fell_out_and_is_not_delivered_is_dropped(tmp_path: Path) -> None:
    """It is counted when the next one is taken."""
    spool = opened(tmp_path, 65_536)
    spool.append(lines(0, 10))
    assert spool.take(10, PLENTY) is not None
    spool.append(lines(10, 5000))
    assert spool.take(10, PLENTY) is not None
    assert spool.points + spool.dropped == 5010
    spool.append([b"x" * 100_000])  # more than the spool: no line that a TSD takes
    assert spool.points + spool.dropped == 5011


def test_what_comes_when_all_before_it_fell_out_is_there(tmp_path: Path) -> None:
    """How far one segment was delivered says nothing of the next, whose first record begins at the same byte."""
    spool = opened(tmp_path, 65_536)
    spool.append([b"x" * 9000] * 5)
    batch = spool.take(3, PLENTY)
    assert batch is not None
    spool.done(batch)
    fresh = [b"%d" % number * 9000 for number in range(3)]
    spool.append(fresh)
    assert (spool.points, spool.dropped) == (3, 2)
    assert drain(spool) == fresh
    assert (spool.points, spool.dropped) == (0, 2)


def test_two_processes_never_use_one_spool(tmp_path: Path) -> None:
    """The second is told what to do; when the first has ended, it may."""
    spool = opened(tmp_path)
    code = (
        "import pathlib, time\nfrom keeper.errors import KeeperError\nfrom keeper.opentsdb.spool import Spool\n"
        f"try: Spool.open(pathlib.Path({str(tmp_path)!r}), {LIMIT}, time.time)\nexcept KeeperError as e: print(e)"
    )
    other = subprocess.run([sys.executable, "-c", code], check=True, text=True, capture_output=True)
    assert "in use by another keeper; let it end first" in other.stdout
    spool.close()
    assert subprocess.run([sys.executable, "-c", code], check=True, text=True, capture_output=True).stdout == ""


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("notes.txt", b"mine", r"notes\.txt is not keeper's; move it away"),
        ("000000000007.points", b"something else entirely", r"000000000007\.points is not one of keeper's files"),
        ("place", b"here", r"place does not say how far .* broken, or not keeper's"),
        ("place", None, r"place is missing"),
    ],
)
def test_foreign_and_broken_files_are_named_and_kept(
    tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    """The error names the file; nothing is changed."""
    spool = opened(tmp_path)
    spool.append(lines(0, 3))
    spool.close()
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(StateError, match=sentence):
        opened(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    # The cure of the sentence works, and the lock was let go.
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "place").touch()
    assert drain(opened(tmp_path)) == lines(0, 3)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"file/spool cannot be used: Not a directory"):
        opened(tmp_path / "file" / "spool")


def test_a_tail_torn_anywhere_costs_only_itself(tmp_path: Path) -> None:
    """A write that was cut short at any byte: everything before it is there, its bytes are counted, and all goes on."""
    spool = opened(tmp_path / "whole")
    spool.append(lines(0, 3))
    [segment] = (tmp_path / "whole").glob("*.points")
    good = segment.stat().st_size
    spool.append(lines(3, 2))
    spool.close()
    for size in range(segment.stat().st_size):
        shutil.copytree(tmp_path / "whole", tmp_path / str(size))
        os.truncate(tmp_path / str(size) / segment.name, size)
        spool = opened(tmp_path / str(size))
        assert spool.torn == (size - good if size >= good else max(0, size - 16))
        kept = lines(0, 3) if size >= good else []
        assert spool.points == len(kept)
        spool.append(lines(100, 2))
        assert drain(spool) == kept + lines(100, 2)
        spool.close()


def test_a_record_with_a_bad_checksum_costs_only_itself(tmp_path: Path) -> None:
    """Also when its length is spoiled: the next record is found by its mark. Every byte of it is tried."""
    spool = opened(tmp_path / "whole")
    for first in (0, 1, 2):
        spool.append(lines(first, 1))
    spool.close()
    [segment] = (tmp_path / "whole").glob("*.points")
    size = OVERHEAD + len(lines(1, 1)[0])
    for offset in range(size):
        shutil.copytree(tmp_path / "whole", tmp_path / str(offset))
        copy = tmp_path / str(offset) / segment.name
        data = bytearray(copy.read_bytes())
        data[16 + size + offset] ^= 0x55
        copy.write_bytes(data)
        spool = opened(tmp_path / str(offset))
        assert (spool.points, spool.torn) == (2, size)
        assert drain(spool) == lines(0, 1) + lines(2, 1)
        spool.close()


def test_what_goes_bad_while_it_waits_is_dropped(tmp_path: Path) -> None:
    """A segment that somebody truncates, or removes, does not stop the ones behind it."""
    spool = opened(tmp_path)
    for number in range(0, 10_000, 100):
        spool.append(lines(number, 100))
    first, second, third, *_ = sorted(tmp_path.glob("*.points"))
    first.unlink()
    os.truncate(second, 1000)
    third.write_bytes(b"\xff" * third.stat().st_size)
    left = drain(spool)
    assert left[-1:] == lines(9_999, 1)
    assert left == sorted(left, key=lambda line: int(line.split()[2]))
    assert len(left) + spool.dropped == 10_000
    spool.append(lines(10_000, 1))
    assert drain(spool) == lines(10_000, 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", place], check=False)
    require(done.returncode == 0, "no right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_loses_nothing_that_memory_can_hold(small_disk: Path) -> None:
    """Appending goes on in memory and says so; lines are taken from there too; with room again all is on the disk."""
    (small_disk / "ballast").write_bytes(b"x" * 300_000)
    now = [1000.0]
    spool = Spool.open(small_disk / "spool", LIMIT, lambda: now[0])
    total = 0
    while not spool.trouble:
        spool.append(lines(total, 100))
        total += 100
    assert spool.trouble.endswith("No space left on device; points are kept in memory")
    spool.append(lines(total, 100))
    total += 100
    assert (spool.points, spool.dropped) == (total, 0)
    batch = spool.take(1000, PLENTY)  # delivered though the disk is full: the place is written without growing
    assert batch is not None
    assert list(batch.lines) == lines(0, len(batch.lines))
    spool.done(batch)
    assert "delivered may be sent once more" not in spool.trouble

    (small_disk / "ballast").unlink()
    now[0] += 1.0
    spool.append(lines(total, 1))
    assert spool.trouble == ""
    spool.close()
    spool = opened(small_disk / "spool")
    assert drain(spool, 777) == lines(len(batch.lines), total + 1 - len(batch.lines))


def test_with_a_full_disk_points_go_through_memory(small_disk: Path) -> None:
    """The TSD can be served though nothing fits on the disk; too many for memory fall out, the oldest first."""
    spool = opened(small_disk / "spool", hold=Hold(100, 1 << 20))
    (small_disk / "ballast").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize))
    spool.append(lines(0, 150))
    assert "No space left" in spool.trouble
    assert (spool.points, spool.dropped) == (100, 50)
    batch = spool.take(30, PLENTY)
    assert batch is not None
    assert list(batch.lines) == lines(50, 30)
    spool.append(lines(150, 10))  # what is on its way stays
    assert (spool.points, spool.dropped) == (100, 60)
    spool.done(batch)
    assert drain(spool) == lines(90, 70)
    assert (spool.points, spool.dropped) == (0, 60)
