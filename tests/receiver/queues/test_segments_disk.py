"""Disks that fail: what they take counts, what they forget is refused, what they spoil is left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from keeper.receiver.queues.segments.segment import path_of
from tests.peers import installed
from tests.peers.ask import eventually
from tests.receiver.queues.server import Server, drain, segment_intake

REPOSITORY = Path(__file__).parents[3]


def on_a_bad_disk(fault: str, *words: str, path: Path | None = None) -> list[str]:
    """What the child said, while this system call failed so; only for one file."""
    command = [installed("strace"), "-f", "-qq", "-o", "/dev/null", *(["-P", str(path)] if path else [])]
    call = fault.partition(":")[0]
    command += ["-e", f"trace={call}", "-e", f"inject={fault}"]
    child = [sys.executable, "-m", "tests.receiver.queues.segments_disk", *words]
    ran = subprocess.run([*command, *child], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_a_disk_that_forgets_what_it_was_given(tmp_path: Path) -> None:
    """A sync that fails: the records are refused and nothing more goes into that segment, whose end nobody can trust.
    After a moment the next one is begun. Whoever read what was refused meanwhile did no harm."""
    said = on_a_bad_disk("fdatasync:error=EIO:when=3", "serve", str(tmp_path), "6")
    durable = [int(line[1:]) for line in said if line.startswith("+")]
    refused = [line for line in said if line.startswith("-")]
    assert said[:2] == ["+0", "+1"]
    assert said[2].startswith(f"-2 {tmp_path}")
    assert all("cannot be written: Input/output error" in line for line in refused)
    assert len(durable) == 6
    assert sorted(path.name for path in tmp_path.glob("*.records")) == ["000000000001.records", "000000000002.records"]
    assert path_of(tmp_path, 1).stat().st_size < path_of(tmp_path, 2).stat().st_size
    with Server(tmp_path) as server:
        intake = segment_intake(tmp_path)
        assert [int(record) for record in drain(intake)] == durable
        assert server.depth(0).lost == 0
        intake.close()


def test_a_disk_that_takes_a_part(tmp_path: Path) -> None:
    """A write that fails in the second segment's first record, too: the next one that goes well counts."""
    said = on_a_bad_disk("pwrite64:error=ENOSPC:when=3..4", "serve", str(tmp_path), "4")
    durable = [int(line[1:]) for line in said if line.startswith("+")]
    assert any("No space left on device" in line for line in said)
    assert len(durable) == 4
    with Server(tmp_path) as server:
        intake = segment_intake(tmp_path)
        assert [int(record) for record in drain(intake)] == durable
        eventually(server.swept, "the segments that failed to be removed")
        assert server.depth(0).lost == 0
        intake.close()


def test_a_segment_that_cannot_be_read(tmp_path: Path) -> None:
    """The worker says so and goes on with the others; nothing of it is given up, as the disk may be back one day. The
    server says so when it cannot even see how far it is done."""
    with Server(tmp_path, queue_bytes=1 << 20) as server:
        for first in range(0, 180, 60):
            server.put(*[b"%d" % number + b" " * 1100 for number in range(first, first + 60)])
        # The first read is of the block with the mark.
        said = on_a_bad_disk("pread64:error=EIO:when=2+", "take", str(tmp_path), path=path_of(tmp_path, 1))
        assert said == [
            f"{path_of(tmp_path, 1)} cannot be read: Input/output error",
            *(str(number) for number in range(60, 180)),
        ]
        said = on_a_bad_disk("pread64:error=EIO:when=1+", "take", str(tmp_path), path=path_of(tmp_path, 1))
        assert said == []
        assert server.depth(60).lost == 0
        intake = segment_intake(tmp_path)
        assert [int(record) for record in drain(intake)] == list(range(60))
        intake.close()


def test_a_segment_that_cannot_be_marked(tmp_path: Path) -> None:
    """What was stored comes again, rather than never."""
    with Server(tmp_path, queue_bytes=1 << 20) as server:
        server.put(b"1")
        said = on_a_bad_disk("pwrite64:error=EIO:when=1+", "take", str(tmp_path), path=path_of(tmp_path, 1))
        assert said == ["1", f"{path_of(tmp_path, 1)} cannot be marked: Input/output error"]
        intake = segment_intake(tmp_path)
        assert drain(intake) == [b"1"]
        intake.close()


def test_a_server_starts_on_a_bad_disk(tmp_path: Path) -> None:
    """With an old segment that cannot be read: it says so, and takes new records."""
    with Server(tmp_path) as server:
        server.put(b"0")
    said = on_a_bad_disk("pread64:error=EIO:when=1+", "serve", str(tmp_path), "1", path=path_of(tmp_path, 1))
    assert said == ["+0", f"trouble: {path_of(tmp_path, 1)}: Input/output error"]
    with Server(tmp_path) as server:
        intake = segment_intake(tmp_path)
        assert [int(record) for record in drain(intake)] == [0, 0]
        assert server.depth(0).lost == 0
        intake.close()
