"""Truncation of the log in place: with a copy, without one, and by a writer that leaves a hole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from keeper.core.batch import Chunk
from keeper.sources.file_tail import FileTailSettings
from tests.sources.tailing import Log, Tail, compress


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


@pytest.mark.parametrize("new_lines", [1, 300], ids=["new file shorter", "new file already longer"])
@pytest.mark.parametrize("down", [False, True], ids=["live", "while down"])
def test_copytruncate(log: Log, new_lines: int, down: bool) -> None:
    """What was written before the copy is read from the copy, then the truncated file from its start."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    if down:
        tail.restart()
    wanted = log.write(20)
    log.copytruncate()
    wanted += log.write(new_lines)
    assert tail.lines() == wanted
    assert tail.lost() == []


@pytest.mark.parametrize("down", [False, True], ids=["live", "while down"])
def test_copytruncate_three_times(log: Log, down: bool) -> None:
    """Several truncations between two looks: every copy is read in its turn, compressed or not."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    if down:
        tail.restart()
    wanted = []
    for round_ in range(3):
        wanted += log.write(5)
        copy = log.copytruncate()
        if round_ != 1:
            compress(copy)
    wanted += log.write(5)
    assert tail.lines() == wanted
    assert tail.lost() == []


def test_new_content_of_the_same_size(log: Log) -> None:
    """A truncated log that grew again to exactly the old size is noticed."""
    log.append("first line of old content\n" * 10)
    tail = Tail(log.path)
    assert len(tail.lines()) == 10
    log.copytruncate()
    log.append("first line of new content\n" * 10)
    assert tail.lines() == ["first line of new content"] * 10
    assert tail.lost() == []


def test_partial_line_at_truncation(log: Log) -> None:
    """The half line in the copy and the half line in the new file are two lines; nothing is joined or dropped."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    log.append("old half")
    assert tail.lines() == []
    log.copytruncate()
    log.append("new half\n")
    assert tail.lines() == ["old half", "new half"]


def test_truncated_without_a_copy(log: Log) -> None:
    """Bytes that were seen but not read are counted as lost, from the offset where they began; then reading goes on."""
    settings = FileTailSettings(max_read=200)
    log.write(1)
    tail = Tail(log.path, settings)
    tail.lines()
    before = log.path.stat().st_size
    log.write(100)
    size = log.path.stat().st_size
    tail.source.poll()  # reads 200 bytes and sees the size of all
    with log.path.open("r+b") as file:
        file.truncate(0)
    new = log.write(2)
    lines = tail.lines()
    assert lines[-2:] == new
    (lost,) = tail.lost()
    assert (lost.size, lost.offset, lost.where) == (size - before - 200, before + 200, str(log.path))
    assert "truncated" in lost.reason


def test_truncated_while_down(log: Log) -> None:
    """After a restart the loss is what the stored position knew of the file, said as a lower bound, and said once."""
    settings = FileTailSettings(max_read=200)
    log.write(1)
    tail = Tail(log.path, settings)
    tail.lines()
    log.write(100)
    size = log.path.stat().st_size
    (chunk,) = tail.source.poll()
    tail.position = chunk.position  # type: ignore[union-attr]
    handed_out = log.path.read_bytes().index(chunk.data) + len(chunk.data)  # type: ignore[union-attr]
    tail.restart()
    with log.path.open("r+b") as file:
        file.truncate(0)
    tail.wait()
    (lost,) = tail.lost()
    assert (lost.size, lost.offset) == (size - handed_out, handed_out)
    assert "at least" in lost.reason
    tail.restart()
    new = log.write(2)
    assert tail.lines() == new
    assert len(tail.lost()) == 1


def test_copy_shorter_than_what_was_seen(log: Log) -> None:
    """A copy that lacks bytes seen in the original: exactly those are lost."""
    settings = FileTailSettings(max_read=2000)
    log.write(1)
    tail = Tail(log.path, settings)
    tail.lines()
    log.write(200)
    size = log.path.stat().st_size
    tail.source.poll()
    copy = log.copytruncate()
    os.truncate(copy, 3000)
    new = log.write(1)
    assert tail.lines()[-1:] == new
    (lost,) = tail.lost()
    assert (lost.size, lost.offset, lost.where) == (size - 3000, 3000, str(copy))


def test_copy_shorter_than_what_was_read(log: Log) -> None:
    """A copy made before the last lines were written and read: nothing is lost and nothing read twice."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    copy = log.shift()
    copy.write_bytes(log.path.read_bytes())
    late = log.write(3)
    assert tail.lines() == late
    os.truncate(log.path, 0)
    new = log.write(1)
    assert tail.lines() == new
    assert tail.lost() == []


def test_writer_without_append(log: Log) -> None:
    """A writer that does not append leaves a hole when its log is truncated: the hole is passed over, not read."""
    descriptor = os.open(log.path, os.O_WRONLY | os.O_CREAT)
    tail = Tail(log.path)
    tail.lines()
    wanted: list[str] = []
    for number in range(4):
        line = f"line {number} " + "x" * 3_000_000
        os.write(descriptor, line.encode() + b"\n")
        wanted.append(line[: (1 << 20) - 1])
        if number % 2:
            log.copytruncate()
    os.write(descriptor, b"the last\n")
    assert log.path.stat().st_size > 12_000_000
    assert tail.lines() == [*wanted, "the last"]
    assert tail.lost() == []
    tail.restart()
    os.write(descriptor, b"one more\n")
    assert tail.lines() == ["one more"]
    os.close(descriptor)


def test_truncated_to_a_part(log: Log) -> None:
    """A log that is cut back, not emptied, goes on at its new end."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    lines = log.path.read_bytes().splitlines(keepends=True)
    os.truncate(log.path, sum(len(line) for line in lines[:60]))
    assert tail.lines() == []
    new = log.write(2)
    assert tail.lines() == new
    assert tail.lost() == []


@pytest.mark.parametrize("down", [False, True], ids=["live", "while down"])
@pytest.mark.parametrize("then", ["more lines", "renamed", "renamed and compressed"])
def test_empty_log_written_and_copied_between_two_looks(log: Log, down: bool, then: str) -> None:
    """The first lines of a log that was empty when last seen are found in their copy, whatever happens then."""
    log.path.touch()
    tail = Tail(log.path)
    tail.lines()
    if down:
        tail.restart()
    wanted = log.write()
    copy = log.copytruncate()
    if then != "more lines":
        log.rename()
        copy = log.numbered(2)
        if then == "renamed and compressed":
            compress(copy)
    wanted += log.write()
    assert tail.lines() == wanted
    assert tail.lost() == []


def enter_unread(log: Log, tail: Tail) -> None:
    """Have the source open the next file without reading any of it."""
    for _ in range(50):
        tail.time += 0.1
        for item in tail.source.poll():
            tail.items.append(item)
            if isinstance(item, Chunk) and json.loads(item.position)["at"]["path"] == str(log.path):
                tail.position = item.position
                return
    raise AssertionError("the next file was not entered")


def test_truncated_before_the_first_look_inside(log: Log) -> None:
    """A file that is copied and truncated after it was opened and before it was read is found in its copy."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    log.rename()
    wanted = log.write(5)
    enter_unread(log, tail)
    log.copytruncate()
    wanted += log.write(100)
    assert tail.lines() == wanted
    assert tail.lost() == []


@pytest.mark.parametrize("down", [False, True], ids=["live", "while down"])
def test_emptied_before_the_first_look_inside(log: Log, down: bool) -> None:
    """The same without a copy: all its bytes are lost, exactly."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    log.rename()
    log.write(5)
    size = log.path.stat().st_size
    enter_unread(log, tail)
    if down:
        tail.restart()
    os.truncate(log.path, 0)
    assert tail.lines() == []
    new = log.write(2)
    assert tail.lines() == new
    (lost,) = tail.lost()
    assert (lost.size, lost.offset) == (size, 0)


def test_copy_is_done_with_at_once(log: Log) -> None:
    """A copy is left as soon as it is read, although the log is empty: deleting it afterwards loses nothing."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    copy = log.copytruncate()
    assert tail.lines() == []
    copy.unlink()
    tail.restart()
    wanted = log.write()
    assert tail.lines() == wanted
    assert tail.lost() == []


def test_copy_in_the_making(log: Log) -> None:
    """A copy that is there before the log is truncated is not read as a file of its own."""
    log.write(50)
    tail = Tail(str(log.path) + "*")
    tail.lines()
    copy = log.path.with_name("app.log.copy")
    copy.write_bytes(log.path.read_bytes()[:1500])
    assert tail.lines() == []
    copy.write_bytes(log.path.read_bytes())
    wanted = log.write(1)
    assert tail.lines() == wanted
    tail.restart()
    wanted = log.write(1)
    copy.write_bytes(log.path.read_bytes())
    os.truncate(log.path, 0)
    wanted += log.write(1)
    assert tail.lines() == wanted
