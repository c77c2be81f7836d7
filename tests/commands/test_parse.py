"""`keeper parse`, as a person runs it."""

from __future__ import annotations

import gzip
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from keeper.commands.parse import KINDS, SHAPES, chunks_of
from keeper.core.event import Event
from keeper.errors import KeeperError
from tests.formats.samples import recording

PREFIX = b"info  2026-11-20T20:19:03.493 nodeos    main.cpp:1    main ] "


def parse(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "keeper", "parse", "nodeos", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


def test_a_file_gives_one_json_object_a_line_and_a_summary(tmp_path: Path) -> None:
    """Times in UTC with their zone, durations in seconds, counts on standard error."""
    log = tmp_path / "nodeos.log"
    log.write_bytes(recording("A"))
    done = parse(str(log))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert events[0] == {"event": "node_started", "at": "2026-11-20T20:19:03.504Z", "version": "v4.1.0-dev"} or events
    received = [event for event in events if event["event"] == "block_received"]
    assert (
        received[-1]
        == {
            "event": "block_received",
            "at": "2026-11-20T20:38:59.966Z",
            "number": 2378,
            "id": "a18dd10c2c486c08",
            "slot_time": "2026-11-20T20:39:00.000Z",
            "producer": "bpg",
            "lib": 2053,
            "transactions": 0,
            "latency": -0.034,
        }
        or received
    )
    summary = done.stderr.decode().splitlines()
    assert summary[0] == "2,825 lines: 2,825 recognised (100.0 %), 0 not"
    assert "2,305 block_received" in done.stderr.decode()


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, lambda data: data], ids=["gz", "xz", "plain"])
def test_packed_files_and_standard_input_say_the_same(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A packed log is known by its first bytes, whatever its name; `-` and nothing are standard input."""
    data = pack(recording("B"))
    log = tmp_path / "log"
    log.write_bytes(data)
    outputs = {parse(str(log)).stdout, parse("-", stdin=data).stdout, parse(stdin=data).stdout}
    assert len(outputs) == 1
    assert outputs.pop().count(b"\n") == 2524


def test_members_of_one_gz_are_one_log(tmp_path: Path) -> None:
    """`cat a.gz b.gz > c.gz` is how people join logs."""
    log = tmp_path / "c.gz"
    line = PREFIX + b"Producer paused.\n"
    log.write_bytes(gzip.compress(line) + gzip.compress(line))
    assert parse(str(log)).stdout.count(b"producer_paused") == 2


def test_the_last_line_counts_without_its_newline() -> None:
    """And an exception at the end of the file is shown with its details."""
    done = parse(stdin=PREFIX + b"13 St9bad_alloc: std::bad_alloc\nrethrow")
    assert json.loads(done.stdout)["detail"] == ["rethrow"]


def test_unrecognised_lines_are_counted_and_shown_by_shape() -> None:
    """A few different shapes, so that a person sees what looks different; no control characters reach the terminal."""
    lines = [b"2026-11-20 20:19:%02d weird \x1b]0;title\x07 deadbeefdeadbeef" % n for n in range(50)]
    lines += [b"shape " + bytes([letter]) for letter in range(97, 117)]
    done = parse(stdin=b"\n".join(lines) + b"\n")
    said = done.stderr.decode()
    assert done.returncode == 0
    assert "70 lines: 0 recognised (0.0 %), 70 not" in said
    assert "       50  N-N-N N:N:N weird \\x1b]N;title\\x07 H" in said
    assert said.count("  shape ") == SHAPES - 1
    assert "       16  other lines" in said


def test_a_line_over_a_mebibyte_is_cut_and_counted() -> None:
    """In bounded memory; the lines around it are read."""
    data = PREFIX + b"Producer paused.\n" + b"x" * (3 << 20) + b"\n" + PREFIX + b"Producer resumed.\n"
    done = parse(stdin=data)
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["producer_paused", "producer_resumed"]
    assert "1 lines were longer than 1 MiB and were cut" in done.stderr.decode()


def test_a_missing_file_and_a_directory_are_said_in_one_sentence(tmp_path: Path) -> None:
    """Exit code 1, the path and the system's reason, no traceback."""
    for path, reason in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        done = parse(str(path))
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.decode() == f"keeper: cannot read {path}: {reason}\n"


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress], ids=["gz", "xz"])
def test_a_torn_archive_shows_what_it_had(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Rotation still writing, a full disk: exit code 1, the events up to the tear, and one sentence."""
    log = tmp_path / "log.gz"
    packed = pack(recording("B"))
    log.write_bytes(packed[: len(packed) // 2])
    done = parse(str(log))
    assert done.returncode == 1
    assert done.stdout.count(b"\n") > 100
    assert f"{log} is damaged or not complete" in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_chunks_are_bounded_and_whole(tmp_path: Path) -> None:
    """What replay and parse read files with: nothing lost, nothing huge, errors as KeeperError."""
    log = tmp_path / "log.xz"
    log.write_bytes(lzma.compress(recording("C")))
    chunks = list(chunks_of(log))
    assert b"".join(chunks) == recording("C")
    assert max(map(len, chunks)) <= 1 << 17
    with pytest.raises(KeeperError, match="cannot read"):
        list(chunks_of(tmp_path / "none"))


def test_every_event_has_its_name() -> None:
    """Names as in the documentation: the class in small letters."""
    assert set(KINDS) == set(get_args(Event))
    assert "block_received" in KINDS.values()
    assert all(name == name.lower() and name.isidentifier() for name in KINDS.values())


def test_help_shows_an_example() -> None:
    """`keeper parse -h` tells what comes out and how to feed it from Docker."""
    command = [sys.executable, "-m", "keeper", "parse", "-h"]
    said = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout.decode()
    assert "docker logs nodeos 2>&1 | keeper parse nodeos -" in said
